"""How far does the thing in a box reach? DINO's features know its edge better than CLIP does.

CLIP says which box holds what the caption names, and is content with one that is too large or cuts
a corner off. DINO's features of one thing are alike and unlike those round it (Simeoni et al.,
"Localizing Objects with Self-Supervised Transformers and no Labels", 2021), so the cells that are
like the box's own are the thing, and a box round them fits.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ..boxes import iou
from ..encoders import PatchFeatures
from .components import box_around, strongest_component

ALIKE = 0.6  # least cosine of a cell with the thing, of features less their mean over the picture
SAME = 0.35  # least IoU of a fitted box with the one it came from: below, it has run away


def fit_boxes(boxes: Tensor, features: PatchFeatures, height: int, width: int) -> Tensor:
    """Boxes [N, 4] (xyxy pixels of a height x width picture) fitted to the things in them.

    A box stays as it was where nothing in it stands out, or what does reaches far beyond it.
    """
    maps = features.features[0].float().cpu()
    cells = F.normalize(maps - maps.mean(dim=(1, 2), keepdim=True), dim=0)
    fitted = [_fitted(box, cells, height, width) for box in boxes.float().cpu()]
    return torch.stack(fitted).to(boxes) if fitted else boxes


def _fitted(box: Tensor, cells: Tensor, height: int, width: int) -> Tensor:
    """One box [4] fitted by unit features `cells` [C, rows, columns]."""
    rows, columns = cells.shape[1:]
    x = (torch.arange(columns) + 0.5) * width / columns
    y = (torch.arange(rows) + 0.5) * height / rows
    inside = ((y >= box[1]) & (y < box[3]))[:, None] & ((x >= box[0]) & (x < box[2]))
    if not inside.any() or inside.all():
        return box
    # part of the box is ground, and the ground is outside too: what is unlike it is the thing
    ground = F.normalize(cells[:, ~inside].mean(dim=1), dim=0)
    stands_out = (1 - torch.einsum("c,chw->hw", ground, cells)).clamp(min=0) * inside
    thing = F.normalize((cells * stands_out).sum(dim=(1, 2)), dim=0)
    alike = torch.einsum("c,chw->hw", thing, cells)
    found = box_around(strongest_component(alike > ALIKE, stands_out), height, width)
    if found is None or float(iou(found[None], box[None])) < SAME:
        return box
    return found
