"""A mask within which the region is looked for: drawn by hand, or made by a detector."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import InputError
from .masks import Mask, box_mask

INSIDE = 0.75  # share of a box that must be white


def check_prior(prior: Tensor | None, image: Tensor) -> None:
    """InputError where a prior has not the shape [1, 1, H, W] of an image [1, 3, H, W], or no white."""
    wanted = (1, 1, *image.shape[-2:])
    if prior is None:
        return
    if tuple(prior.shape) != wanted:
        raise InputError(
            f"the region prior has shape {tuple(prior.shape)}; pass a mask of the picture's size, {wanted}"
        )
    if not bool((prior > 0.5).any()):
        raise InputError(
            "the region prior is empty (no pixel above 0.5); paint it where the region may be, or leave it out"
        )


class Prior:
    """Where a region may be: a mask [1, 1, H, W], white above 0.5, with some white in it."""

    def __init__(self, mask: Tensor) -> None:
        white = (mask.squeeze((0, 1)) > 0.5).cpu()
        rows, columns = white.any(dim=1).nonzero().flatten(), white.any(dim=0).nonzero().flatten()
        self.bounds = torch.tensor([float(columns[0]), float(rows[0]), float(columns[-1]) + 1, float(rows[-1]) + 1])
        height, width = white.shape
        self.sums = torch.zeros(height + 1, width + 1, dtype=torch.float64)
        self.sums[1:, 1:] = white.double().cumsum(0).cumsum(1)

    def share(self, boxes: Tensor) -> Tensor:
        """How much of each box [N, 4] (xyxy pixels) is white: [N] in 0..1."""
        cells = boxes.round().long()
        x0, x1 = (cells[:, i].clamp(0, self.sums.shape[1] - 1) for i in (0, 2))
        y0, y1 = (cells[:, i].clamp(0, self.sums.shape[0] - 1) for i in (1, 3))
        white = self.sums[y1, x1] - self.sums[y0, x1] - self.sums[y1, x0] + self.sums[y0, x0]
        return (white / ((x1 - x0) * (y1 - y0)).clamp(min=1)).float()

    def within(self, boxes: Tensor) -> Tensor:
        """Boxes [N, 4] that meet the white area's own box, cut to it."""
        return torch.cat(
            [torch.maximum(boxes[:, :2], self.bounds[:2]), torch.minimum(boxes[:, 2:], self.bounds[2:])], 1
        )

    def keep(self, boxes: Tensor) -> Tensor:
        """Places of the boxes [N, 4] that are white for the most part; none where no box is."""
        return (self.share(boxes) >= INSIDE).nonzero().flatten()

    def own_mask(self, cells_a_pixel: Tensor, grid: tuple[int, int]) -> Mask:
        """The white area's own box as a mask on DINO's grid (rows, columns)."""
        x0, y0, x1, y1 = (self.bounds * cells_a_pixel).tolist()
        return box_mask((x0, y0, x1, y1), grid)
