"""What was painted takes on the tint that the picture has round it, so that a fade need not hide two."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

ALIKE = 24 / 255  # pixels whose colours differ by more show another thing, not another tint
ENOUGH = 0.25  # share of the rim that must show the same thing before and after
SPREAD = 0.2  # of the region's side: how far the rim's differences are spread
CELLS = 64  # a tint varies slowly


def tinted(edit: Tensor, source: Tensor, found: Tensor, painted: Tensor) -> Tensor:
    """An edit [1, 3, s, s] in 0..1, its colours moved by what sets its rim apart from the source's there.

    source [1, 3, s, s] is the picture before; found and painted [1, 1, s, s] are 1 in the region and in what was
    painted; the rim between them shows the same thing in both where the region holds all of what was changed. Where
    most of it does not, or there is none, the edit is as it was.
    """
    change, rim = source - edit, painted - found
    alike = rim * (change.abs().amax(dim=1, keepdim=True) < ALIKE)
    if alike.sum() < ENOUGH * rim.sum() or not alike.any():
        return edit
    # on the CPU: Apple's device pools no sizes that do not divide
    there = torch.cat([torch.where(alike > 0, change, 0), alike], dim=1).cpu()
    known = F.adaptive_avg_pool2d(there, CELLS)
    at = torch.arange(CELLS, dtype=torch.float32)
    reach = float(SPREAD * CELLS * found.mean().sqrt())
    near = torch.exp(-((at[:, None] - at) / reach).square() / 2).to(known)
    spread = near @ known @ near
    tint = (spread[:, :3] / spread[:, 3:].clamp(min=1e-6)).to(edit)
    return (edit + F.interpolate(tint, edit.shape[-2:], mode="bilinear", align_corners=False)).clamp(0, 1)
