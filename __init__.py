"""ComfyUI Learnable Regions: what ComfyUI loads, the nodes and the folder of help pages."""

import sys

# Test runners import a folder's __init__.py too, where there is no ComfyUI to extend.
if "folder_paths" in sys.modules:
    from comfy_api.latest import io

    if not hasattr(io, "DynamicCombo"):
        raise ImportError("Learnable Regions needs ComfyUI 0.14.0 or newer; update ComfyUI and start it again")
    from .nodes import comfy_entrypoint as comfy_entrypoint

WEB_DIRECTORY = "./nodes/web"
