"""The rivals: other ways to choose a region, on the same models and scenes."""
