"""Where something new may go: places that hide nothing when they are painted over."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import nms

from ..cells import standardised
from ..encoders import PatchFeatures
from .propose import FINE, MAX_COUNT, Mask, RankedRegions

SIDES = (0.1, 0.2, 0.4, 0.7)  # of a place, in shares of the picture's geometric mean side
ASPECTS = (0.75, 1.0, 4 / 3)  # width over height: a model paints two of a thing into a long place
LONGEST = 1.5  # sides' ratio of a place that the border has cut
HALF = 0.5  # of a cell: what is covered less is not looked at
RING = 0.3  # a place's surroundings, in shares of its side
CROWDED = 0.5  # IoU above which two places are one


def empty_places(features: PatchFeatures, white: Tensor | None, max_area: float) -> RankedRegions:
    """Places of a picture by DINO's features of it, the best first.

    white [h*FINE, w*FINE] bool: where they may lie, anywhere without it. No place is larger than `max_area` of the
    picture. DINO attends to things and not to ground: a place is the better the less attention lies in it, the more it
    is like what surrounds it, the more its oddest cell is like the rest of it, and the larger it is, each as a
    deviation among all places.
    """
    attention = features.attention.squeeze(0).float().cpu()
    maps = features.features.squeeze(0).float().cpu()
    boxes = _boxes(attention.shape[0], attention.shape[1], max_area)
    masks = [_mask(box, attention.shape) for box in boxes.tolist()]
    if white is not None:
        allowed = white.cpu().numpy()
        kept = [i for i, mask in enumerate(masks) if allowed[mask].mean() == 1]
        if kept:
            boxes, masks = boxes[kept], [masks[i] for i in kept]
        else:
            rows, columns = np.flatnonzero(allowed.any(axis=1)), np.flatnonzero(allowed.any(axis=0))
            masks = [allowed]
            boxes = torch.tensor([[columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]], dtype=torch.float32) / FINE
    inside = F.avg_pool2d(torch.from_numpy(np.stack(masks))[:, None].float(), FINE).flatten(1)  # [N, h*w]
    flat = F.normalize(maps.flatten(1), dim=0)  # [D, h*w]
    likeness = F.normalize(inside @ flat.T, dim=1) @ flat  # of each cell to the place's mean
    oddest = likeness.masked_fill(inside < HALF, 1.0).amin(dim=1)
    busiest = (inside * attention.flatten()).amax(dim=1)
    ring = _rings(boxes, attention.shape) - inside.clamp(max=1)
    apart = _mean(likeness, inside) - _mean(likeness, ring.clamp(min=0))
    share = inside.mean(dim=1)
    score = standardised(oddest) - 2 * standardised(busiest) - standardised(apart) + standardised(share.log())
    best = nms(boxes, score, CROWDED)[:MAX_COUNT]
    calm = 1 - attention / attention.amax().clamp(min=1e-8)
    return RankedRegions(
        torch.from_numpy(np.stack([masks[i] for i in best.tolist()])),
        score[best].log_softmax(dim=0),
        torch.ones(len(best), dtype=torch.bool),
        calm,
        calm,
        float("nan"),
        True,
    )


def _boxes(rows: int, columns: int, max_area: float) -> Tensor:
    """Boxes [N, 4] in cells, of all `SIDES` and `ASPECTS` round anchors all over the grid, cut at its border; the
    smallest alone where all are larger than `max_area`."""
    down, across = (range(min(2, count - 1), count, max(1, count // 8)) for count in (rows, columns))
    found = []
    for row in down:
        for column in across:
            for side in SIDES:
                for aspect in ASPECTS:
                    length = side * math.sqrt(rows * columns) / 2
                    x, y = length * math.sqrt(aspect), length / math.sqrt(aspect)
                    found.append([column + 0.5 - x, row + 0.5 - y, column + 0.5 + x, row + 0.5 + y])
    limits = torch.tensor([columns, rows, columns, rows], dtype=torch.float32)
    boxes = torch.minimum((torch.tensor(found, dtype=torch.float32) * FINE).round().clamp(min=0) / FINE, limits)
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    area = width * height / (rows * columns)
    compact = (width / height.clamp(min=1e-6)).log().abs() <= math.log(LONGEST)
    kept = compact & (area <= max_area) & (torch.minimum(width, height) > 0)
    return boxes[kept].unique(dim=0) if bool(kept.any()) else boxes[area.argmin()][None]


def _mask(box: list[float], grid: torch.Size | tuple[int, int]) -> Mask:
    mask = np.zeros((grid[0] * FINE, grid[1] * FINE), dtype=bool)
    x0, y0, x1, y1 = (round(v * FINE) for v in box)
    mask[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)] = True
    return mask


def _rings(boxes: Tensor, grid: torch.Size | tuple[int, int]) -> Tensor:
    """The boxes with their surroundings, as the share of each cell that they cover: [N, h*w]."""
    reach = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1).sqrt() * RING
    wide = boxes + reach[:, None] * torch.tensor([-1.0, -1.0, 1.0, 1.0], dtype=torch.float32)
    rows, columns = grid
    y, x = torch.arange(rows).float(), torch.arange(columns).float()
    down = (torch.minimum(wide[:, 3:], y + 1) - torch.maximum(wide[:, 1:2], y)).clamp(0, 1)
    across = (torch.minimum(wide[:, 2:3], x + 1) - torch.maximum(wide[:, :1], x)).clamp(0, 1)
    return (down[:, :, None] * across[:, None, :]).flatten(1)


def _mean(values: Tensor, weights: Tensor) -> Tensor:
    return (values * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1e-6)
