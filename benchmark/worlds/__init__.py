"""Worlds with the truth known: shapes, things on photographs, and photographs as they are."""

from pathlib import Path

WEIGHTS = Path(__file__).parents[1] / "weights"  # where WORLD-CLIP and WORLD-dino are looked for
