"""CLIP Region Loss: what is in the picture, what should be, and how an edit is judged."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..region_core.checks import check_texts, text_problem
from .blame import Blame
from .common import ClipScorerSocket, Loss, schema
from .descriptions import LossDescription
from .gates import checked
from .widgets import removed, widget


class ClipRegionLoss(io.ComfyNode):
    """Describes the loss that chooses among regions."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Sockets and widgets."""
        return schema(
            "ClipRegionLoss",
            search_aliases=["clip loss", "directional loss", "text guided", "editing prompt"],
            inputs=[
                ClipScorerSocket.Input("scorer"),
                io.String.Input("image_caption", default=""),
                io.String.Input("editing_prompt", default="", multiline=True),
                widget("loss_alpha"),
                widget("loss_beta"),
                widget("loss_gamma"),
                widget("views"),
                removed("loss_area"),
                widget("loss_crop", folded=True),
            ],
            outputs=[Loss.Output("loss")],
        )

    @classmethod
    def validate_inputs(cls, image_caption: str | None = None, editing_prompt: str | None = None) -> bool | str:
        """Texts that are typed in are checked before anything runs."""
        for name, text in (("image_caption", image_caption), ("editing_prompt", editing_prompt)):
            if isinstance(text, str) and (problem := text_problem(name, text)):
                return Blame(name, problem)
        return True

    @classmethod
    @checked
    def execute(
        cls,
        scorer: Any,
        image_caption: str,
        editing_prompt: str,
        loss_alpha: float,
        loss_beta: float,
        loss_gamma: float,
        views: int,
        loss_crop: float,
        loss_area: float = 0.0,
    ) -> io.NodeOutput:
        """Check the texts and pass the description on."""
        check_texts(image_caption, editing_prompt)
        return io.NodeOutput(
            LossDescription(scorer, image_caption, editing_prompt, loss_alpha, loss_beta, loss_gamma, loss_crop, views)
        )
