"""Repainting regions: the inpainter protocol, windows and stitching, the diffusers inpainter."""
