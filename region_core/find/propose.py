"""Which region of a picture is meant? The one that is expected to overlap most with what the caption names.

Each cell has a probability of belonging to the thing. A region's expected overlap is what it holds of the thing, over
what it covers and what it misses of the thing: a part misses the rest, and too large a region pays for all that it
covers. Only what lies close about a region counts as missed, so two things of a kind are two regions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from ..cells import CellGraph, standardised
from .relevance import CaptionMap

FINE = 2  # masks are so many times as fine as DINO's grid, by bilinear interpolation: edges lie between cells
# Logistic regression of "this cell belongs to the thing", on relevance and figure in deviations within the picture:
# learned on photographs, and free of any model's units
BIAS, RELEVANCE, FIGURE = -1.69, 0.88, 0.79
LEVELS, PIECES = 16, 6  # levels of the map at which it is cut, and connected parts of each, the largest first
RIM = 0.1  # of the picture's shorter side, along its edges
LEAST_AREA = 0.002  # of the picture; less is noise at these grids
SURROUNDINGS = 0.25  # of a region's sides, on every side
PEAK = 0.4  # nats a standard deviation by which a region misses the place where most is seen
SHARPNESS = 6.0  # of the probabilities of the regions: found overlaps to this power
PRESENT = 0.75  # of the other texts stand out less than a caption that is there
SAME, APART = 0.8, 0.5  # IoU of two masks that are one; shared part of the smaller of two that are not apart
MAX_COUNT = 32

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class RankedRegions:
    """N regions of one picture, the likeliest first.

    masks [N, h*FINE, w*FINE] bool; evidence [N], log-probabilities; separate [N] bool: the region shares no part
    worth naming with a better one that is separate, so the first k separate ones answer "k things of a kind", and
    what is not separate is the same thing cut wider or closer. relevance [h, w], in standard deviations;
    probability [h, w] of each cell to belong to the thing; presence, and whether that counts as being there; whether
    what is asked for is larger than allowed, so that the best one is `limited`.
    """

    masks: Tensor
    evidence: Tensor
    separate: Tensor
    relevance: Tensor
    probability: Tensor
    presence: float
    present: bool
    limited: bool = False


def find_regions_on_grid(
    cells: CellGraph,
    where: CaptionMap,
    *,
    prior: Tensor | None = None,
    max_area: float = 1.0,
    detections: Tensor | None = None,
    detections_only: bool = False,
) -> RankedRegions:
    """The regions of a caption, at most `MAX_COUNT`.

    prior: [h*FINE, w*FINE] bool with some white in it; nothing is found outside. max_area: share of the picture that
    the box round a region may cover. detections: [M, h*FINE, w*FINE] bool, regions of another source, judged with
    ours by the same evidence, or alone.
    """
    logits = BIAS + RELEVANCE * standardised(where.relevance) + FIGURE * _figure(cells, where.relevance)
    fine = _finer(logits, cells.grid)
    white = np.ones(fine.shape, dtype=bool) if prior is None else prior.cpu().numpy().astype(bool)
    probability = np.where(white, 1 / (1 + np.exp(-fine)), 0.0)
    given = [] if detections is None else [mask & white for mask in detections.cpu().numpy().astype(bool)]
    given = [mask for mask in given if mask.any()]
    masks = (
        given
        if detections_only and given
        else [*given, *level_masks(fine, white), *level_masks(_finer(where.close, cells.grid), white)]
    )
    overlap = expected_overlaps(masks, probability)
    seen = _finer(where.seen, cells.grid) / max(float(where.seen.std()), 1e-6)
    score = np.log(np.maximum(overlap, 1e-6)) + PEAK * np.array([seen[mask].max() for mask in masks])
    shares = np.array([mask.any(axis=0).mean() * mask.any(axis=1).mean() for mask in masks])
    small = np.flatnonzero(shares <= max(max_area, shares.min()) + 1e-6)  # the smallest where none is small enough
    places, separate = _distinct([masks[i] for i in small], np.argsort(-score[small], kind="stable"))
    kept = small[places]
    return RankedRegions(
        torch.from_numpy(np.stack([masks[i] for i in kept])),
        (SHARPNESS * torch.from_numpy(score[kept]).float()).log_softmax(dim=0),
        torch.tensor(separate, dtype=torch.bool),
        where.relevance.reshape(cells.grid),
        logits.sigmoid().reshape(cells.grid),
        where.presence,
        where.presence >= PRESENT,
        bool(score.max() > score[kept[0]] or shares[kept[0]] > max_area + 1e-6),
    )


def _figure(cells: CellGraph, relevance: Tensor) -> Tensor:
    """DINO's figure [h*w], or its ground where all else takes that for the figure: the caption is more there, and less
    of it lies along the picture's edges. What DINO attends to of a thing that fills the picture is a part of it."""
    rows, columns = cells.grid
    rim = max(1, round(min(cells.grid) * RIM))
    inner = torch.zeros(rows, columns, dtype=torch.float32)
    inner[rim : rows - rim, rim : columns - rim] = 1
    against = all(float(cells.figure @ standardised(other)) < 0 for other in (relevance, inner.flatten()))
    return -cells.figure if against else cells.figure


