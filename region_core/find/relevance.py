"""Where in a picture is the caption, and is it there at all?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..cells import CellGraph
from ..views import ZOOMS, WindowViews


@dataclass(frozen=True)
class CaptionMap:
    """In standard deviations of the cosines with other texts: `seen` [h*w], what CLIP sees of the caption at each
    cell of DINO's grid, and `relevance` [h*w], the same averaged over the cells that are alike.

    `presence`: how far the most relevant cell stands out from the middle one. A caption that is not in the
    picture is a little like all of it, or like nothing.
    """

    seen: Tensor
    relevance: Tensor
    presence: float


def standing_out(embeddings: Tensor, caption: Tensor, distractors: Tensor) -> Tensor:
    """How far the caption stands out among other texts: embeddings [..., E] -> [...].

    In standard deviations of the cosines with `distractors` [n, E]; caption [1, E]. It is the same for every
    CLIP whose cosines are an increasing line of another's.
    """
    others = embeddings @ distractors.T
    return ((embeddings @ caption.T).squeeze(-1) - others.mean(dim=-1)) / others.std(dim=-1).clamp(min=1e-8)


def caption_map(views: WindowViews, cells: CellGraph, caption: Tensor, distractors: Tensor) -> CaptionMap:
    """caption [1, E] and distractors [n, E] of unit length. Of a CLIP that shows no places the windows alone are laid
    over the grid, which is coarser."""
    caption, distractors = caption.float().cpu(), distractors.float().cpu()
    if views.places is None:
        answers = standing_out(views.whole, caption, distractors)[:, None, None]
    else:
        answers = standing_out(views.places, caption, distractors)
    maps = [_laid(answers[rows], views.boxes[rows], cells.grid) for rows in (views.zooms == zoom for zoom in ZOOMS)]
    seen = torch.stack(maps).mean(dim=0).flatten()
    relevance = cells.affinity @ seen
    return CaptionMap(seen, relevance, float(relevance.max() - relevance.median()))


def _laid(values: Tensor, boxes: Tensor, grid: tuple[int, int]) -> Tensor:
    """Each window's values [n, h', w'] laid on a grid by boxes [n, 4] in shares, their mean where they lap."""
    rows, columns = grid
    total, count = torch.zeros(2, *grid, dtype=torch.float32).unbind()
    cells = (boxes * torch.tensor([columns, rows] * 2, dtype=torch.float32)).round().int().tolist()
    for value, (left, top, right, bottom) in zip(values, cells, strict=True):
        x0, y0 = min(left, columns - 1), min(top, rows - 1)
        x1, y1 = max(x0 + 1, right), max(y0 + 1, bottom)
        wide = F.interpolate(value[None, None], (y1 - y0, x1 - x0), mode="bicubic", align_corners=False)
        total[y0:y1, x0:x1] += wide.squeeze((0, 1))
        count[y0:y1, x0:x1] += 1
    return total / count.clamp(min=1)
