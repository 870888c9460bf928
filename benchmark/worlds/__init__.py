"""Worlds with the truth known, other than the demo's shapes."""
