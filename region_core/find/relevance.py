"""Where in a picture is the caption, and is it there at all?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..cells import CellGraph
from ..views import ZOOMS, WindowViews

FILLING = 0.7  # of the middle's relevance: what fills the picture stands out from nothing in it


@dataclass(frozen=True)
class CaptionMap:
    """In standard deviations of the cosines with other texts: `seen` [h*w], what CLIP sees of the caption at each
    cell of DINO's grid; `relevance` [h*w], the same averaged over the cells that are alike; `close` [h*w], as that is
    through the smallest windows alone.

    `presence`, 0 to 1: the share of the other texts whose best place in the same picture stands out less. A text that
    is not in the picture is a little like all of it.
    """

    seen: Tensor
    relevance: Tensor
    close: Tensor
    presence: float


def standing_out(embeddings: Tensor, texts: Tensor, distractors: Tensor) -> Tensor:
    """How far each text stands out among others: embeddings [..., E], texts [t, E] -> [..., t].

    In standard deviations of the cosines with `distractors` [n, E]. It is the same for every CLIP whose cosines are an
    increasing line of another's.
    """
    others = embeddings @ distractors.T
    spread = others.std(dim=-1, keepdim=True).clamp(min=1e-8)
    return (embeddings @ texts.T - others.mean(dim=-1, keepdim=True)) / spread


def caption_map(views: WindowViews, cells: CellGraph, caption: Tensor, distractors: Tensor) -> CaptionMap:
    """caption [1, E] and distractors [n, E] of unit length. Of a CLIP that shows no places the windows alone are laid
    over the grid, which is coarser."""
    distractors = distractors.float().cpu()
    texts = torch.cat([caption.float().cpu(), distractors])
    embeddings = views.whole[:, None, None] if views.places is None else views.places
    answers = standing_out(embeddings, texts, distractors).movedim(-1, 1)  # [n, t, h, w]
    maps = [_laid(answers[rows], views.boxes[rows], cells.grid) for rows in (views.zooms == zoom for zoom in ZOOMS)]
    seen = torch.stack(maps).mean(dim=0)  # [h*w, t]; the caption is text 0
    relevance, close = cells.affinity @ seen, cells.affinity @ maps[-1][:, 0]
    prominence = _prominence(relevance)
    presence = float((prominence[1:] < prominence[0]).float().mean())
    return CaptionMap(seen[:, 0], relevance[:, 0], close, presence)


def _prominence(relevance: Tensor) -> Tensor:
    """How far the most relevant hundredth of the picture stands out from its middle: [h*w, t] -> [t]."""
    top, middle = relevance.quantile(0.99, dim=0), relevance.median(dim=0).values
    return torch.maximum(top - middle, FILLING * middle)


def _laid(values: Tensor, boxes: Tensor, grid: tuple[int, int]) -> Tensor:
    """Values [n, t, h', w'] laid where their windows are (boxes [n, 4] in shares) on a grid, the mean where they lap:
    [h*w, t]."""
    rows, columns = grid
    total = torch.zeros(values.shape[1], rows, columns, dtype=torch.float32)
    count = torch.zeros(grid, dtype=torch.float32)
    corners = (boxes * torch.tensor([columns, rows] * 2, dtype=torch.float32)).round().int().tolist()
    for value, (left, top, right, bottom) in zip(values, corners, strict=True):
        x0, y0 = min(left, columns - 1), min(top, rows - 1)
        x1, y1 = max(x0 + 1, right), max(y0 + 1, bottom)
        total[:, y0:y1, x0:x1] += F.interpolate(
            value[None], (y1 - y0, x1 - x0), mode="bicubic", align_corners=False
        ).squeeze(0)
        count[y0:y1, x0:x1] += 1
    return (total / count.clamp(min=1)).flatten(1).T
