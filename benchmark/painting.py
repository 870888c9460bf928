"""What every row of the benchmark shares: the picture, the painter, and what a method hands back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from region_core.demo.scenes import Edit, Scene
from region_core.encoders.loading import Models
from region_core.painting.canvas import Canvas
from region_core.painting.diffusers_inpainter import DiffusersInpainter
from region_core.painting.inpaint import Latents
from region_core.settings import SearchSettings

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Outcome:
    """What a method made of a scene: picture [3, H, W] in 0..1, the box it found or None, its price.

    `times`: the method as it is would do this many times the work that was done here, the rest of
    which cannot change its answer. Evaluations and seconds are multiplied by it.
    """

    image: Tensor
    box: Box | None
    unet_evaluations: float
    times: float = 1.0


Method = Callable[[Scene, Edit, Models, int], Outcome]


def picture_of(scene: Scene) -> Tensor:
    """The scene's picture as [1, 3, H, W] in 0..1."""
    return torch.from_numpy(scene.image.copy()).permute(2, 0, 1)[None].float() / 255


def inpainter_of(models: Models, edit: Edit) -> DiffusersInpainter:
    """A fresh inpainter, its counter at 0, bound to the edit's prompt."""
    return DiffusersInpainter(models.pipe, edit.prompt)


def whole(box: Tensor) -> Box:
    """A box [4] as four numbers."""
    x0, y0, x1, y1 = (float(v) for v in box)
    return x0, y0, x1, y1


def paint(source: Tensor, boxes: Tensor, inpainter: DiffusersInpainter, settings: SearchSettings,
          seed: int, *, own_noise: bool = False, batch: int = 16) -> Tensor:
    """Full edits of boxes [N, 4] of source [1, 3, H, W], grown as the settings say: [N, 3, H, W].

    All from the noise of `seed`, or with `own_noise` each from the noise of another.
    """
    def canvas(number: int) -> Canvas:
        return Canvas(source, inpainter, seed=number, grow=settings.grow, feather=settings.feather)

    parts = []
    for start in range(0, len(boxes), batch):
        some = boxes[start:start + batch]
        easel = canvas(seed)
        work = easel.begin(some, settings.steps)
        if own_noise:
            starts = [canvas(seed + start + i).begin(box[None], settings.steps).latents
                      for i, box in enumerate(some)]
            work = replace(work, latents=Latents.cat(starts))
        work = easel.advance(work, settings.steps, settings.guidance_scale)
        parts.append(easel.pictures(work))
    return torch.cat(parts)
