"""CLIP Region Loss: what is in the picture, what should be, and the CLIP that judges it."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..region_core.checks import check_texts, text_problem
from ..region_core.errors import escape_for_console
from .common import ClipScorerSocket, Loss, schema
from .sockets import checked
from .values import LossDescription


class ClipRegionLoss(io.ComfyNode):
    """The two texts of an edit."""

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
            ],
            outputs=[Loss.Output("loss")],
        )

    @classmethod
    def validate_inputs(cls, image_caption: str | None = None, editing_prompt: str | None = None) -> bool | str:
        """Texts that are typed in are checked before anything runs."""
        for name, text in (("image_caption", image_caption), ("editing_prompt", editing_prompt)):
            if isinstance(text, str) and (problem := text_problem(name, text)):
                return escape_for_console(problem)
        return True

    @classmethod
    @checked
    def execute(cls, scorer: Any, image_caption: str, editing_prompt: str) -> io.NodeOutput:
        """Check the texts and pass them on."""
        check_texts(image_caption, editing_prompt)
        return io.NodeOutput(LossDescription(scorer, image_caption, editing_prompt))
