"""A mask within which the region is looked for: drawn by hand, or made by a detector."""

from __future__ import annotations

import torch
from torch import Tensor

INSIDE = 0.75  # share of a box that must be white
SMALLEST = 4  # pixels a side


class Prior:
    """Where a region may be: a mask [1, 1, H, W], white above 0.5, with some white in it."""

    def __init__(self, mask: Tensor) -> None:
        white = (mask[0, 0] > 0.5).cpu()
        rows, columns = white.any(dim=1).nonzero()[:, 0], white.any(dim=0).nonzero()[:, 0]
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

    def cut(self, boxes: Tensor) -> Tensor:
        """Boxes [N, 4] cut to the white area's own box; those that hardly meet it as they were."""
        low = torch.maximum(boxes[:, :2], self.bounds[:2])
        high = torch.minimum(boxes[:, 2:], self.bounds[2:])
        meets = (high - low >= SMALLEST).all(dim=1, keepdim=True)
        return torch.where(meets, torch.cat([low, high], dim=1), boxes)

    def whole(self) -> Tensor:
        """The white area's own box [1, 4]."""
        return self.bounds[None].clone()

    def keep(self, boxes: Tensor) -> Tensor:
        """Places of the boxes [N, 4] that are white for the most part; of the whitest where none is."""
        share = self.share(boxes)
        return (share >= min(INSIDE, float(share.max()))).nonzero()[:, 0]
