"""The way from a picture to a painting model's native size and back.

A model paints squares of one size. Each region gets a square *window* of the picture round it, brought to that size;
all work on a region happens there, so a picture of 4000 x 3000 costs what one of 512 x 512 does. A window may reach
past the picture on its shorter axis, whose edge is repeated there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

from ..find import Box
from ..resize import resize


def window_for(box: Sequence[int], height: int, width: int, native: int) -> Box:
    """The square window round one box: side min(max(2 * box side, native), longer side of picture).

    It is shifted to lie inside the picture; where the picture is shorter than the window, the picture sits in its
    middle. The box is always inside.
    """
    x0, y0, x1, y1 = box
    side = min(max(math.ceil(2 * max(x1 - x0, y1 - y0)), native), max(height, width))

    def start(low: int, high: int, length: int) -> int:
        if side >= length:
            return -((side - length) // 2)
        return min(max(round((low + high - side) / 2), 0), length - side)

    left, top = start(x0, x1, width), start(y0, y1, height)
    return left, top, left + side, top + side


def cut(source: Tensor, window: Box, native: int) -> Tensor:
    """The window of source [1, C, H, W] at native size: [1, C, native, native]; as it is where it has that size."""
    (rows, columns), pads = inside(window, source.shape[-2], source.shape[-1])
    part = source[..., rows, columns]
    # the axis that needs no padding is shrunk first, which spares a square of the longer side
    across = part.shape[-1] if pads[0] or pads[1] else native
    down = part.shape[-2] if pads[2] or pads[3] else native
    part = resized(part, down, across)
    if any(pads):
        part = F.pad(part, pads, mode="replicate")
    return resized(part, native, native)


def inside(window: Box, height: int, width: int) -> tuple[tuple[slice, slice], tuple[int, int, int, int]]:
    """The picture's rows and columns in a window, and what is missing: left, right, top, bottom."""
    x0, y0, x1, y1 = window
    rows, columns = slice(max(y0, 0), min(y1, height)), slice(max(x0, 0), min(x1, width))
    return (rows, columns), (max(-x0, 0), max(x1 - width, 0), max(-y0, 0), max(y1 - height, 0))


def resized(image: Tensor, height: int, width: int) -> Tensor:
    """[N, C, h, w] at another size, in 0..1; the very same tensor where the size is right already."""
    if image.shape[-2:] == (height, width):
        return image
    return resize(image, height, width).clamp(0, 1)
