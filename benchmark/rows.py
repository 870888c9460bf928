"""One method on one task against the truth, as a row of numbers."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import numpy as np
import torch
from torch import Tensor

from region_core import Region
from region_core.boxes import boxes_to_masks, iou, pixel_boxes
from region_core.cost import Cost

from .painting import Outcome
from .worlds.task import Box, MeasuredWorld, Task

PSNR_LIMIT = 60.0  # an untouched background counts as this many dB


@dataclass(frozen=True)
class Row:
    """One method with one CLIP on one task. What does not apply is None.

    `iou` and `hit` are of the region's box, of several right ones the best met; of the true thing that it meets best,
    `mask_iou` is of the region's mask and `box_mask_iou` of its box, both with the thing's outline, `coverage` the
    share of the thing that lies in the region and `purity` the share of the region that is the thing (its outline where
    that is known, else its box). `false_alarm`: "no region" was said although something could be done; `recognised`:
    said where nothing could. `success`: a judge saw what was asked. `cost` holds the passes counted on the models and
    their `total` in UNet evaluations. `several`: more than one thing is called so.
    """

    scene: int
    kind: str
    clip: str
    box: list[float] | None
    iou: float | None
    hit: float | None
    recognised: float | None
    false_alarm: float | None
    success: float | None
    background_psnr: float | None
    cost: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    mask_iou: float | None = None
    box_mask_iou: float | None = None
    coverage: float | None = None
    purity: float | None = None
    several: bool = False
    caption: str = ""
    source: str = ""

    @property
    def key(self) -> tuple[str, str, int]:
        """What it is of: the CLIP, the kind of task and its number."""
        return self.clip, self.kind, self.scene

    @property
    def half(self) -> str:
        """ "A", to choose by, or "B", to report; "" of a made-up picture."""
        return half_of(self.source)

    @property
    def unet_evaluations(self) -> float:
        """UNet evaluations alone."""
        return self.cost["unet_evaluations"]

    @property
    def clip_images(self) -> float:
        """CLIP encodings of pictures."""
        return self.cost["clip_images"]

    @property
    def total(self) -> float:
        """Everything, in UNet evaluations."""
        return self.cost["total"]


def half_of(source: str) -> str:
    """The half of a photograph, by a hash of its file's name alone: the same whatever else is measured."""
    if not source:
        return ""
    return "AB"[int(hashlib.sha256(PurePosixPath(source).name.encode()).hexdigest(), 16) % 2]


def background_psnr(image: Tensor, source: Tensor, box: Box | None) -> float:
    """PSNR in dB outside `box` of pictures [3, H, W] in 0..1, at most PSNR_LIMIT."""
    outside = torch.ones(image.shape[-2:], dtype=torch.bool)
    if box is not None:
        x0, y0, x1, y1 = pixel_boxes(torch.tensor([box]).float(), *image.shape[-2:])[0].tolist()
        outside[y0:y1, x0:x1] = False
    if not bool(outside.any()):
        return PSNR_LIMIT
    error = float((image - source)[:, outside].square().mean())
    return PSNR_LIMIT if error == 0 else min(PSNR_LIMIT, -10 * math.log10(error))


def overlaps(region: Region | None, box: Box, outline: np.ndarray | None) -> dict[str, float]:
    """The columns that compare a region with one true thing, by name; 0 each where there is no region."""
    names = ("coverage", "purity") if outline is None else ("coverage", "purity", "mask_iou", "box_mask_iou")
    if region is None:
        return dict.fromkeys(names, 0.0)
    boxed = boxes_to_masks(torch.tensor([region.box]).float(), *region.size)[0, 0] > 0.5
    if outline is None:  # what is not known is the box's corners: a region of the thing's own shape would lose by them
        thing, own = boxes_to_masks(torch.tensor([box]).float(), *region.size)[0, 0] > 0.5, boxed
    else:
        thing, own = torch.from_numpy(outline), region.mask[0, 0] > 0.5
    common = float((thing & own).sum())
    told = {"coverage": common / float(thing.sum()), "purity": common / float(own.sum())}
    if outline is not None:
        told |= {"mask_iou": common / float((thing | own).sum()), "box_mask_iou": _iou(thing, boxed)}
    return told


def _iou(a: Tensor, b: Tensor) -> float:
    return float((a & b).sum()) / float((a | b).sum())


def measure(outcome: Outcome, task: Task, world: MeasuredWorld, clip: str, cost: Cost, seconds: float) -> Row:
    """The row of an outcome that took `seconds` and `cost`."""
    box = None if outcome.region is None else outcome.region.box
    met, nearest, told = None, None, {}
    if task.boxes:
        truth = torch.tensor(task.boxes).float()
        each = torch.zeros(len(truth)) if box is None else iou(torch.tensor([box]).float(), truth)[0]
        which = int(each.argmax())
        met, nearest = float(each[which]), task.boxes[which]
        told = overlaps(outcome.region, nearest, task.masks[which] if task.masks else None)
    # where something is added the found box is the only place that may change
    may_change = box if task.free else nearest
    judged = world.success(task, outcome.image, box)
    return Row(
        scene=task.number,
        kind=task.kind,
        clip=clip,
        box=None if box is None else [float(v) for v in box],
        iou=met,
        hit=None if met is None else float(met >= 0.5),
        recognised=float(box is None) if task.absent else None,
        false_alarm=None if task.absent else float(box is None),
        success=None if judged is None else float(judged),
        background_psnr=None if task.draw is None else background_psnr(outcome.image, task.picture[0], may_change),
        cost=(cost * outcome.times).as_dict(),
        seconds=seconds * outcome.times,
        several=len(task.boxes) > 1,
        caption=task.caption,
        source=task.source,
        **told,
    )
