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
from .comfy.offloaded import ManagedEncoder
from .common import MAX_SEED, BoundingBox, ClipScorerSocket, Dino, schema
from .gates import checked


class LoadShapesDemo(io.ComfyNode):
    """MODEL, CLIP, VAE and both encoders of the shapes world, from the pack's own folder."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Sockets."""
        return schema(
            "LoadShapesDemo",
            "Load Shapes Demo",
            description="Small models that come with the pack and know coloured shapes on a plain "
            "ground, 128 pixels. For trying out every node without a download.",
            search_aliases=["demo", "example models", "toy models"],
            inputs=[],
            outputs=[
                io.Model.Output("model", tooltip="An inpainting model of shapes, 128 pixels."),
                io.Clip.Output("clip", tooltip="Its text encoder."),
                io.Vae.Output("vae", tooltip="Its autoencoder."),
                Dino.Output("dino", tooltip="For Learnable Region Generator."),
                ClipScorerSocket.Output("scorer", tooltip="For CLIP Region Loss."),
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
            "Shapes Scene",
            description="Draws a picture of a few coloured shapes and a wish to change one of "
            "them. The caption, the prompt and the true region come with it.",
            search_aliases=["demo picture", "test picture", "example image"],
            inputs=[
                io.Int.Input(
                    "seed",
                    default=7,
                    min=0,
                    max=MAX_SEED,
                    control_after_generate=True,
                    tooltip="Which picture; the demo models were trained on none of them.",
                ),
                io.Combo.Input(
                    "kind",
                    options=list(KINDS),
                    default="replace",
                    tooltip=(
                        "What is wished for: another object in its place, another colour, its removal, "
                        "one more object, or a change of something that is not there."
                    ),
                ),
            ],
            outputs=[
                io.Image.Output("image", tooltip="128 x 128 pixels."),
                io.String.Output("image_caption", tooltip="What is there now."),
                io.String.Output("editing_prompt", tooltip="What should be there."),
                io.Mask.Output("true_region", tooltip="The object's box; black if there is none."),
                BoundingBox.Output("true_box", tooltip="The same box in pixels; 0 wide if there is none."),
            ],
        )

    @classmethod
    @checked
    def execute(cls, seed: int, kind: str) -> io.NodeOutput:
        """Draw the scene of the seed."""
        scene, edit = with_company(seed, kind)
        image = torch.from_numpy(scene.image.astype(np.float32) / 255)[None]
        mask = torch.zeros(image.shape[:3])
        x0, y0, x1, y1 = (0, 0, 0, 0) if edit.target is None else scene.objects[edit.target].box
        mask[:, y0:y1, x0:x1] = 1
        box = {"x": x0, "y": y0, "width": x1 - x0, "height": y1 - y0}
        return io.NodeOutput(image, edit.caption, edit.prompt, mask, box)
