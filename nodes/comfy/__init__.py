"""ComfyUI as the core's parts: inpainter, sampling, offloaded encoders, feedback, downloads."""
