"""Where in a picture is the caption, and is it there at all?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..cells import CellGraph
from ..views import ZOOMS, WindowViews

FILLING = 0.7  # of the middle's relevance: what fills the picture stands out from nothing in it
CLOSENESS = (
    0.25  # nats a standard deviation by which a zoom counts more that has a window which is more like the caption
)


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
    """caption [1, E] and distractors [n, E] of unit length.

    Places count fully, and the windows as wholes for what their places do not tell: all of it where CLIP shows none,
    which is coarser.
    """
    distractors = distractors.float().cpu()
    texts = torch.cat([caption.float().cpu(), distractors])  # the caption is text 0
    wholes = _laid_by_zoom(views, standing_out(views.whole[:, None, None], texts, distractors), cells.grid)
    maps = wholes
    if views.places is not None:
        doubt = 1 - _agreement(views, distractors)
        places = _laid_by_zoom(views, standing_out(views.places, texts, distractors), cells.grid)
        # the picture as a whole says nothing of where
        maps = torch.cat([places[:1], (places[1:] + doubt * wholes[1:]) / (1 + doubt)])
    share = (CLOSENESS * wholes[..., 0].amax(dim=1)).softmax(dim=0)
    seen = share @ maps[..., 0]
    relevance, close = cells.affinity @ seen, cells.affinity @ maps[-1, :, 0]
    prominence = _prominence(cells.affinity @ maps.mean(dim=0))
    presence = float((prominence[1:] < prominence[0]).float().mean())
    return CaptionMap(seen, relevance, close, presence)


def _agreement(views: WindowViews, texts: Tensor) -> float:
    """How far the places of the windows say together what the windows say as wholes, 0 to 1.

    How much of the cosines of one with texts [n, E] is explained by the other's, r squared. It is high for a tower that
    pools its places, and low for one with a class token of its own, whose places were never trained to be asked.
    """
    assert views.places is not None
    answers = torch.stack([views.whole @ texts.T, views.places.mean(dim=(1, 2)) @ texts.T])
    answers = answers - answers.mean(dim=-1, keepdim=True)
    correlation = F.cosine_similarity(answers[0], answers[1], dim=-1).mean().clamp(0, 1)
    return float(correlation.square())


def _prominence(relevance: Tensor) -> Tensor:
    """How far the most relevant hundredth of the picture stands out from its middle: [h*w, t] -> [t]."""
    top, middle = relevance.quantile(0.99, dim=0), relevance.median(dim=0).values
    return torch.maximum(top - middle, FILLING * middle)


def _laid_by_zoom(views: WindowViews, answers: Tensor, grid: tuple[int, int]) -> Tensor:
    """Answers [n, h', w', t] of the windows, laid on a grid: [zooms, h*w, t]."""
    rows = [views.zooms == zoom for zoom in ZOOMS]
    return torch.stack([_laid(answers[row].movedim(-1, 1), views.boxes[row], grid) for row in rows])


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
