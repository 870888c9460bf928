"""ComfyUI Learnable Regions: what ComfyUI loads, the nodes and the folder of help pages."""

from .nodes import comfy_entrypoint

WEB_DIRECTORY = "./nodes/web"
__all__ = ["WEB_DIRECTORY", "comfy_entrypoint"]
