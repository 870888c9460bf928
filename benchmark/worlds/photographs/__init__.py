"""Real photographs with true boxes, found by real models: nothing of either is in the repository."""
