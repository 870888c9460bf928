"""What every row of the benchmark shares: the picture, the painter, and what a method hands back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from region_core import Edits, EditSettings, Painter, Region, Regions, edit_image, find_regions, paint_regions
from region_core.cost import Cost, cost_so_far
from region_core.encoders.loading import Models
from region_core.errors import InputError
from region_core.picture import picture_from

from .worlds.task import Task


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


@dataclass
class Setup:
    """What a method works with: the models, a fresh painter bound to the task's prompt (None: nothing is painted), the
    world's presets, and the seed of all chance.

    `shared` is common to all rows of one task: what several of them find is found once, and counted for each.
    """

    models: Models
    painter: Painter | None
    settings: Callable[[str], EditSettings]
    seed: int
    shared: dict[str, tuple[Regions, Cost, float]] = field(default_factory=dict)
    cost: Cost = Cost()
    seconds: float = 0.0

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Add what is done within to `cost` and `seconds`."""
        parts = self.painter, self.models.dino, self.models.scorer
        before, started = cost_so_far(*parts), time.monotonic()
        yield
        self.cost += cost_so_far(*parts) - before
        self.seconds += time.monotonic() - started

    def regions(self, task: Task) -> Regions:
        """What the product finds at the standard preset."""
        if "regions" not in self.shared:
            own = Setup(self.models, None, self.settings, self.seed)
            with own.counted():
                found = find_regions(
                    task.picture,
                    task.caption,
                    dino=self.models.dino,
                    scorer=self.models.scorer,
                    settings=self.settings("standard").find,
                )
            self.shared["regions"] = found, own.cost, own.seconds
        else:
            _, cost, seconds = self.shared["regions"]
            self.cost, self.seconds = self.cost + cost, self.seconds + seconds
        return self.shared["regions"][0]


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
