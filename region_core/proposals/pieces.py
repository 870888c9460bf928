"""Connected pieces of a map, and the boxes round them."""

from __future__ import annotations

import torch
from torch import Tensor


def piece(mask: Tensor, heat: Tensor) -> Tensor:
    """The connected piece (4 neighbours) of mask [h, w] that holds the most of heat [h, w].

    All False where the mask is.
    """
    mask = mask.bool()
    labels = torch.arange(1, mask.numel() + 1).reshape(mask.shape) * mask
    while True:  # the largest number of a piece spreads over it
        spread = labels.float()[None, None]
        across = torch.nn.functional.max_pool2d(spread, (1, 3), 1, (0, 1))
        down = torch.nn.functional.max_pool2d(spread, (3, 1), 1, (1, 0))
        after = torch.maximum(across, down)[0, 0].long() * mask
        if torch.equal(after, labels):
            break
        labels = after
    if not bool(mask.any()):
        return mask
    weights = torch.zeros(mask.numel() + 1).index_add_(
        0, labels.flatten(), (heat * mask).flatten().float())
    weights[0] = -torch.inf
    return labels == int(weights.argmax())


def box_of(mask: Tensor, height: int, width: int) -> Tensor | None:
    """The box [4] in pixels of a height x width picture round mask [h, w]; None where it is empty."""
    if not bool(mask.any()):
        return None
    rows, columns = mask.nonzero().unbind(1)
    scale = torch.tensor([width / mask.shape[1], height / mask.shape[0]] * 2)
    corners = torch.stack([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
    return corners.float() * scale
