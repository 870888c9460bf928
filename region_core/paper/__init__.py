"""The learnable region generator: network, losses, training, checkpoint."""
