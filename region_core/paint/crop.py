"""A region cut out for a painting model, and put back: the only place that knows windows."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..defaults import plain_defaults
from ..errors import InputError
from ..find import Box, Region
from ..resize import covered
from ..settings import PaintSettings
from .borders import Borders
from .tint import tinted
from .windows import cut, resized, window_for

LEAST_SIDE = 8  # pixels of a region where it is painted: a cell of Stable Diffusion's latents
LEAST_SHARE = 0.003  # of the picture


@dataclass(frozen=True)
class Crop:
    """A square of a picture round a region, as a model paints it: all that putting it back needs.

    picture [1, 3, s, s] in 0..1 and mask [1, 1, s, s], 1 where it is to be painted (the region, grown); found
    [1, 1, s, s], 1 in the region itself. `window` is the square in pixels of the source, `touched` the box of it
    outside which not one pixel changes, blend [1, 1, h, w] how much of the edit shows in that box.
    `tint`: whether the edit takes on the tint that the picture has round it. `size`: (H, W) of the picture.
    """

    picture: Tensor
    mask: Tensor
    found: Tensor
    window: Box
    touched: Box
    blend: Tensor
    tint: bool = True
    size: tuple[int, int] | None = None


@plain_defaults
def crop_region(picture: Tensor, region: Region, size: int, settings: PaintSettings, *, tint: bool = True) -> Crop:
    """The crop of picture [1, 3, H, W] round a region at `size` pixels a side."""
    height, width = picture.shape[-2:]
    if region.size != (height, width):
        raise InputError(
            f"a region is of a picture of {region.size[1]} x {region.size[0]} pixels, and this one has "
            f"{width} x {height}; find the regions in this picture"
        )
    borders = Borders.round(region.box, settings)
    touched = borders.touched(region.box, height, width)
    window = window_for(touched, height, width, size)
    left, top, right, bottom = touched
    if settings.mask_shape == "box":
        mask = _box_mask(region.box, touched)
    else:
        mask = region.mask[0, 0, top:bottom, left:right] > 0.5

    def at_size(part: Tensor) -> Tensor:
        """A part [h, w] of the window, where `touched` is, at the size that is painted."""
        x0, y0, x1, y1 = (a - b for a, b in zip(touched, (*window[:2], *window[:2]), strict=True))
        side = window[2] - window[0]
        whole = F.pad(part[None, None].float(), (x0, side - x1, y0, side - y1))
        return covered(whole, size, size).to(picture)

    return Crop(
        cut(picture, window, size),
        at_size(borders.grown(mask)),
        at_size(mask),
        window,
        touched,
        borders.blend(mask)[None, None].to(picture),
        tint,
        region.size,
    )


@plain_defaults
def stitch(into: Tensor, crop: Crop, painted: Tensor) -> tuple[Tensor, Tensor]:
    """A painted crop [1, 3, s, s] put back: the picture [1, 3, H, W], and how much of the edit shows, [1, 1, H, W].

    Where the mask is 0 the picture equals `into` bit for bit.
    """
    height, width = into.shape[-2:]
    if crop.size is not None and crop.size != (height, width):
        raise InputError(
            f"the crop is of a picture of {crop.size[1]} x {crop.size[0]} pixels, and this one has {width} x {height}; "
            "put it back into the one it was cut from"
        )
    if painted.shape != crop.picture.shape:
        raise InputError(
            f"what was painted has the shape {tuple(painted.shape)} and its crop {tuple(crop.picture.shape)}; give it "
            "as large as the crop"
        )
    painted = painted.to(into)
    if crop.tint:
        painted = tinted(painted, crop.picture.to(into), crop.found.to(into), crop.mask.to(into))
    x0, y0, x1, y1 = crop.touched
    left, top, right, bottom = crop.window
    full = resized(painted, bottom - top, right - left)[..., y0 - top : y1 - top, x0 - left : x1 - left]
    blend = crop.blend.to(into)
    out, mask = into.clone(), torch.zeros_like(into[:, :1])
    view = out[..., y0:y1, x0:x1]
    # a choice, not arithmetic: 0 * edit + 1 * source is only almost the source
    view.copy_(torch.where(blend == 0, view, torch.lerp(view, full, blend)))
    mask[..., y0:y1, x0:x1] = blend
    return out, mask


def is_paintable(region: Region, size: int) -> bool:
    """Whether a region is more than a speck: both sides have `LEAST_SIDE` pixels of the model's own, and the area
    `LEAST_SHARE` of the picture's."""
    height, width = region.size
    window = window_for(region.box, height, width, size)
    x0, y0, x1, y1 = region.box
    scale = size / (window[2] - window[0])
    return min(x1 - x0, y1 - y0) * scale >= LEAST_SIDE and region.area >= LEAST_SHARE


def _box_mask(box: Box, within: Box) -> Tensor:
    """A box as a mask bool [h, w] of the pixels of another."""
    x0, y0, x1, y1 = within
    mask = torch.zeros(y1 - y0, x1 - x0, dtype=torch.bool)
    mask[box[1] - y0 : box[3] - y0, box[0] - x0 : box[2] - x0] = True
    return mask
