"""Another finder's boxes (core's BOUNDING_BOX) or masks (MASK) as the core's detections."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from comfy import model_management

from ..region_core.boxes import boxes_to_masks
from ..region_core.errors import InputError, with_article

SIDES = ("x", "y", "width", "height")
_MOST = 256  # of one picture: each is a mask of its size
_WAY_OUT = "connect a BOUNDING_BOX or MASK, such as SAM3 Detect gives"


def to_detections(value: Any, count: int, height: int, width: int) -> list[torch.Tensor | None]:
    """Masks [N,1,H,W] for each of `count` pictures, or None where there is nothing.

    value: a MASK [N,H,W], all of one picture or one for each picture of a batch; a box of all pictures as a dict, some
    of all as a list, or a list of lists, one a picture.
    """
    if isinstance(value, torch.Tensor):
        return _of_masks(value, count, height, width)
    if isinstance(value, dict):
        value = [value]
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise InputError(f"detections is {with_article(type(value).__name__)}, not boxes or masks; {_WAY_OUT}")
    if any(isinstance(one, dict) for one in value):
        value = [value]
    if len(value) == 1:
        value = list(value) * count
    if value and len(value) != count:
        raise InputError(
            f"detections has boxes of {len(value)} pictures and the image {count}; give one list, or one a picture"
        )
    return [_of_boxes(one, height, width) for one in value or [[]] * count]


def _of_masks(masks: torch.Tensor, count: int, height: int, width: int) -> list[torch.Tensor | None]:
    if masks.ndim not in (2, 3) or not min(masks.shape[-2:]):
        raise InputError(f"detections has the shape {tuple(masks.shape)}; connect MASKs [N, height, width]")
    masks = masks.reshape(-1, 1, *masks.shape[-2:]).to(model_management.intermediate_device(), torch.float32)
    if count > 1 and len(masks) not in (1, count):
        raise InputError(
            f"detections has {len(masks)} masks and the image {count} pictures; give one mask, one for each picture, "
            "or boxes, which come as a list for each"
        )
    if masks.shape[-2:] != (height, width):
        masks = F.interpolate(masks, (height, width), mode="bilinear", align_corners=False)
    each = [masks] if count == 1 else masks.expand(count, -1, -1, -1).split(1)
    return [_some(one[(one > 0.5).flatten(1).any(dim=1)]) for one in each]  # a detector's black mask is none


def _of_boxes(boxes: Any, height: int, width: int) -> torch.Tensor | None:
    if not isinstance(boxes, Sequence) or isinstance(boxes, str):
        raise InputError(
            f"detections has {with_article(type(boxes).__name__)} where a list of boxes should be; {_WAY_OUT}"
        )
    corners = [_corners(box, height, width) for box in boxes]
    real = [box for box in corners if box[0] < box[2] and box[1] < box[3]]  # 0 wide is how nodes say none,
    # and the whole picture where they must give a box
    real = [box for box in real if not (box[0] <= 0 and box[1] <= 0 and box[2] >= width and box[3] >= height)]
    if not real:
        return None
    _check_count(len(real))
    boxed = torch.tensor(real, dtype=torch.float32, device=model_management.intermediate_device())
    return boxes_to_masks(boxed, height, width)


def _corners(box: Any, height: int, width: int) -> tuple[float, float, float, float]:
    values: list[Any] = [box.get(side) for side in SIDES] if isinstance(box, dict) else []
    if not values or not all(isinstance(v, numbers.Real) and math.isfinite(v) for v in values):
        raise InputError(f"detections has {str(box)[:60]!r}, which is no box of x, y, width and height; {_WAY_OUT}")
    x, y, across, down = values
    if across < 0 or down < 0:
        raise InputError(f"detections has a box of {across:g} x {down:g} pixels; width and height must not be below 0")
    if across and down and not (x < width and y < height and x + across > 0 and y + down > 0):
        raise InputError(
            f"detections has a box at x {x:g}, y {y:g}, outside the picture of {width} x {height} pixels; detect in "
            "this picture"
        )
    return x, y, x + across, y + down


def _some(masks: torch.Tensor) -> torch.Tensor | None:
    """Masks [N,1,H,W]; None of none."""
    _check_count(len(masks))
    return masks if len(masks) else None


def _check_count(count: int) -> None:
    if count > _MOST:
        raise InputError(f"there are {count} detections in one picture; give the {_MOST} best at most")
