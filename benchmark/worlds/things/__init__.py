"""Named things on photographs."""
