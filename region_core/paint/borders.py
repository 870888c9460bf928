"""Where an edit ends: a region is grown before it is painted, and what was painted fades into the picture.

Growth is what hides the old thing, whose edge a found region may cut; the fade is what hides the seam. It lies half
inside and half outside the grown region's border, but never over the region as found nor over the nearer half of its
growth: there the old thing would show through.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from scipy import ndimage
from torch import Tensor

from ..find import Box
from ..settings import PaintSettings


@dataclass(frozen=True)
class Borders:
    """Whole pixels round a region: `growth`, to be painted too; `solid`, in which the edit alone shows; `fade`, beyond
    that, in which it fades out."""

    growth: int
    solid: int
    fade: int

    @classmethod
    def round(cls, box: Box, settings: PaintSettings) -> Borders:
        """Of a region by its box: percent of its side, the geometric mean of both, or the pixels that are the least."""
        x0, y0, x1, y1 = box
        side = math.sqrt((x1 - x0) * (y1 - y0))
        growth = math.ceil(max(side * settings.grow_percent / 100 - 1e-3, settings.grow))
        fade = math.ceil(max(side * settings.feather_percent / 100 - 1e-3, settings.feather))
        return cls(growth, growth - math.floor(min(fade / 2, growth / 2)), fade)

    def touched(self, box: Box, height: int, width: int) -> Box:
        """The box outside which not one pixel changes."""
        x0, y0, x1, y1 = box
        out = self.solid + self.fade
        return max(x0 - out, 0), max(y0 - out, 0), min(x1 + out, width), min(y1 + out, height)

    def grown(self, mask: Tensor) -> Tensor:
        """mask bool [h, w] and all within `growth` pixels of it, bool [h, w]: what is painted."""
        return _near(mask, self.growth)

    def blend(self, mask: Tensor) -> Tensor:
        """How much of the edit shows in each pixel round mask bool [h, w]: float [h, w] in 0..1, 1 over the mask."""
        solid = _near(mask, self.solid)
        if bool(solid.all()):
            return solid.float()
        far = torch.from_numpy(ndimage.distance_transform_edt(~solid.numpy())).float()
        shown = (1 - far / (self.fade + 1)).clamp(min=0)
        blend = shown.square() * (3 - 2 * shown)  # level at both ends: a kink would be seen as a line
        return blend.masked_fill(blend < 0.5 / 255, 0)  # so that what is black in an 8 bit file is unchanged, too


def _near(mask: Tensor, pixels: int) -> Tensor:
    """All within so many pixels of a mask, across, down and aslant."""
    if not pixels or bool(mask.all()):
        return mask
    far = ndimage.distance_transform_cdt(~mask.numpy(), metric="chessboard")
    return torch.from_numpy(far <= pixels)