def level_masks(values: NDArray[np.float32], white: Mask) -> list[Mask]:
    """The connected parts of a map above each of `LEVELS` levels, their holes filled; all that is white where none is
    large enough."""
    low, high = float(values[white].min()), float(values[white].max())
    masks: dict[bytes, Mask] = {}
    for level in np.linspace(low, high, LEVELS + 2)[1:-1]:
        parts, _ = ndimage.label((values >= level) & white)
        sizes = np.bincount(parts.ravel())[1:]
        for index in np.argsort(-sizes, kind="stable")[:PIECES]:
            if sizes[index] >= LEAST_AREA * values.size:
                mask = ndimage.binary_fill_holes(parts == index + 1) & white
                masks.setdefault(mask.tobytes(), mask)
    return list(masks.values()) or [white]


def expected_overlaps(masks: list[Mask], probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """The expected IoU [N] of each mask with a thing whose cells have these probabilities [h, w].

    The ratio of the expectations, which is close to the expectation of the ratio. What of the thing lies outside is
    counted within a quarter of the region's sides about its box.
    """
    rows, columns = probability.shape
    sums = np.zeros((rows + 1, columns + 1))
    sums[1:, 1:] = probability.cumsum(axis=0).cumsum(axis=1)
    overlaps = []
    for mask in masks:
        down, across = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        dy, dx = (max(FINE, round((line[-1] + 1 - line[0]) * SURROUNDINGS)) for line in (down, across))
        y0, y1 = max(0, down[0] - dy), min(rows, down[-1] + 1 + dy)
        x0, x1 = max(0, across[0] - dx), min(columns, across[-1] + 1 + dx)
        inside = probability[mask].sum()
        about = sums[y1, x1] - sums[y0, x1] - sums[y1, x0] + sums[y0, x0]
        overlaps.append(inside / (mask.sum() + max(about - inside, 0.0)))
    return np.array(overlaps)


def _finer(values: Tensor, grid: tuple[int, int]) -> NDArray[np.float32]:
    size = (grid[0] * FINE, grid[1] * FINE)
    wide = F.interpolate(values.float().reshape(1, 1, *grid), size, mode="bilinear", align_corners=False)
    return wide.squeeze((0, 1)).numpy()


def _distinct(masks: list[Mask], order: NDArray[np.intp]) -> tuple[list[int], list[bool]]:
    """Which of the masks to keep, best first, and for each whether it is apart from all better ones that are."""
    flat = np.stack([mask.ravel() for mask in masks]).astype(np.float32)
    shared, areas = flat @ flat.T, flat.sum(axis=1)
    kept: list[int] = []
    separate: list[int] = []
    for i in order.tolist():
        if len(kept) == MAX_COUNT:
            break
        if any(shared[i, j] > SAME * (areas[i] + areas[j] - shared[i, j]) for j in kept):
            continue
        kept.append(i)
        if all(shared[i, j] <= APART * min(areas[i], areas[j]) for j in separate):
            separate.append(i)
    return kept, [i in separate for i in kept]
