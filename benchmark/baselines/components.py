"""Connected components of a map, and the boxes round them."""

from __future__ import annotations

import torch
from scipy import ndimage
from torch import Tensor
from torchvision.ops import masks_to_boxes


def strongest_component(mask: Tensor, heat: Tensor) -> Tensor:
    """The connected component (4 neighbours) of mask [h, w] that holds the most of heat [h, w].

    All False where the mask is.
    """
    labels, count = ndimage.label(mask.cpu().numpy())
    if not count:
        return torch.zeros_like(mask, dtype=torch.bool)
    sums = ndimage.sum_labels(heat.double().cpu().numpy(), labels, range(1, count + 1))
    return torch.from_numpy(labels == 1 + int(sums.argmax())).to(mask.device)


def box_around(mask: Tensor, height: int, width: int) -> Tensor | None:
    """The box [4] in pixels of a height x width picture round mask [h, w]; None where it is empty."""
    if not bool(mask.any()):
        return None
    low, high = masks_to_boxes(mask[None].bool())[0].view(2, 2)  # the last cell is inside
    scale = torch.tensor([width / mask.shape[1], height / mask.shape[0]], device=mask.device)
    return torch.cat([low * scale, (high + 1) * scale])
