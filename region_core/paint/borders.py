"""Where an edit ends: a region is grown before it is painted, and what was painted fades into the picture.

Growth is what hides the old thing, whose edge a found box may cut; the fade is what hides the seam. It
lies half inside and half outside the grown region's border, but never over the region as found nor over
the nearer half of its growth: there the old thing would show through.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..boxes import grow_boxes, pixel_boxes
from ..errors import InputError
from ..settings import SearchSettings


@dataclass(frozen=True)
class Borders:
    """Widths in percent of a region's side (the geometric mean of both), and in pixels of the picture
    what they are at least; whether an edit takes on the tint round it. Raises InputError below 0."""

    grow_percent: float = 0
    feather_percent: float = 0
    grow: float = 0
    feather: float = 0
    tinted: bool = True

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not (math.isfinite(value) and value >= 0):
                raise InputError(f"{name} is {value}; it must be 0 or more.")

    @classmethod
    def of(cls, settings: SearchSettings) -> Borders:
        """As the settings say; the published method knows of no tint."""
        tinted = settings.method != "published"
        return cls(settings.grow_percent, settings.feather_percent, settings.grow, settings.feather, tinted)

    def painted(self, boxes: Tensor, height: int, width: int) -> Tensor:
        """What is painted for the regions [N, 4]: these, grown."""
        return grow_boxes(boxes, _widths(boxes, self.grow_percent, self.grow), height, width)

    def touched(self, boxes: Tensor, height: int, width: int) -> Tensor:
        """The boxes [N, 4] outside which not one pixel changes: grown, and the fade beyond."""
        solid, fade = self._solid_and_fade(boxes)
        return grow_boxes(boxes, solid + fade, height, width)

    def masks(self, boxes: Tensor, height: int, width: int) -> Tensor:
        """How much of the edit shows in each pixel: [N, 1, height, width] in 0..1, 1 over the regions
        [N, 4] as found, 0 outside `touched`."""
        solid, fade = self._solid_and_fade(boxes)
        cells = pixel_boxes(grow_boxes(boxes, solid, height, width), height, width)
        across = _beyond(cells[:, 0:1], cells[:, 2:3], width)
        down = _beyond(cells[:, 1:2], cells[:, 3:4], height)
        far = torch.hypot(down[:, :, None], across[:, None, :])[:, None]
        shown = (1 - far / (fade + 1)[:, None, None, None]).clamp(min=0)
        mask = shown.square() * (3 - 2 * shown)  # level at both ends: a kink would be seen as a line
        return mask.masked_fill(mask < 0.5 / 255, 0)  # so that what is black in an 8 bit file is unchanged, too

    def _solid_and_fade(self, boxes: Tensor) -> tuple[Tensor, Tensor]:
        """Pixels [N] round the regions in which the edit alone shows, and those of the fade beyond."""
        growth = _widths(boxes, self.grow_percent, self.grow)
        fade = _widths(boxes, self.feather_percent, self.feather)
        return growth - torch.minimum(fade / 2, growth / 2).floor(), fade


def _widths(boxes: Tensor, percent: float, least: float) -> Tensor:
    """Whole pixels [N], rounded up, for boxes [N, 4]."""
    sides = (boxes[:, 2:] - boxes[:, :2]).float().prod(dim=1).sqrt()
    return (sides * percent / 100 - 1e-3).clamp(min=least).ceil()


def _beyond(low: Tensor, high: Tensor, length: int) -> Tensor:
    """How many pixels each of `length` lies outside the pixels low..high - 1: [N, length], 0 within."""
    at = torch.arange(length, device=low.device)
    return torch.maximum(low - at, at - (high - 1)).clamp(min=0).float()
