"""What every row of the benchmark shares: the picture, the painter, and what a method hands back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import Tensor

from region_core import (
    Edits,
    EditSettings,
    Painter,
    Region,
    Regions,
    edit_image,
    encode_picture,
    find_regions,
    paint_regions,
)
from region_core.cost import Cost, cost_so_far
from region_core.encoders.loading import Models
from region_core.errors import InputError
from region_core.picture import picture_from

from .worlds.task import Task

T = TypeVar("T")


@dataclass(frozen=True)
class Outcome:
    """What a method made of a task: picture [3, H, W] in 0..1, the region it found or None, and the map [1, 1, h, w]
    in 0..1 that it went by, where it has one.

    `times`: the method as it is would do this many times the work that was done here, the rest of which cannot change
    its answer. Cost and seconds are multiplied by it.
    """

    image: Tensor
    region: Region | None
    relevance: Tensor | None = None
    times: float = 1.0


Kept = dict[str, tuple[Any, Cost, float]]  # what was made, what it cost, its seconds


@dataclass
class Setup:
    """What a method works with: the models, a fresh painter bound to the task's prompt (None: nothing is painted), the
    world's presets, and the seed of all chance.

    `shared` is common to all rows of one task, `encodings` to those of one photograph: what several of them need is
    made once, and counted for each (`saved`).
    """

    models: Models
    painter: Painter | None
    settings: Callable[[str], EditSettings]
    seed: int
    shared: Kept = field(default_factory=dict)
    encodings: Kept = field(default_factory=dict)
    cost: Cost = Cost()
    seconds: float = 0.0
    saved: tuple[Cost, float] = (Cost(), 0.0)

    @contextmanager
    def counted(self) -> Iterator[None]:
        """`cost` and `seconds` become those of what is done within."""
        parts = self.painter, self.models.dino, self.models.scorer
        before, started = cost_so_far(*parts), time.monotonic()
        yield
        self.cost = cost_so_far(*parts) - before + self.saved[0]
        self.seconds = time.monotonic() - started + self.saved[1]

    def once(self, kept: Kept, key: str, make: Callable[[Setup], T]) -> T:
        """What `make` gives, made the first time and counted each time."""
        if key in kept:
            value, cost, seconds = kept[key]
        else:
            own = Setup(self.models, None, self.settings, self.seed, self.shared, self.encodings)
            with own.counted():
                value = make(own)
            kept[key] = value, own.cost, own.seconds
            cost, seconds = own.saved  # the rest is counted where it is done
        self.saved = self.saved[0] + cost, self.saved[1] + seconds
        return value

    def regions(self, task: Task) -> Regions:
        """What the product finds at the standard preset."""
        return self.once(self.shared, "regions", lambda own: own._found(task))

    def _found(self, task: Task) -> Regions:
        models, settings = self.models, self.settings("standard").find
        if not task.source:
            return find_regions(task.picture, task.caption, dino=models.dino, scorer=models.scorer, settings=settings)
        if task.source not in self.encodings:
            self.encodings.clear()  # photographs come one after the other
        encoded = self.once(
            self.encodings,
            task.source,
            lambda own: encode_picture(task.picture, dino=models.dino, scorer=models.scorer),
        )
        return find_regions(encoded, task.caption, scorer=models.scorer, settings=settings)


Method = Callable[[Task, Setup], Outcome]


def edited(task: Task, models: Models, painter: Painter | None, **options: Any) -> Edits:
    """The product's own edit of a task; `options` are those of `edit_image`. InputError where nothing paints."""
    if painter is None:
        raise InputError(
            "this world has no painter, so a preset has nothing to edit with; choose found, or another row."
        )
    return edit_image(
        task.picture, task.caption, task.prompt, painter=painter, dino=models.dino, scorer=models.scorer, **options
    )


def region_of(task: Task, box: Sequence[float] | Tensor) -> Region:
    """A box (x0, y0, x1, y1) of a task's picture as a region."""
    return Region.from_box([float(v) for v in box], *task.size)


def painted(task: Task, setup: Setup, region: Region, relevance: Tensor | None = None) -> Outcome:
    """The outcome of one full edit in a region at the standard preset; where nothing paints, the region alone."""
    if setup.painter is None:
        return Outcome(task.picture[0], region, relevance)
    return Outcome(paint(task, [region], setup)[0], region, relevance)


def untouched(task: Task, relevance: Tensor | None = None) -> Outcome:
    """The outcome "no region"."""
    return Outcome(task.picture[0], None, relevance)


def paint(task: Task, regions: Sequence[Region], setup: Setup, seeds: Sequence[int] = ()) -> Tensor:
    """Full edits of regions at the standard preset, [N, 3, H, W]: all from the noise of the setup's seed, or each from
    that of its own of `seeds`."""
    if setup.painter is None:
        raise InputError("this world has no painter; leave out the rows that paint, or choose another world.")
    picture, settings = picture_from(task.picture), setup.settings("standard").paint
    jobs = [([one], seed) for one, seed in zip(regions, seeds, strict=True)] if seeds else [(regions, setup.seed)]
    return torch.cat(
        [
            edit.stitched()[0]
            for some, seed in jobs
            for edit in paint_regions(picture, some, setup.painter, seed=seed, settings=settings)
        ]
    )
