"""A painter without diffusion: what is wanted appears in the box, whole, at the first step."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from region_core.paint.painter import Latents

from .task import Task, as_tensor


class FaultlessInpainter:
    """`inpaint.Inpainter` for one task; what a region is worth shows without a painter's own faults.

    Its native square is the longer side of the picture, so that every window is the whole picture in
    the middle of that square and a mask tells where in the picture it lies. Its counters say what a
    diffusion model would have been asked.
    """

    def __init__(self, task: Task) -> None:
        self.task = task
        self.size = max(task.size)
        self.evaluations: float = 0
        self.vae_encodings: float = 0
        self.vae_decodings: float = 0
        self.device = torch.device("cpu")

    def begin(self, images: Tensor, masks: Tensor, seed: int, steps: int, *, strength: float = 1.0) -> Latents:
        """Start N edits of images [N, 3, s, s] where masks [N, 1, s, s] are 1; s may be smaller than
        `size`. Strength changes what is counted and nothing else."""
        self.vae_encodings += len(images) * (1 if strength == 1 else 2) * self._share(images)
        painted = images.clone()
        for picture, mask in zip(painted, masks[:, 0] > 0.5, strict=True):
            rows, columns = torch.nonzero(mask, as_tuple=True)
            if len(rows):
                where = (
                    slice(None),
                    slice(int(rows.min()), int(rows.max()) + 1),
                    slice(int(columns.min()), int(columns.max()) + 1),
                )
                picture[where] = self._drawn(where, images.shape[-1], seed).to(picture)
        first = min(steps - 1, round(steps * (1 - strength)))
        return Latents(z=painted, denoised=painted, step=first, steps=steps)

    def _drawn(self, where: tuple[slice, ...], side: int, seed: int) -> Tensor:
        """What is painted in a part of a square of `side`: [3, h, w]."""
        height, width = self.task.size
        zoom = self.size / side
        left, top = (self.size - width) // 2, (self.size - height) // 2

        def limits(part: slice, offset: int, length: int) -> tuple[int, int]:
            low = min(max(round(part.start * zoom) - offset, 0), length - 1)
            return low, min(max(round(part.stop * zoom) - offset, low + 1), length)

        (y0, y1), (x0, x1) = limits(where[1], top, height), limits(where[2], left, width)
        drawn = as_tensor(self.task.draw((x0, y0, x1, y1), seed))[:, y0:y1, x0:x1]
        size = where[1].stop - where[1].start, where[2].stop - where[2].start
        return F.interpolate(drawn[None], size, mode="bilinear", antialias=True)[0]

    def advance(self, latents: Latents, stop: int, guidance: float) -> Latents:
        """Count the steps [latents.step, stop)."""
        forwards = (stop - latents.step) * (2 if guidance > 1 else 1)
        self.evaluations += len(latents) * forwards * self._share(latents.z)
        return Latents(latents.z, latents.denoised, stop, latents.steps, latents.extra)

    def decode(self, latents: Latents) -> Tensor:
        """The pictures [N, 3, s, s]."""
        self.vae_decodings += len(latents.denoised) * self._share(latents.denoised)
        return latents.denoised.clamp(0, 1)

    def _share(self, pictures: Tensor) -> float:
        share = pictures.shape[-1] * pictures.shape[-2] / self.size**2
        return int(share) if share == int(share) else share
