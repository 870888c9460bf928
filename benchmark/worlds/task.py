"""What the benchmark asks: a wish on a picture, with the truth known; the same for every world."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from region_core import EditSettings, Painter
from region_core.encoders.loading import Models

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Task:
    """A wish on a picture (uint8 [H, W, 3]).

    `boxes`: what the caption names, in pixels; a region that meets any of them is right. None of them where nothing in
    the picture is meant: then `free` says whether something is to be added (any free place is right) or the caption
    names what is not there (the right answer is "no region"). `masks`: the outlines of what `boxes` hold, bool [H, W],
    as many, where they are known. `draw(box, seed)`: what a faultless painter makes of the wish in a box, uint8
    [H, W, 3]; None where nothing is painted. `source`: the file it comes from, "" of a made-up picture. `case`: the
    world's own.
    """

    kind: str
    number: int
    image: np.ndarray
    caption: str
    prompt: str
    boxes: tuple[Box, ...]
    free: bool = False
    draw: Callable[[tuple[int, int, int, int], int], np.ndarray] | None = None
    case: Any = None
    masks: tuple[np.ndarray, ...] = ()
    source: str = ""

    @property
    def picture(self) -> Tensor:
        """The picture as [1, 3, H, W] in 0..1."""
        return as_tensor(self.image)[None]

    @property
    def absent(self) -> bool:
        """Whether the right answer is "no region"."""
        return not self.boxes and not self.free

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.image.shape[0], self.image.shape[1]


class MeasuredWorld(Protocol):
    """A world as the benchmark sees it."""

    name: str
    kinds: tuple[str, ...]

    @property
    def groups(self) -> Mapping[str, tuple[str, ...]]:
        """Kinds that are told together, by a title."""

    def count(self, kind: str) -> int | None:
        """How many tasks of a kind there are; None where they are without end."""

    def source(self, kind: str, number: int) -> str:
        """The file that a task is of, "" of a made-up picture."""

    def task(self, kind: str, seed: int, number: int) -> Task:
        """Task `number` of a kind and a seed: the same whoever asks."""

    def painter(self, task: Task, models: Models) -> Painter | None:
        """A fresh painter, its counters at 0, bound to the task's prompt; None where nothing is painted."""

    def settings(self, preset: str) -> EditSettings:
        """A preset as it suits this world's painter."""

    def success(self, task: Task, image: Tensor, box: Box | None) -> bool | None:
        """Whether a judge finds in image [3, H, W] what was asked for; None where there is no judge."""


def as_tensor(image: np.ndarray) -> Tensor:
    """uint8 [H, W, 3] as [3, H, W] in 0..1."""
    return torch.from_numpy(image.copy()).permute(2, 0, 1).float() / 255
