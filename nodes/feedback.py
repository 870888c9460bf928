"""What the person sees while a search runs: progress, boxes being tried, the best so far."""

from __future__ import annotations

from typing import Any

import comfy.utils
from comfy import model_management
from PIL import Image

from ..region_core.draw import contact_sheet, draw_boxes
from ..region_core.images import to_pil
from ..region_core.search import Event

PREVIEW_SIDE = 512


class Feedback:
    """An `on_event` callback: a progress bar over all pictures of a batch, with previews.

    It raises ComfyUI's InterruptProcessingException where the person has pressed Cancel.
    """

    def __init__(self, pictures: int) -> None:
        self.pictures = pictures
        self.index = 0
        self.source: Any = None
        self.bar = comfy.utils.ProgressBar(pictures)

    def start(self, index: int, source: Any) -> None:
        """Picture number `index`, [3, H, W], is next."""
        self.index, self.source = index, source
        model_management.throw_exception_if_processing_interrupted()

    def __call__(self, event: Event) -> None:
        """Show where the search is."""
        model_management.throw_exception_if_processing_interrupted()
        total = max(event.total, 1)
        self.bar.update_absolute(self.index * total + min(event.done, total),
                                 self.pictures * total,
                                 ("JPEG", self._preview(event), PREVIEW_SIDE))

    def _preview(self, event: Event) -> Image.Image:
        """The source with the boxes being tried, beside the best picture so far."""
        trying = draw_boxes(self.source, event.boxes.cpu(), best=-1,
                            labels=[""] * len(event.boxes))
        if event.best is None:
            return trying
        shown = contact_sheet([trying, to_pil(event.best)], ["looking here", "best so far"],
                              columns=2)
        return shown.convert("RGB")
