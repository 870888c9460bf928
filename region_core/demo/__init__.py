"""The embedded demo: scenes of coloured shapes and small models that know them."""
