"""What the method is measured with: worlds, methods and baselines, tables, costs, training."""
