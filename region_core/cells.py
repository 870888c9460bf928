"""What DINO's cells say of a picture without any text: which are alike, and which are figure rather than ground.

All is in units of its own spread in the picture, so it means the same for every DINO.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

SHARPNESS = 6.0  # nats a standard deviation of likeness
MAX_CELLS = 48 * 48  # their likeness is a table of N x N: of 128 x 128 cells it would take gigabytes
REACH = 0.25  # of the picture's side: alike cells further away than this count e^-1 and less


@dataclass(frozen=True)
class CellGraph:
    """Of the h x w cells of a grid, row-major: affinity [h*w, h*w], rows summing to 1, and figure [h*w],
    standard deviations above what is usual in the picture. The grid is DINO's, or a coarser one of at most `MAX_CELLS`.
    """

    grid: tuple[int, int]
    affinity: Tensor
    figure: Tensor


def standardised(values: Tensor) -> Tensor:
    """Values less their mean, over their spread."""
    return (values - values.mean()) / values.std(correction=0).clamp(min=1e-8)


def read_cells(features: Tensor, attention: Tensor) -> CellGraph:
    """DINO's features [1, D, h, w] and [CLS] attention [1, h, w] of one picture."""
    rows, columns = _limited(features.shape[-2], features.shape[-1])
    maps, attended = (F.adaptive_avg_pool2d(part.float().cpu(), (rows, columns))[0] for part in (features, attention))
    cells = maps.flatten(1).T  # [h*w, D]
    # what all cells share is taken away: without it a cosine is about the difference between two cells
    centred = F.normalize(cells - cells.mean(dim=0), dim=1)
    likeness = standardised(centred @ centred.T)
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    place = torch.stack([y.flatten(), x.flatten()], dim=1).float() / (rows * columns) ** 0.5
    affinity = (likeness * SHARPNESS - (torch.cdist(place, place) / REACH).square()).softmax(dim=1)
    return CellGraph((rows, columns), affinity, figure(F.normalize(cells, dim=1), attended.flatten()))


def _limited(rows: int, columns: int) -> tuple[int, int]:
    """A grid of the same shape with at most `MAX_CELLS`."""
    less = min(1.0, (MAX_CELLS / (rows * columns)) ** 0.5)
    return max(1, int(rows * less)), max(1, int(columns * less))


def figure(cells: Tensor, attention: Tensor) -> Tensor:
    """cells [N, D] of unit length, attention [N] -> [N]: where each lies along the first principal component, which
    parts figure from ground in most pictures (Oquab et al., "DINOv2", 2023). A component has no sign of its own: the
    figure is the side that DINO attends to."""
    spread = cells - cells.mean(dim=0)
    first = standardised(spread @ torch.linalg.eigh(spread.T @ spread).eigenvectors[:, -1])
    return first if float(first @ standardised(attention)) >= 0 else -first
