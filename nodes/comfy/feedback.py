"""What the person sees while a search runs: progress, boxes being tried, the best so far."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import comfy.utils
import latent_preview
import torch
from comfy import model_management
from PIL import Image

from ...region_core.draw import contact_sheet, draw_boxes
from ...region_core.errors import first_line, shown
from ...region_core.events import Event
from ...region_core.paint.painter import StepInfo
from ...region_core.picture import to_pil

log = logging.getLogger(__name__)
PARTS = 1000  # of the bar, for each picture
PREVIEW_SIDE = 512  # of the sheet that is sent, in pixels


class Showing:
    """Makes what is only looked at: what fails there is told once, and the work goes on without it."""

    def __init__(self) -> None:
        self.told = False

    def __call__(self, make: Callable[[], Any], instead: Any = None) -> Any:
        """What `make` gives; `instead` where it fails. Cancel passes."""
        try:
            return make()
        except model_management.InterruptProcessingException:
            raise
        except Exception as error:  # of a previewer, a font or a progress bar, which other packs replace
            if not self.told:
                log.warning("a picture of the work could not be shown (%s); it goes on", shown(first_line(error)))
            self.told = True
            return instead


class Feedback:
    """An `on_event` callback: a progress bar over the work on all pictures, with previews.

    While a region is painted the denoised estimate is shown by core's previewer, where ComfyUI has one
    switched on.
    It raises ComfyUI's InterruptProcessingException where the person has pressed Cancel.
    """

    def __init__(self, pictures: int, model: Any) -> None:
        self.pictures = pictures
        self.index = 0
        self.scale = 1.0
        self.source: Image.Image | None = None
        self.trying: Image.Image | None = None
        self.estimate: torch.Tensor | None = None
        self.showing = Showing()
        self.previewer = self.showing(
            lambda: latent_preview.get_previewer(model.load_device, model.model.latent_format)
        )
        self.bar = comfy.utils.ProgressBar(pictures * PARTS)

    def start(self, index: int, picture: torch.Tensor) -> None:
        """Picture number `index`, [3, H, W], is next; it is shown while CLIP reads it."""
        model_management.throw_exception_if_processing_interrupted()
        self.index, self.source = index, to_pil(picture)
        # drawn on at every round, and nobody sees more of it than this
        self.source.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
        self.scale = self.source.width / picture.shape[-1]
        self.trying = self.source
        self._show(0, self.source)

    def painting(self, step: StepInfo) -> None:
        """A sampling step of the regions that are being painted."""
        if step.latents is not None:
            self.estimate = step.latents[:1]

    def __call__(self, event: Event) -> None:
        """Show where the search is."""
        model_management.throw_exception_if_processing_interrupted()
        self._show(event.done, self.showing(lambda: self._preview(event)))

    def _show(self, done: float, picture: Image.Image | None) -> None:
        value = round((self.index + done) * PARTS)
        preview = None if picture is None else ("JPEG", picture, PREVIEW_SIDE)
        self.showing(lambda: self.bar.update_absolute(value, preview=preview))

    def _preview(self, event: Event) -> Image.Image | None:
        """The source with the boxes being tried, beside the best picture so far or what is being painted;
        None where there is nothing new to see."""
        assert self.source is not None  # a picture is named before its events come
        assert self.trying is not None
        if event.kind == "work":
            estimate, self.estimate = self.estimate, None
            if estimate is None or self.previewer is None:
                return None
            painted = self.previewer.decode_latent_to_preview_image("JPEG", estimate)
            # one that shows it by means of its own gives nothing
            return None if painted is None else _beside(self.trying, painted[1], "being painted")
        boxes = event.boxes.cpu()
        best = torch.zeros(len(boxes), dtype=torch.bool)
        if event.best_box is not None:
            best = (boxes == event.best_box.cpu()).all(dim=1)
        boxes = boxes * self.scale
        self.trying = draw_boxes(self.source, boxes[~best], next(iter(boxes[best]), None))
        return self.trying if event.best is None else _beside(self.trying, to_pil(event.best), "best so far")


def _beside(trying: Image.Image, other: Image.Image, caption: str) -> Image.Image:
    return contact_sheet([trying, other], ["looking here", caption], columns=2).convert("RGB")
