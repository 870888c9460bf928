"""Random views of a picture that are the same for every picture (common random numbers)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import InputError


@dataclass(frozen=True)
class View:
    """A crop in shares of the picture (0..1), possibly mirrored left to right."""

    x0: float
    y0: float
    x1: float
    y1: float
    flip: bool

    def __call__(self, images: Tensor) -> Tensor:
        """[B, 3, H, W] -> [B, 3, h, w], the view's part of it, at least one pixel."""
        height, width = images.shape[-2:]
        left, top = int(self.x0 * width), int(self.y0 * height)
        right = max(left + 1, round(self.x1 * width))
        bottom = max(top + 1, round(self.y1 * height))
        crop = images[..., top:bottom, left:right]
        return crop.flip(-1) if self.flip else crop


class Views:
    """`count` views of every picture: the whole of it, then random crops, half of them mirrored.

    The same crops at every call and for every picture, so that two edits differ by their pixels
    alone; they depend on `seed` only. Crops keep 64 to 100 % of the area, so that few of them miss
    the box.
    """

    def __init__(self, count: int = 4, seed: int = 0) -> None:
        if count < 1:
            raise InputError(f"The number of views is {count}; choose 1 (no crops) or more.")
        generator = torch.Generator("cpu").manual_seed(seed)
        self.views = [View(0.0, 0.0, 1.0, 1.0, False)]
        for _ in range(count - 1):
            size, left, top, mirror = torch.rand(4, generator=generator).tolist()
            side = 0.8 + 0.2 * size
            x0, y0 = left * (1 - side), top * (1 - side)
            self.views.append(View(x0, y0, x0 + side, y0 + side, mirror < 0.5))

    def __len__(self) -> int:
        return len(self.views)

    def __call__(self, images: Tensor) -> list[Tensor]:
        """images [B, 3, H, W] -> a list of [B, 3, h, w], one a view."""
        return [view(images) for view in self.views]
