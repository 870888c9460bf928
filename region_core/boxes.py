"""Boxes: xyxy in pixels of the picture, half open, float32 [N,4].

x0 and y0 are inside the box, x1 and y1 are the first coordinates past it. A pixel belongs to a box
when its centre does, so whole-number boxes cover exactly the pixels they name.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice

import torch
from torch import Tensor
from torchvision.ops import box_iou, clip_boxes_to_image, masks_to_boxes, roi_align

from .errors import InputError


def _checked(boxes: Tensor) -> Tensor:
    """The boxes as floats; InputError for a wrong shape, NaN or infinity, or swapped corners."""
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise InputError(f"Boxes have the shape {list(boxes.shape)}, but need [N, 4]: give x0, y0, x1, y1 a box.")
    boxes = boxes.float()
    if not bool(torch.isfinite(boxes).all()):
        raise InputError("A box has a corner that is not a finite number: give all four in pixels.")
    swapped = (boxes[:, 2:] < boxes[:, :2]).any(1)
    if bool(swapped.any()):
        bad = [round(v, 2) for v in boxes[swapped][0].tolist()]
        raise InputError(
            f"The box {bad} ends before it begins: give the corners as x0, y0, x1, y1 with x0 <= x1 and y0 <= y1."
        )
    return boxes


def clamp_boxes(boxes: Tensor, height: int, width: int) -> Tensor:
    """Boxes [N,4] cut off at the picture's border. Raises InputError for boxes that are none."""
    return clip_boxes_to_image(_checked(boxes), (height, width))


def pixel_boxes(boxes: Tensor, height: int, width: int) -> Tensor:
    """The whole pixels of each box: long [N,4], half open, inside the picture, never empty.

    A box too thin to hold a pixel's centre, or outside the picture, gets the pixel nearest to it.
    """
    boxes = clamp_boxes(boxes, height, width)
    low, high = (boxes[:, :2] - 0.5).ceil(), (boxes[:, 2:] - 0.5).ceil()
    last = boxes.new_tensor([width - 1, height - 1])
    nearest = ((boxes[:, :2] + boxes[:, 2:]) / 2).floor().minimum(last)
    empty = high <= low
    low = torch.where(empty, nearest, low)
    high = torch.where(empty, nearest + 1, high)
    return torch.cat([low, high], 1).long()


def boxes_to_masks(boxes: Tensor, height: int, width: int) -> Tensor:
    """Boxes [N,4] as masks [N,1,height,width], 1 inside and 0 outside, at least one pixel each."""
    cells = pixel_boxes(boxes, height, width)
    x = torch.arange(width, device=cells.device)
    y = torch.arange(height, device=cells.device)
    across = (x >= cells[:, 0:1]) & (x < cells[:, 2:3])
    down = (y >= cells[:, 1:2]) & (y < cells[:, 3:4])
    return (down[:, None, :, None] & across[:, None, None, :]).float()


def box_round(mask: Tensor) -> tuple[int, int, int, int] | None:
    """The smallest box (x0, y0, x1, y1) round what of a mask [..., H, W] is above 0; None where nothing is."""
    places = mask.reshape(-1, *mask.shape[-2:]).gt(0).any(dim=0, keepdim=True)
    if not bool(places.any()):
        return None
    x0, y0, x1, y1 = (int(value) for value in masks_to_boxes(places)[0])  # the last pixels are within
    return x0, y0, x1 + 1, y1 + 1


def iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union [N,M] of boxes a [N,4] and b [M,4]; 0 where both are empty."""
    return box_iou(a.float(), b.float()).nan_to_num(0)


def overlap(found: tuple[float, ...] | None, true: tuple[float, ...]) -> float:
    """Intersection over union of two boxes (x0, y0, x1, y1); 0 where none was found."""
    return 0.0 if found is None else float(iou(*(torch.tensor([box], dtype=torch.float32) for box in (found, true))))


def expand(boxes: Tensor, factor: float, height: int, width: int) -> Tensor:
    """Boxes with both sides `factor` times as long about the same centre, cut at the border."""
    if not (math.isfinite(factor) and factor > 0):
        raise InputError(f"The factor {factor} cannot scale a box: give a number above 0.")
    boxes = _checked(boxes)
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]) / 2 * factor
    return clamp_boxes(torch.cat([centre - half, centre + half], 1), height, width)


def cut_squares(maps: Tensor, boxes: Tensor, side: int) -> Tensor:
    """Boxes [N, 4] of maps [1, C, H, W] as squares [N, C, side, side], each place the mean of 2 x 2 samples.

    `aligned` puts pixel i between i and i + 1, as boxes here have it.
    """
    return roi_align(maps, [boxes.to(maps)], side, sampling_ratio=2, aligned=True)


def descending(numbers: Tensor) -> Tensor:
    """Places [N] of numbers [N], the highest first; of equal ones the earlier, on every device."""
    return numbers.argsort(descending=True, stable=True)


def nms_points(points: Tensor, scores: Tensor, count: int, min_distance: float) -> Tensor:
    """Greedy choice of points that keep their distance: indices [K], K <= count, best first.

    points [P,2] in any unit, scores [P]. Two chosen points are at least `min_distance` apart; of
    equal scores the earlier point wins, so that the same input gives the same answer anywhere.
    """
    order = descending(scores.float()).tolist()
    spots = points.float().tolist()
    chosen: list[int] = []

    def apart() -> Iterator[int]:
        for index in order:
            if all(math.dist(spots[index], spots[other]) >= min_distance for other in chosen):
                chosen.append(index)
                yield index

    return torch.tensor(list(islice(apart(), count)), dtype=torch.long, device=points.device)
