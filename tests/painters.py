"""Painters without a network. All that one needs is a size and a call."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from region_core.paint import StepInfo


class FillingPainter:
    """Fills the mask with a colour, or where none is given with noise, that of the seed for all pictures."""

    def __init__(self, size: int = 64, colour: tuple[float, float, float] | None = None) -> None:
        self.size, self.colour = size, colour
        self.evaluations = 0
        self.calls: list[tuple[Tensor, Tensor]] = []

    def __call__(
        self,
        pictures: Tensor,
        masks: Tensor,
        *,
        seed: int,
        steps: int,
        guidance: float,
        strength: float,
        on_step: Callable[[StepInfo], None] | None = None,
    ) -> Tensor:
        self.calls.append((pictures.clone(), masks.clone()))
        source = torch.Generator().manual_seed(seed % 2**63)
        paint = torch.rand(1, 3, self.size, self.size, generator=source, dtype=torch.float32)
        if self.colour is not None:
            paint = torch.tensor(self.colour, dtype=torch.float32).view(1, 3, 1, 1)
        for done in range(1, steps + 1):
            self.evaluations += len(pictures) * (2 if guidance > 1 else 1)
            if on_step is not None:
                on_step(StepInfo(done, steps))
        return torch.where(masks > 0, paint.to(pictures), pictures)
