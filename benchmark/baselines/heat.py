"""From a heat-map to a box: threshold, keep one connected piece, draw a box round it."""

from __future__ import annotations

import torch
from torch import Tensor

from .components import box_around, strongest_component


def heat_box(heat: Tensor, threshold: float, height: int, width: int) -> Tensor:
    """The box [4] round the strongest piece of heat [h, w] above `threshold` of its range."""
    low, high = heat.min(), heat.max()
    scaled = (heat - low) / (high - low).clamp(min=1e-12)
    box = box_around(strongest_component(scaled >= threshold, scaled), height, width)
    return torch.tensor([0.0, 0.0, width, height]) if box is None else box
