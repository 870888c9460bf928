"""Where to look: attention -> anchor points -> candidate boxes (the paper's steps 1 and 2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..boxes import nms_points
from ..encoders import PatchFeatures
from ..errors import InputError
from ..resize import covered
from ..settings import PaperSettings


@dataclass
class CandidateSet:
    """K anchors times M sizes; candidate j = k * M + m is anchor k at half side sizes[m].

    boxes: [K*M, 4] xyxy in pixels of the image, half open, clamped to it.
    cells: [K*M, 4] the same boxes in cells of the feature grid (fractions allowed).
    anchors: [K, 2] long, (row, col) cells, best first.
    sizes: [M] long, half sides in cells, growing.
    """

    boxes: Tensor
    cells: Tensor
    anchors: Tensor
    sizes: Tensor

    def __len__(self) -> int:
        return self.boxes.shape[0]

    @property
    def shape(self) -> tuple[int, int]:
        """(K, M): the shape of the generator's logits for these candidates."""
        return self.anchors.shape[0], self.sizes.shape[0]


def pick_anchors(attention: Tensor, count: int, min_distance: float = 2.0) -> Tensor:
    """The `count` best attended cells that keep `min_distance` cells apart, as [K, 2] (row, col).

    attention: [h, w], any scale; what is not finite is never preferred. Greedy: the best cell is
    taken, cells nearer to it than `min_distance` (between centres) drop out, and so on. A grid too
    small to hold `count` points that far apart gets them as far apart as greed allows.
    Raises InputError where `count` is below 1 or above the number of cells.
    """
    if attention.ndim != 2:
        raise InputError(f"The attention map has shape {tuple(attention.shape)}; pass one image's map, [h, w].")
    if not 1 <= count <= attention.numel():
        raise InputError(
            f"The number of anchor points is {count}; choose 1 to {attention.numel()}, the number "
            f"of cells in the {attention.shape[0]} x {attention.shape[1]} grid."
        )
    values = attention.detach().float().cpu()
    scores = torch.where(values.isfinite(), values, torch.full_like(values, -torch.inf)).flatten()
    rows, columns = attention.shape
    points = torch.cartesian_prod(torch.arange(rows), torch.arange(columns))
    if int(scores.isfinite().sum()) >= count:  # or the rest would come in before the distance gives way
        points, scores = points[scores.isfinite()], scores[scores.isfinite()]
    kept = nms_points(points, scores, count, min_distance)
    while len(kept) < count:
        min_distance *= 0.75
        kept = nms_points(points, scores, count, min_distance)
    return points[kept].to(attention.device)


def candidate_boxes(
    anchors: Tensor,
    max_window_size: int,
    grid: tuple[int, int],
    image: tuple[int, int],
    window_sizes: Sequence[int] | None = None,
) -> CandidateSet:
    """Boxes of growing size centred on each anchor's cell, clamped to the image.

    anchors: [K, 2] (row, col) in a grid of `grid` = (h, w) cells over an image of `image` = (H, W)
    pixels. A half side of s cells spans 2s + 1 cells. `window_sizes`: the half sides to use (they
    are sorted); without it every one from 1 to `max_window_size`. Boxes are cut at the border and
    never dropped, so an object at the edge is found too.
    A size larger than the grid is the whole picture. Raises InputError where a size is below 1 or `max_window_size` is
    exceeded.
    """
    rows, columns = grid
    sizes = sorted(window_sizes) if window_sizes is not None else range(1, max_window_size + 1)
    if not sizes or len(set(sizes)) != len(sizes):
        raise InputError(f"The window sizes are {list(sizes)}; name at least one, each only once.")
    if sizes[0] < 1 or sizes[-1] > max_window_size:
        raise InputError(
            f"The window sizes run from {sizes[0]} to {sizes[-1]}; keep them within 1 to "
            f"{max_window_size}, the largest window size."
        )
    half = torch.tensor(list(sizes), dtype=torch.long, device=anchors.device)
    # Anchors are (row, col) = (y, x); boxes are (x, y). This line is where the two meet.
    centre = anchors.flip(1).float() + 0.5
    reach = half.float() + 0.5
    top_left = centre[:, None, :] - reach[None, :, None]
    bottom_right = centre[:, None, :] + reach[None, :, None]
    limit = torch.tensor([columns, rows, columns, rows], dtype=torch.float32, device=anchors.device)
    cells = torch.cat([top_left, bottom_right], dim=2).reshape(-1, 4)
    cells = torch.minimum(cells.clamp(min=0), limit)
    height, width = image
    scale = torch.tensor([width / columns, height / rows] * 2, dtype=torch.float32, device=anchors.device)
    return CandidateSet(boxes=cells * scale, cells=cells, anchors=anchors, sizes=half)


def place_candidates(
    features: PatchFeatures, height: int, width: int, settings: PaperSettings, region_prior: Tensor | None = None
) -> CandidateSet:
    """Anchors where DINO attends (and, with a prior mask [1, 1, H, W], only where it is white),
    and boxes of growing size round each.
    """
    attention = features.attention[0]
    if region_prior is not None:
        grid = covered(region_prior, *attention.shape)[0, 0]
        attention = attention.masked_fill((grid <= 0.5).to(attention.device), -torch.inf)
    count = settings.point_number
    allowed = int(attention.isfinite().sum())
    anchors = pick_anchors(
        attention, min(count, allowed) if region_prior is not None else count, settings.anchor_distance
    )
    rows, columns = attention.shape
    return candidate_boxes(anchors, settings.max_window_size, (rows, columns), (height, width))
