"""CLIP Region Loss: what is in the picture, what should be, and how an edit is judged."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..region_core.checks import check_texts
from ..region_core.errors import InputError
from .common import ClipScorerSocket, Loss, advanced, named_errors, schema
from .descriptions import LossDescription


def _weight(name: str, default: float, tooltip: str, folded: bool = False) -> Any:
    fields = {"default": default, "min": 0.0, "max": 1000.0, "step": 0.05, "tooltip": tooltip}
    return advanced(io.Float.Input, name, **fields) if folded else io.Float.Input(name, **fields)


class ClipRegionLoss(io.ComfyNode):
    """Describes the loss that chooses among regions."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Sockets and widgets."""
        return schema(
            "ClipRegionLoss", "CLIP Region Loss",
            description="Judges an edit by CLIP: does it show the editing prompt, did it change "
                        "from the caption towards the prompt, did the rest keep its structure?",
            search_aliases=["clip loss", "directional loss", "text guided", "editing prompt"],
            inputs=[
                ClipScorerSocket.Input("scorer", tooltip=(
                    "From Load OpenCLIP Scorer or Load Shapes Demo.")),
                io.String.Input("image_caption", default="", tooltip=(
                    "What is in the picture now and is to change: \"coffee\".")),
                io.String.Input("editing_prompt", default="", multiline=True, tooltip=(
                    "What should be there: \"soft drink\". Give the sampler's positive "
                    "conditioning the same text.")),
                _weight("loss_alpha", 1.0, "Weight of the clip loss: the edit shows the prompt."),
                _weight("loss_beta", 1.0, "Weight of the directional loss: the edit moves from "
                                          "caption to prompt."),
                _weight("loss_gamma", 1.0, "Weight of the structure loss: the layout stays."),
                io.Int.Input("views", default=2, min=1, max=64, tooltip=(
                    "How many random views of each edit CLIP sees; more is steadier and slower.")),
                _weight("loss_area", 0.3, "Weight of the box's share of the picture; without it "
                                          "CLIP favours large boxes.", folded=True),
                _weight("loss_crop", 1.0, "How much the text terms look at the region close up, "
                                          "against 1 for the whole picture.", folded=True),
            ],
            outputs=[Loss.Output("loss", tooltip="For Region Inpaint Optimize.")],
        )

    @classmethod
    def validate_inputs(cls, image_caption: str | None = None,
                        editing_prompt: str | None = None) -> bool | str:
        """Texts that are typed in are checked before anything runs."""
        for name, text in (("image_caption", image_caption), ("editing_prompt", editing_prompt)):
            if isinstance(text, str) and not text.strip():
                return (f"{name} is empty; say what "
                        f"{'is' if name == 'image_caption' else 'should be'} in the picture")
        return True

    @classmethod
    def execute(cls, scorer: Any, image_caption: str, editing_prompt: str, loss_alpha: float,
                loss_beta: float, loss_gamma: float, views: int, loss_area: float,
                loss_crop: float) -> io.NodeOutput:
        """Check the texts and pass the description on."""
        with named_errors(cls):
            check_texts(image_caption, editing_prompt)
            if loss_alpha == loss_beta == loss_gamma == 0:
                raise InputError("loss_alpha, loss_beta and loss_gamma are all 0; at least one "
                                 "must be above 0 for edits to differ")
        return io.NodeOutput(LossDescription(
            scorer, image_caption, editing_prompt, loss_alpha, loss_beta, loss_gamma, loss_area,
            loss_crop, views))
