"""A painter without diffusion: what is wanted appears in the box, whole, at the first step."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

from region_core.paint import StepInfo
from region_core.paint.painter import first_step

from .task import Task, as_tensor


class FaultlessPainter:
    """A `Painter` for one task; what a region is worth shows without a painter's own faults.

    Its native square is the longer side of the picture, so that every window is the whole picture in the middle of
    that square and a mask tells where in the picture it lies. Its counters say what a diffusion model would have been
    asked.
    """

    def __init__(self, task: Task) -> None:
        self.task = task
        self.size = max(task.size)
        self.evaluations, self.vae_encodings, self.vae_decodings = 0, 0, 0

    def __call__(
        self,
        pictures: Tensor,
        masks: Tensor,
        *,
        seed: int,
        steps: int,
        guidance: float,
        strength: float = 1.0,
        on_step: Callable[[StepInfo], None] | None = None,
    ) -> Tensor:
        """See `Painter`. Strength changes what is counted and nothing else."""
        count, left = len(pictures), steps - first_step(steps, strength, steps - 1)
        self.vae_encodings += count * (1 if strength == 1 else 2)
        self.evaluations += count * left * (2 if guidance > 1 else 1)
        self.vae_decodings += count
        painted = pictures.clone()
        for picture, mask in zip(painted, masks[:, 0] > 0.5, strict=True):
            if bool(mask.any()):
                rows, columns = (mask.any(dim=axis).nonzero().flatten().tolist() for axis in (1, 0))
                where = slice(None), slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
                picture[where] = self._drawn(where, seed).to(picture)
        if on_step is not None:
            on_step(StepInfo(count * left, count * left))
        return painted.clamp(0, 1)

    def _drawn(self, where: tuple[slice, ...], seed: int) -> Tensor:
        """What is painted in a part of the square: [3, h, w]."""
        assert self.task.draw is not None
        height, width = self.task.size

        def limits(part: slice, length: int) -> tuple[int, int]:
            offset = (self.size - length) // 2
            low = min(max(part.start - offset, 0), length - 1)
            return low, min(max(part.stop - offset, low + 1), length)

        (y0, y1), (x0, x1) = limits(where[1], height), limits(where[2], width)
        drawn = as_tensor(self.task.draw((x0, y0, x1, y1), seed))[:, y0:y1, x0:x1]
        size = where[1].stop - where[1].start, where[2].stop - where[2].start
        return F.interpolate(drawn[None], size, mode="bilinear", antialias=True)[0]
