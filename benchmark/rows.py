"""One method on one task against the truth, as a row of numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from region_core.boxes import iou, pixel_boxes
from region_core.cost import Cost

from .painting import Outcome
from .worlds.task import Box, MeasuredWorld, Task

PSNR_LIMIT = 60.0  # an untouched background counts as this many dB


@dataclass(frozen=True)
class Row:
    """One method with one CLIP on one task. What does not apply is None: `iou` (of several right boxes
    the best met) and `hit` where nothing is meant; `false_alarm`, "no region" said although something
    could be done; `recognised`, said where nothing could; `success` where there is no judge. `cost` holds
    the passes counted on the models and their `total` in UNet evaluations.
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

    @property
    def key(self) -> tuple[str, str, int]:
        """What it is of: the CLIP, the kind of task and its number."""
        return self.clip, self.kind, self.scene

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


def measure(outcome: Outcome, task: Task, world: MeasuredWorld, clip: str, cost: Cost, seconds: float) -> Row:
    """The row of an outcome that took `seconds` and `cost`."""
    overlap, nearest = None, None
    if task.boxes:
        truth = torch.tensor(task.boxes).float()
        met = torch.zeros(len(truth)) if outcome.box is None else iou(torch.tensor([outcome.box]).float(), truth)[0]
        overlap, nearest = float(met.max()), task.boxes[int(met.argmax())]
    # where something is added the found box is the only place that may change
    may_change = outcome.box if task.free else nearest
    judged = world.success(task, outcome.image, outcome.box)
    return Row(
        scene=task.number,
        kind=task.kind,
        clip=clip,
        box=None if outcome.box is None else [float(v) for v in outcome.box],
        iou=overlap,
        hit=None if overlap is None else float(overlap >= 0.5),
        recognised=float(outcome.box is None) if task.absent else None,
        false_alarm=None if task.absent else float(outcome.box is None),
        success=None if judged is None else float(judged),
        background_psnr=background_psnr(outcome.image, task.picture[0], may_change),
        cost=(cost * outcome.times).as_dict(),
        seconds=seconds * outcome.times,
    )
