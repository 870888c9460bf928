"""What DINO's cells say of a picture without any text: which are alike, and which are figure rather than ground.

All is in units of its own spread in the picture, so it means the same for every DINO.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

SHARPNESS = 4.0  # nats a standard deviation of likeness
REACH = 0.5  # of the picture's side: alike cells further away than this count e^-1 and less
BORDER_SHARE = 0.25  # of the border's cells a cell is compared with those it is most like


@dataclass(frozen=True)
class CellGraph:
    """Of the h x w cells of a grid, row-major: affinity [h*w, h*w], rows summing to 1, and figure [h*w],
    standard deviations above what is usual in the picture."""

    grid: tuple[int, int]
    affinity: Tensor
    figure: Tensor


def standardised(values: Tensor) -> Tensor:
    """Values less their mean, over their spread."""
    return (values - values.mean()) / values.std(correction=0).clamp(min=1e-8)


def read_cells(features: Tensor) -> CellGraph:
    """features [1, D, h, w] or [D, h, w], DINO's of one picture."""
    maps = features.float().cpu().squeeze(0)
    rows, columns = maps.shape[-2:]
    cells = F.normalize(maps.flatten(1), dim=0).T  # [h*w, D]
    # what all cells share is taken away: without it a cosine is about the difference between two cells
    centred = F.normalize(maps.flatten(1).T - maps.flatten(1).mean(dim=1), dim=1)
    likeness = standardised(centred @ centred.T)
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    y, x = y.flatten(), x.flatten()
    place = torch.stack([y, x], dim=1).float() / (rows * columns) ** 0.5
    affinity = (likeness * SHARPNESS - (torch.cdist(place, place) / REACH).square()).softmax(dim=1)
    on_border = (y == 0) | (x == 0) | (y == rows - 1) | (x == columns - 1)
    return CellGraph((rows, columns), affinity, _figure(cells, likeness, on_border))


def _figure(cells: Tensor, likeness: Tensor, on_border: Tensor) -> Tensor:
    """How much each cell is figure: unlike the picture's border, which is mostly ground (Zhu et al., "Saliency
    optimization from robust background detection", CVPR 2014), and on one side of DINO's first principal
    component, which parts figure from ground."""
    nearest = max(1, round(int(on_border.sum()) * BORDER_SHARE))
    unlike = standardised(-likeness[:, on_border].topk(nearest, dim=1).values.mean(dim=1))
    spread = cells - cells.mean(dim=0)
    first = spread @ torch.linalg.eigh(spread.T @ spread).eigenvectors[:, -1]
    # a component has no sign of its own
    first = standardised(first) * (1.0 if float(first @ unlike) >= 0 else -1.0)
    return (unlike + first) / 2
