"""Candidate regions as masks: any size and aspect, from what DINO's features hold together.

Masks are bool [h, w], without holes, on a grid `FINE` times as fine as DINO's, by bilinear
interpolation: an edge lies
between two cells more often than on one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torchvision.ops import box_area

FINE = 2
Mask = NDArray[np.bool_]
Anchor = tuple[int, int]  # (row, column) of DINO's grid

# Shares of the way from what is usual in the picture to the anchor's own likeness, or the map's peak
LIKENESS = (0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85)
LEVELS = 10
PIECES = 4  # the largest of a level
# Windows as a share of the picture's geometric mean side, and their width over height
SIDES, ASPECTS = (0.1, 0.2, 0.4, 0.7), (1 / 3, 1.0, 3.0)


def _finer(values: Tensor) -> NDArray[np.float32]:
    size = (values.shape[0] * FINE, values.shape[1] * FINE)
    return F.interpolate(values[None, None], size, mode="bilinear", align_corners=False).squeeze((0, 1)).numpy()


def similarity_masks(cells: Tensor, anchors: Iterable[Anchor]) -> list[Mask]:
    """Round each anchor the connected part that is like it, at each of `LIKENESS`.

    cells [D, h, w], of unit length each. An anchor's own features are the mean of the 3 x 3 round it.
    """
    masks = []
    for row, column in anchors:
        near = cells[:, max(0, row - 1) : row + 2, max(0, column - 1) : column + 2]
        own = near.mean(dim=(1, 2))  # its length is not asked: the levels lie between two likenesses to it
        likeness = _finer(torch.einsum("d,dhw->hw", own, cells))
        place = int((row + 0.5) * FINE), int((column + 0.5) * FINE)
        usual, peak = float(np.median(likeness)), float(likeness[place])
        for share in LIKENESS:
            parts, _ = ndimage.label(likeness > usual + (peak - usual) * share)
            if parts[place]:
                masks.append(ndimage.binary_fill_holes(parts == parts[place]))
    return masks


def level_masks(values: Tensor) -> list[Mask]:
    """The largest connected parts of a map [h, w] above each of `LEVELS` - 1 levels from its median to
    its highest."""
    fine = _finer(values)
    low, high = float(np.median(fine)), float(fine.max())
    masks = []
    for level in range(1, LEVELS):
        parts, _ = ndimage.label(fine > low + (high - low) * level / LEVELS)
        sizes = np.bincount(parts.ravel())[1:]
        masks += [ndimage.binary_fill_holes(parts == index + 1) for index in np.argsort(-sizes, kind="stable")[:PIECES]]
    return masks


def window_masks(anchors: Iterable[Anchor], grid: tuple[int, int], aspects: tuple[float, ...] = ASPECTS) -> list[Mask]:
    """Boxes of all `SIDES` and `aspects` centred on each anchor, and the whole of a (rows, columns) grid."""
    rows, columns = grid
    boxes = []
    for row, column in anchors:
        for side in SIDES:
            for aspect in aspects:
                length = side * math.sqrt(rows * columns) / 2
                across, down = length * math.sqrt(aspect), length / math.sqrt(aspect)
                boxes.append((column + 0.5 - across, row + 0.5 - down, column + 0.5 + across, row + 0.5 + down))
    return [np.ones((rows * FINE, columns * FINE), dtype=bool), *(box_mask(box, grid) for box in boxes)]


def box_mask(box: tuple[float, ...], grid: tuple[int, int]) -> Mask:
    """The mask of a box (x0, y0, x1, y1) in cells, clipped to the grid; at least one place of it."""
    rows, columns = grid
    mask = np.zeros((rows * FINE, columns * FINE), dtype=bool)
    x0 = min(max(0, round(box[0] * FINE)), columns * FINE - 1)
    y0 = min(max(0, round(box[1] * FINE)), rows * FINE - 1)
    mask[y0 : max(y0 + 1, round(box[3] * FINE)), x0 : max(x0 + 1, round(box[2] * FINE))] = True
    return mask


def fitted_mask(mask: Mask, cells: Tensor, grounds: int = 6) -> Mask | None:
    """The mask's thing as DINO's cells have it: those nearer to it than to the grounds outside.

    cells [D, h, w] of unit length. The grounds are `grounds` means of what lies outside; the thing's
    features are averaged over where it is nearer, twice. None where nothing is, or nothing is outside.
    """
    rows, columns = cells.shape[1:]
    flat = cells.flatten(1).T
    inside = coarse(torch.from_numpy(mask)[None].float()).squeeze(0)
    outside = flat[inside < 0.1]
    if len(outside) < grounds or not bool((inside > 0).any()):
        return None
    centres = _means(outside, grounds)
    thing = F.normalize(inside @ flat, dim=0)
    for _ in range(2):
        nearer = flat @ thing - (flat @ centres.T).amax(dim=1)
        weight = torch.sigmoid(nearer * 10) * (inside > 0.1)
        thing = F.normalize(weight @ flat, dim=0)
    parts, count = ndimage.label(_finer(nearer.reshape(rows, columns)) > 0)
    if not count:
        return None
    common = ndimage.sum(mask, parts, range(1, count + 1))
    return ndimage.binary_fill_holes(parts == 1 + int(np.argmax(common)))


def _means(points: Tensor, count: int) -> Tensor:
    """`count` unit means [count, D] of unit points [n, D], by five rounds of k-means from even picks."""
    centres = points[torch.linspace(0, len(points) - 1, count).long()]
    for _ in range(5):
        nearest = (points @ centres.T).argmax(dim=1)
        centres = torch.stack(
            [
                F.normalize(points[nearest == index].mean(dim=0), dim=0)
                if bool((nearest == index).any())
                else centres[index]
                for index in range(count)
            ]
        )
    return centres


def coarse(masks: Tensor) -> Tensor:
    """Masks [N, h*FINE, w*FINE] float -> [N, h*w]: the share of each cell that they cover."""
    return F.avg_pool2d(masks[:, None], FINE).flatten(1)


def of_size(masks: list[Mask], least: float, most: float) -> list[Mask]:
    """The masks that cover `least` of the picture and whose boxes cover at most `most` of it, each box once.

    Where none does, the one whose box is nearest to `most`.
    """
    kept: dict[tuple[float, ...], Mask] = {}
    boxes = boxes_round(masks)
    shares = box_area(boxes) * FINE**2 / masks[0].size
    for mask, box, share in zip(masks, boxes.tolist(), shares.tolist(), strict=True):
        if mask.mean() >= least and share <= most:
            kept.setdefault(tuple(box), mask)
    return list(kept.values()) or [masks[int((shares - most).abs().argmin())]]


def boxes_round(masks: list[Mask]) -> Tensor:
    """The boxes [N, 4] round masks, in cells of DINO's grid."""
    rows = []
    for mask in masks:
        down, across = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        rows.append([across[0], down[0], across[-1] + 1, down[-1] + 1])
    return torch.tensor(rows, dtype=torch.float32) / FINE
