"""What the person sees while work goes on: progress, the regions found, what is being painted, the best so far."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import comfy.utils
import latent_preview
import torch
from comfy import model_management
from PIL import Image
from server import PromptServer

from ...region_core.cost import progress_scope, work_so_far
from ...region_core.draw import contact_sheet, draw_boxes
from ...region_core.events import SEARCH, Event, Progress
from ...region_core.find import SHOWN
from ...region_core.paint import StepInfo
from ...region_core.picture import to_pil
from ..drawn import Showing

PARTS = 1000  # of the bar, for each picture
PREVIEW_SIDE = 512  # of the sheet that is sent, in pixels


class Feedback:
    """An `on_event` callback: a progress bar over the work on all pictures, with previews.

    While a region is painted the denoised estimate is shown by core's previewer, where ComfyUI has one
    switched on. It raises ComfyUI's InterruptProcessingException where the person has pressed Cancel.
    """

    def __init__(self, pictures: int, model: Any = None) -> None:
        self.index, self.span = 0, (0.0, 1.0)
        self.scale = 1.0
        self.source = self.trying = Image.new("RGB", (1, 1))
        self.showing = Showing()
        self.previewer = model and self.showing(
            lambda: latent_preview.get_previewer(model.load_device, model.model.latent_format)
        )
        self.bar = self.showing(lambda: comfy.utils.ProgressBar(pictures * PARTS))

    def start(self, index: int, picture: torch.Tensor) -> None:
        """Picture number `index`, [3, H, W], is next; it is shown while the encoders read it."""
        model_management.throw_exception_if_processing_interrupted()
        self.index, self.span, self.source = index, (0.0, 1.0), to_pil(picture)
        # drawn on at every round, and nobody sees more of it than this
        self.source.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
        self.scale = self.source.width / picture.shape[-1]
        self.trying = self.source
        self._show(0, self.source)

    @contextmanager
    def looking(self, scorer: Any, share: float = 1.0) -> Iterator[None]:
        """Within it a picture is encoded and searched: so much of the bar; the rest is for what comes after."""
        self.span = (0.0, share)
        progress = Progress(self, lambda: work_so_far(None, None, scorer), SEARCH.total)
        with progress_scope(progress.forward):
            yield
        self.span = (share, 1.0)

    def __call__(self, event: Event) -> None:
        """Show where the work is."""
        model_management.throw_exception_if_processing_interrupted()
        self._show(event.done, self.showing(lambda: self._preview(event)))

    def _show(self, done: float, picture: Image.Image | None) -> None:
        low, high = self.span
        value = round((self.index + low + done * (high - low)) * PARTS)
        preview = None if picture is None else ("JPEG", picture, PREVIEW_SIDE)
        if self.bar is not None:
            self.showing(lambda: self.bar.update_absolute(value, preview=preview))

    def _preview(self, event: Event) -> Image.Image | None:
        """The source with the boxes being tried, beside the best picture so far or what is being painted;
        None where there is nothing new to see."""
        if event.step is not None:
            return self._painted(event.step, event.box)
        if event.regions is not None:
            return self._boxes([region.box for region in event.regions[:SHOWN]])
        if event.boxes is not None:
            self._boxes([event.best_box, *event.boxes.tolist()])
        return None if event.best is None else _beside(self.trying, to_pil(event.best), "best so far")

    def _painted(self, step: StepInfo, box: Any) -> Image.Image | None:
        if step.latents is None or self.previewer is None:
            return None
        made = self.previewer.decode_latent_to_preview_image("JPEG", step.latents[:1])
        # one that shows it by means of its own gives nothing
        if made is None:
            return None
        # of several edits nothing was shown before, and each has its region
        return _beside(self._drawn([box]) if self.trying is self.source else self.trying, made[1], "being painted")

    def _boxes(self, boxes: list[Any]) -> Image.Image | None:
        if not boxes:
            return None
        self.trying = self._drawn(boxes)
        return self.trying

    def _drawn(self, boxes: list[Any]) -> Image.Image:
        """The source with boxes, the first of them the best."""
        best, *others = [[value * self.scale for value in box] for box in boxes]
        return draw_boxes(self.source, others, best)


def _beside(trying: Image.Image, other: Image.Image, caption: str) -> Image.Image:
    return contact_sheet([trying, other], ["looking here", caption], columns=2).convert("RGB")


def say_on_node(text: str, node_id: Any) -> None:
    """Show a line on a node."""
    if (server := getattr(PromptServer, "instance", None)) is not None:
        Showing()(lambda: server.send_progress_text(text, node_id))
