"""What came of a batch of pictures, as a node gives it: put in place picture by picture.

A film's frames are many. So each result is copied to where it is given, what is only looked at is kept
small, and nothing else of it is held on to.
"""

from __future__ import annotations

from typing import Any

import torch
from comfy import model_management
from comfy_api.latest import io
from PIL import Image

from ..region_core.boxes import box_round
from ..region_core.draw import considered, loss_curve
from ..region_core.edits import Edits
from ..region_core.find import Box
from ..region_core.paper.network import RegionGenerator
from ..region_core.picture import to_pil
from ..region_core.report_text import summary
from .common import MANY, for_preview, numbered, pil_to_comfy, to_bounding_boxes, to_comfy
from .drawn import Showing, no_curve
from .values import LearnedGenerator


class Results:
    """The results of an IMAGE [B,H,W,C], in order; `notes` stand at the head of the report."""

    def __init__(self, image: torch.Tensor, notes: list[str]) -> None:
        self.image, self.count, self.done = image, len(image), 0
        channels = 4 if image.shape[-1] == 4 else 3
        like: dict[str, Any] = {"dtype": torch.float32, "device": model_management.intermediate_device()}
        self.edited = torch.empty(*image.shape[:3], channels, **like)
        self.mask, self.relevance = torch.empty(image.shape[:3], **like), torch.zeros(image.shape[:3], **like)
        self.ranked: list[torch.Tensor] = []
        self.boxes: list[list[Box]] = []
        self.painted: list[list[Box]] = []
        self.drawn: list[Image.Image] = []
        self.curves: list[Image.Image] = []
        self.notes = notes
        self.reports: list[str] = []
        self.taught: list[RegionGenerator] = []
        self.settings: dict[str, Any] = {}
        self.showing = Showing()

    def add(self, picture: torch.Tensor, result: Edits) -> None:
        """The next picture [1,3,H,W] and what came of it."""
        index, self.done, self.settings = self.done, self.done + 1, result.settings.flat()
        self.edited[index, ..., :3] = to_comfy(result.image)[0]
        if self.edited.shape[-1] == 4:  # transparency is not the method's business: it passes through
            self.edited[index, ..., 3] = self.image[index, ..., 3]
        self.mask[index] = result.mask[0, 0]
        self.relevance[index] = result.relevance[0, 0].clamp(0, 1)
        if self.count <= MANY:
            # a picture without a region shows itself: an image output cannot be empty
            painted = [edit.picture for edit in result] or [result.image]
            self.ranked += [to_comfy(image) for image in painted]
        self.boxes.append([result.box] if result.box else [])
        around = box_round(result.mask)
        self.painted.append([around] if around else [])
        drawn = self.showing(lambda: considered(result), to_pil(picture[0]))
        self.drawn.append(for_preview(drawn, self.image))
        curve = self.showing(lambda: loss_curve(result.rounds) if result.rounds else no_curve(), no_curve(""))
        self.curves.append(for_preview(curve, self.image))
        self.reports.append("\n".join([_report(result), *filter(None, [result.encoded.picture.note])]))
        if result.generator is not None and result.settings.paper.learns:
            self.taught.append(result.generator)

    def outputs(self) -> io.NodeOutput:
        """All outputs of Region Inpaint Optimize."""
        # of many pictures only the best edit each, which is there already
        ranked = torch.cat(self.ranked) if self.ranked else self.edited[..., :3]
        return io.NodeOutput(
            self.edited,
            self.mask,
            to_bounding_boxes(self.boxes, *self.image.shape[1:3]),
            ranked,
            pil_to_comfy(self.drawn),
            pil_to_comfy(self.curves),
            "\n\n".join([*self.notes, numbered(self.reports)]),
            LearnedGenerator.of(self.taught, self.settings) if self.taught else None,
            self.relevance,
            any(self.boxes),
            to_bounding_boxes(self.painted, *self.image.shape[1:3]),
            [bool(own) for own in self.boxes],
        )


def _report(result: Edits) -> str:
    (_, asked), *lines = summary(result)
    return "\n".join([asked, *(f"{name}: {value}" for name, value in lines)])
