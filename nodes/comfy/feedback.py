"""What the person sees while a search runs: progress, boxes being tried, the best so far."""

from __future__ import annotations

import comfy.utils
import torch
from comfy import model_management
from PIL import Image

from ...region_core.draw import contact_sheet, draw_boxes
from ...region_core.events import Event
from ...region_core.images import to_pil

PREVIEW_SIDE = 512  # of the sheet that is sent, in pixels


class Feedback:
    """An `on_event` callback: a progress bar over the stages of all pictures, with previews.

    It raises ComfyUI's InterruptProcessingException where the person has pressed Cancel.
    """

    def __init__(self, pictures: int) -> None:
        self.pictures = pictures
        self.index = 0
        self.scale = 1.0
        self.source: Image.Image | None = None
        self.bar = comfy.utils.ProgressBar(pictures)

    def start(self, index: int, picture: torch.Tensor) -> None:
        """Picture number `index`, [3, H, W], is next; it is shown while CLIP reads it."""
        model_management.throw_exception_if_processing_interrupted()
        self.index, self.source = index, to_pil(picture)
        # drawn on at every round, and nobody sees more of it than this
        self.source.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
        self.scale = self.source.width / picture.shape[-1]
        self.bar.update_absolute(index, self.pictures, ("JPEG", self.source, PREVIEW_SIDE))

    def __call__(self, event: Event) -> None:
        """Show where the search is."""
        model_management.throw_exception_if_processing_interrupted()
        total = max(event.total, 1)
        self.bar.update_absolute(
            self.index * total + min(event.done, total),
            self.pictures * total,
            ("JPEG", self._preview(event), PREVIEW_SIDE),
        )

    def _preview(self, event: Event) -> Image.Image:
        """The source with the boxes being tried, beside the best picture so far."""
        assert self.source is not None  # a picture is named before its events come
        boxes, best = event.boxes.cpu(), -1
        if event.best_box is not None:
            same = (boxes == event.best_box.cpu()).all(dim=1).nonzero()
            best = int(same[0]) if len(same) else -1
        trying = draw_boxes(self.source, boxes * self.scale, best=best, labels=[""] * len(boxes))
        if event.best is None:
            return trying
        return contact_sheet([trying, to_pil(event.best)], ["looking here", "best so far"], columns=2).convert("RGB")
