"""What came of a batch of pictures, as a node gives it: put in place picture by picture.

A film's frames are many. So each result is copied to where it is given, what is only looked at is kept
small, and nothing else of it is held on to.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import torch
from comfy import model_management
from comfy_api.latest import io

from ..region_core.draw import draw_boxes, loss_curve
from ..region_core.edit import EditResult
from ..region_core.paper.network import RegionGenerator
from ..region_core.picture import picture_from
from ..region_core.report_text import summary
from .common import MANY, for_preview, pil_to_comfy, to_bounding_box, to_comfy
from .descriptions import LearnedGenerator


class Results:
    """The results of an IMAGE [B,H,W,C], in order; `notes` stand at the head of the report."""

    def __init__(self, image: torch.Tensor, notes: list[str]) -> None:
        self.image, self.count, self.done = image, len(image), 0
        device = model_management.intermediate_device()
        channels = 4 if image.shape[-1] == 4 else 3
        self.edited = torch.empty(*image.shape[:3], channels, dtype=torch.float32, device=device)
        self.mask = torch.empty(image.shape[:3], dtype=torch.float32, device=device)
        self.relevance = torch.zeros(image.shape[:3], dtype=torch.float32, device=device)
        self.ranked: list[torch.Tensor] = []
        self.boxes: list[dict[str, int]] = []
        self.drawn: list[Any] = []
        self.curves: list[Any] = []
        self.reports = [*notes]
        self.found = self.learning = False
        self.taught: list[RegionGenerator] = []
        self.settings: Any = None

    def add(self, picture: torch.Tensor, result: EditResult) -> None:
        """The next picture [1,3,H,W] and what came of it."""
        index, self.done, self.settings = self.done, self.done + 1, result.settings
        self.edited[index, ..., :3] = to_comfy(result.image)[0]
        if self.edited.shape[-1] == 4:  # transparency is not the method's business: it passes through
            self.edited[index, ..., 3] = self.image[index, ..., 3]
        self.mask[index] = result.mask[0, 0]
        if result.relevance is not None:
            self.relevance[index] = result.relevance[0, 0].clamp(0, 1)
        if self.count <= MANY:
            # a picture without a region shows itself: an image output cannot be empty
            found = [c.image for c in result.candidates] or [result.image]
            self.ranked += [to_comfy(image) for image in found]
        self.boxes.append(to_bounding_box(result.box))
        self.found = self.found or result.box is not None
        drawn = draw_boxes(picture, result.tried_boxes, result.box, f"{result.score:.3f}")
        self.drawn.append(for_preview(drawn, self.image))
        self.curves.append(for_preview(loss_curve(result.rounds), self.image))
        self.reports.append("\n".join([_report(self.done, result), *filter(None, [picture_from(picture).note])]))
        self.learning = self.learning or bool(result.rounds)
        if result.generator is not None and result.rounds and result.settings.learning != "off":
            self.taught.append(result.generator)

    def outputs(self) -> io.NodeOutput:
        """All outputs of Region Inpaint Optimize."""
        report = "\n\n".join(self.reports)
        learned = LearnedGenerator.of(self.taught, asdict(self.settings)) if self.taught else None
        # of many pictures only the best edit each, which is there already
        ranked = torch.cat(self.ranked) if self.ranked else self.edited[..., :3]
        # core's nodes take a flat list for boxes of one picture, and a list a picture for a batch
        boxes: Any = [[box] if box["width"] else [] for box in self.boxes]
        if self.count == 1:
            # the whole picture where nothing was found: nodes that crop by an empty box fail
            height, width = self.image.shape[1:3]
            boxes = self.boxes[0] if self.found else {"x": 0, "y": 0, "width": width, "height": height}
        return io.NodeOutput(
            self.edited,
            self.mask,
            boxes,
            ranked,
            pil_to_comfy(self.drawn),
            pil_to_comfy(self.curves),
            report,
            learned,
            self.relevance,
            self.found,
        )


def _report(number: int, result: EditResult) -> str:
    (_, asked), *lines = summary(result)
    return "\n".join([f"picture {number}: {asked}", *(f"{name}: {value}" for name, value in lines)])
