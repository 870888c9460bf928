"""What every row of the benchmark shares: the picture, the painter, and what a method hands back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from region_core.demo.scenes import Edit, Scene
from region_core.edit import EditResult, edit_image
from region_core.encoders.loading import Models
from region_core.paint.borders import Borders
from region_core.paint.canvas import Canvas
from region_core.paint.diffusers_painter import DiffusersInpainter
from region_core.paint.painter import Inpainter, Latents
from region_core.settings import SearchSettings

from .worlds.task import Box, Task, as_tensor


@dataclass(frozen=True)
class Outcome:
    """What a method made of a task: picture [3, H, W] in 0..1, and the box it found or None.

    `times`: the method as it is would do this many times the work that was done here, the rest of
    which cannot change its answer. Cost and seconds are multiplied by it.
    """

    image: Tensor
    box: Box | None
    times: float = 1.0


@dataclass(frozen=True)
class Setup:
    """What a method works with: the models, a fresh painter bound to the task's prompt, the world's
    presets, and the seed of all chance."""

    models: Models
    inpainter: Inpainter
    settings: Callable[[str], SearchSettings]
    seed: int


Method = Callable[[Task, Setup], Outcome]


def picture_of(scene: Scene) -> Tensor:
    """A scene of shapes as [1, 3, H, W] in 0..1."""
    return as_tensor(scene.image)[None]


def inpainter_of(models: Models, edit: Edit) -> DiffusersInpainter:
    """A fresh diffusion inpainter, its counter at 0, bound to the edit's prompt."""
    return DiffusersInpainter(models.pipe, edit.prompt)


def whole(box: Tensor) -> Box:
    """A box [4] as four numbers."""
    x0, y0, x1, y1 = (float(v) for v in box)
    return x0, y0, x1, y1


def edited(task: Task, models: Models, inpainter: Inpainter, **options: Any) -> EditResult:
    """The product's own edit of a task; `options` are those of `edit_image`."""
    return edit_image(
        task.picture, task.caption, task.prompt, inpainter=inpainter, dino=models.dino, scorer=models.scorer, **options
    )


def painted(task: Task, setup: Setup, box: Tensor) -> Outcome:
    """The outcome of one full edit in box [4] at the standard preset."""
    pictures = paint(task.picture, box[None].float(), setup.inpainter, setup.settings("standard"), setup.seed)
    return Outcome(pictures[0], whole(box))


def untouched(task: Task) -> Outcome:
    """The outcome "no region"."""
    return Outcome(task.picture[0], None)


def paint(
    source: Tensor,
    boxes: Tensor,
    inpainter: Inpainter,
    settings: SearchSettings,
    seed: int,
    *,
    own_noise: bool = False,
    batch: int = 16,
) -> Tensor:
    """Full edits of boxes [N, 4] of source [1, 3, H, W], grown as the settings say: [N, 3, H, W].

    All from the noise of `seed`, or with `own_noise` each from the noise of another.
    """

    def canvas(number: int) -> Canvas:
        return Canvas(source, inpainter, seed=number, borders=Borders.of(settings))

    parts = []
    for start in range(0, len(boxes), batch):
        some = boxes[start : start + batch]
        easel = canvas(seed)
        work = easel.begin(some, settings.steps)
        if own_noise:
            starts = [canvas(seed + start + i).begin(box[None], settings.steps).latents for i, box in enumerate(some)]
            work = replace(work, latents=Latents.cat(starts))
        work = easel.advance(work, settings.steps, settings.guidance_scale)
        parts.append(easel.pictures(work))
    return torch.cat(parts)
