"""Where something new may go: places that hide nothing when they are painted over."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import nms

from ..encoders import PatchFeatures
from .masks import Mask, boxes_round, coarse, of_size, window_masks
from .prior import Prior
from .probes import map_evidence
from .relevance import centred_cells
from .texts import standardised

MOST = 32
HALF = 0.5  # of a cell: what is covered less is not looked at
ASPECTS = (0.75, 1.0, 4 / 3)  # width over height of a place
LONGEST = 0.4  # logarithm of a place's sides: 1 to 1.5
CROWDED = 0.5  # IoU above which two places are one


def empty_places(
    features: PatchFeatures, cells_a_pixel: Tensor, prior: Prior | None, most: float
) -> tuple[list[Mask], Tensor, Tensor]:
    """Masks of N places, scores [N] in nats up to a constant, map [1, 1, h, w].

    `cells_a_pixel` [4] brings boxes in pixels into cells of DINO's grid. No place is larger than `most` of the
    picture, or leaves a prior's own box.

    DINO attends to things and not to ground: a place is the better the less attention lies in it, the
    more it is like what surrounds it, the more its oddest cell is like the rest of it, and the larger it is, each as
    a deviation among all places.
    """
    attention = features.attention.squeeze(0).float().cpu()
    rows, columns = attention.shape
    maps = features.features.squeeze(0).float().cpu()
    cells = centred_cells(maps)
    down, across = (range(min(2, count - 1), count, max(1, count // 8)) for count in (rows, columns))
    anchors = [(row, column) for row in down for column in across]
    # what is added is seldom long, and a model paints two of it into a long place
    masks = of_size(window_masks(anchors, (rows, columns), ASPECTS)[1:], 0, most)
    x0, y0, x1, y1 = boxes_round(masks).T
    compact = ((x1 - x0) / (y1 - y0)).log().abs() <= LONGEST  # the border cuts some
    masks = [mask for mask, kept in zip(masks, compact.tolist(), strict=True) if kept] or masks
    if prior is not None:
        white = [masks[i] for i in prior.keep(boxes_round(masks) / cells_a_pixel).tolist()]
        masks = white or [prior.own_mask(cells_a_pixel, (rows, columns))]
    boxes = boxes_round(masks) / cells_a_pixel
    boxes = boxes if prior is None else prior.within(boxes)
    stacked = torch.stack([torch.from_numpy(mask) for mask in masks]).float()
    seen = map_evidence(stacked, attention[None], cells)
    inside = coarse(stacked)
    busiest = (inside * attention.flatten()).amax(dim=1)
    flat = F.normalize(maps.flatten(1), dim=0)  # [D, h*w]
    likeness = F.normalize(inside @ flat.T, dim=1) @ flat  # of each cell to the place's mean
    oddest = likeness.masked_fill(inside < HALF, 1.0).amin(dim=1)
    score = standardised(oddest) - 2 * standardised(busiest) - standardised(seen.apart) + standardised(seen.share.log())
    best = nms(boxes, score, CROWDED)[:MOST]
    calm = 1 - attention / attention.amax().clamp(min=1e-8)
    return [masks[i] for i in best.tolist()], score[best], calm[None, None]
