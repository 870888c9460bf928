"""From a heat map to a region: cut it at a level, keep one connected piece."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

from region_core import Region


def strongest_component(mask: Tensor, heat: Tensor) -> Tensor:
    """The connected component (4 neighbours) of mask [h, w] that holds the most of heat [h, w]; all False where the
    mask is."""
    labels, count = ndimage.label(mask.cpu().numpy())
    if not count:
        return torch.zeros_like(mask, dtype=torch.bool)
    sums = ndimage.sum_labels(heat.double().cpu().numpy(), labels, range(1, count + 1))
    return torch.from_numpy(labels == 1 + int(sums.argmax())).to(mask.device)


def component_at_peak(mask: Tensor, heat: Tensor) -> Tensor:
    """The connected component of mask [h, w] that holds the hottest place of heat [h, w], which must be in the mask."""
    labels, _ = ndimage.label(mask.cpu().numpy())
    return torch.from_numpy(labels == labels.flat[int(heat.argmax())]).to(mask.device)


def heat_region(heat: Tensor, level: float, size: tuple[int, int], *, at_peak: bool = False) -> Region:
    """Of a picture of `size` (H, W) the strongest piece of heat [h, w] above `level` (0..1) of its range, or
    `at_peak` the one that holds its hottest place; the whole picture where the map is flat."""
    low, high = heat.min(), heat.max()
    scaled = (heat - low) / (high - low).clamp(min=1e-12)
    piece = (component_at_peak if at_peak else strongest_component)(scaled >= level, scaled)
    return Region((piece if bool(piece.any()) else torch.ones_like(piece)).cpu(), size)


def finer(heat: Tensor, times: int = 2) -> Tensor:
    """heat [h, w] on a grid so many times as fine: an edge lies between two cells more often than on one."""
    size = (heat.shape[0] * times, heat.shape[1] * times)
    return F.interpolate(heat[None, None].float(), size, mode="bilinear", align_corners=False)[0, 0]
