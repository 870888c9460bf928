"""One method on one scene against the truth, as a row of numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from region_core.boxes import iou, pixel_boxes
from region_core.demo.scenes import BACKGROUND, Edit, Scene

from .judge import Judge
from .painting import Outcome, picture_of

PSNR_LIMIT = 60.0  # an untouched background counts as this many dB
BARE = 0.18  # a background is bare where no 8 x 8 patch is farther than this from the truth (0..1)


@dataclass(frozen=True)
class Row:
    """One method on one scene. What does not apply is None: iou and hit where no object is meant,
    false_alarm ("no region" said although something could be done) where nothing could.
    """

    scene: int
    kind: str
    box: list[float] | None
    iou: float | None
    hit: float | None
    success: float
    false_alarm: float | None
    background_psnr: float
    unet_evaluations: float
    seconds: float

    @property
    def key(self) -> tuple[str, int]:
        """What it is of: the kind of edit and the number of the scene."""
        return self.kind, self.scene


def background_psnr(image: Tensor, source: Tensor, box: tuple[float, ...] | None) -> float:
    """PSNR in dB outside `box` of pictures [3, H, W] in 0..1, at most PSNR_LIMIT."""
    outside = torch.ones(image.shape[-2:], dtype=torch.bool)
    if box is not None:
        x0, y0, x1, y1 = pixel_boxes(torch.tensor([box]).float(), *image.shape[-2:])[0].tolist()
        outside[y0:y1, x0:x1] = False
    if not bool(outside.any()):
        return PSNR_LIMIT
    error = float((image - source)[:, outside].square().mean())
    return PSNR_LIMIT if error == 0 else min(PSNR_LIMIT, -10 * math.log10(error))


def is_bare(image: Tensor, scene: Scene, box: tuple[float, ...]) -> bool:
    """Whether `box` of image [3, H, W] shows the scene's background and nothing else.

    Compared in patches of 8 x 8: a sliver of an object counts, the grain of a repainting does not.
    """
    bare = torch.from_numpy(scene.background.copy()).permute(2, 0, 1).float() / 255
    x0, y0, x1, y1 = pixel_boxes(torch.tensor([box]).float(), *image.shape[-2:])[0].tolist()
    difference = (image - bare)[None, :, y0:y1, x0:x1]
    side = min(8, *difference.shape[-2:])
    patches = torch.nn.functional.avg_pool2d(difference, side, max(1, side // 2))
    return float(patches.abs().amax()) <= BARE


def succeeded(outcome: Outcome, scene: Scene, edit: Edit, judge: Judge) -> bool:
    """Whether what was asked for is where it belongs and the rest still there.

    The judge reads the wanted object off the true box, or, where one is added, off the found one.
    After a removal the true box must be bare and nothing readable in it. Where the caption names
    nothing in the picture the right answer is "no region".
    """
    if edit.kind == "absent":
        return outcome.box is None
    place = scene.objects[edit.target].box if edit.target is not None else outcome.box
    if place is None:
        return False
    color, shape = judge.read(outcome.image, torch.tensor([place]).float())[0]
    if edit.prompt == BACKGROUND:
        there = (shape is None or color is None) and is_bare(outcome.image, scene, place)
    else:
        there = f"a {color} {shape}" == edit.prompt
    others = [o for i, o in enumerate(scene.objects) if i != edit.target]
    boxes = torch.tensor([o.box for o in others]).float().reshape(-1, 4)
    read = judge.read(outcome.image, boxes)
    return there and all(r == (o.color, o.shape) for r, o in zip(read, others, strict=True))


def measure(outcome: Outcome, scene: Scene, edit: Edit, judge: Judge, index: int,
            seconds: float) -> Row:
    """The row of an outcome that took `seconds`."""
    truth = scene.objects[edit.target].box if edit.target is not None else None
    overlap = None
    if truth is not None:
        overlap = 0.0 if outcome.box is None else float(
            iou(torch.tensor([outcome.box]).float(), torch.tensor([truth]).float()))
    # where something is added the found box is the only place that may change
    free = outcome.box if edit.kind == "add" else truth
    return Row(
        scene=index, kind=edit.kind,
        box=None if outcome.box is None else [float(v) for v in outcome.box],
        iou=overlap, hit=None if overlap is None else float(overlap >= 0.5),
        success=float(succeeded(outcome, scene, edit, judge)),
        false_alarm=None if edit.kind == "absent" else float(outcome.box is None),
        background_psnr=background_psnr(outcome.image, picture_of(scene)[0], free),
        unet_evaluations=outcome.unet_evaluations * outcome.times, seconds=seconds * outcome.times)
