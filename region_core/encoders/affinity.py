"""Which places of a picture belong together, by another network's features (Lan et al., "ProxyCLIP", ECCV 2024)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

SHIFT, SCALE = 1.2, 3.0


def proxy_affinity(features: Tensor, grid: tuple[int, int]) -> Tensor:
    """How alike the cells of a grid are: weights [B, N, N] for N = h*w cells, rows summing to 1.

    features: [B, D, h', w'] of any grid. Cosines less `SHIFT` times their mean, times `SCALE`, then a
    softmax over what is left above 0; both constants are ProxyCLIP's. A cell is always its own
    neighbour, so no row is empty.
    """
    cells = F.interpolate(features.float(), grid, mode="bilinear", align_corners=False)
    unit = F.normalize(cells.flatten(2), dim=1)
    similarity = unit.transpose(1, 2) @ unit
    weights = (similarity - similarity.mean(dim=(1, 2), keepdim=True) * SHIFT) * SCALE
    own = torch.eye(weights.shape[-1], dtype=torch.bool, device=weights.device)
    return weights.masked_fill((weights < 0) & ~own, -torch.inf).softmax(dim=-1)
