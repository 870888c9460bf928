"""Load Shapes Demo and Shapes Scene: the whole method with nothing to download."""

from __future__ import annotations

import numpy as np
import torch
from comfy_api.latest import io

from ..region_core.demo.models import WEIGHTS
from ..region_core.demo.scenes import KINDS
from ..region_core.demo.worlds import with_company
from ..region_core.encoders import load_clip, load_dino
from ..region_core.errors import InputError
from ..region_core.settings import MAX_SEED
from .comfy.offloaded import ManagedEncoder
from .common import BoundingBox, ClipScorerSocket, Dino, schema, to_bounding_box
from .sockets import checked


class LoadShapesDemo(io.ComfyNode):
    """MODEL, CLIP, VAE and both encoders of the shapes world, from the pack's own folder."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Sockets."""
        return schema(
            "LoadShapesDemo",
            search_aliases=["demo", "example models", "toy models"],
            inputs=[],
            outputs=[
                io.Model.Output("model"),
                io.Clip.Output("clip"),
                io.Vae.Output("vae"),
                Dino.Output("dino"),
                ClipScorerSocket.Output("scorer"),
            ],
        )

    @classmethod
    @checked
    def execute(cls) -> io.NodeOutput:
        """Load everything from `region_core/demo/weights`."""
        from .comfy import demo_models

        folder = WEIGHTS / "inpaint"
        for part in (folder / "unet", folder / "vae", WEIGHTS / "dino", WEIGHTS / "clip"):
            if not part.is_dir():
                raise InputError(f"the demo weights {part.name!r} are missing from the pack; install the pack again")
        dino = load_dino(WEIGHTS / "dino")
        scorer = load_clip(f"local-dir:{WEIGHTS / 'clip'}")
        return io.NodeOutput(
            demo_models.load_model(folder),
            demo_models.load_text_encoder(folder),
            demo_models.load_vae(folder),
            ManagedEncoder(dino, "the shapes DINO"),
            ManagedEncoder(scorer, "the shapes CLIP"),
        )


class ShapesScene(io.ComfyNode):
    """A picture of coloured shapes with a wish: its caption, its prompt and the true region."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Sockets and widgets."""
        return schema(
            "ShapesScene",
            search_aliases=["demo picture", "test picture", "example image"],
            inputs=[
                io.Int.Input("seed", default=7, min=0, max=MAX_SEED, control_after_generate=True),
                io.Combo.Input("kind", options=list(KINDS), default="replace"),
            ],
            outputs=[
                io.Image.Output("image"),
                io.String.Output("image_caption"),
                io.String.Output("editing_prompt"),
                io.Mask.Output("true_region"),
                BoundingBox.Output("true_box"),
            ],
        )

    @classmethod
    @checked
    def execute(cls, seed: int, kind: str) -> io.NodeOutput:
        """Draw the scene of the seed."""
        scene, edit = with_company(seed, kind)
        image = torch.from_numpy(scene.image.astype(np.float32) / 255)[None]
        mask = torch.zeros(image.shape[:3], dtype=torch.float32)
        box = None if edit.target is None else scene.objects[edit.target].box
        x0, y0, x1, y1 = box or (0, 0, 0, 0)
        mask[:, y0:y1, x0:x1] = 1
        return io.NodeOutput(image, edit.caption, edit.prompt, mask, to_bounding_box(box))
