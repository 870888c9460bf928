"""The things world as the benchmark asks it."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from region_core import EditSettings, Painter
from region_core.encoders.loading import Models
from region_core.settings import preset

from ..faultless import FaultlessPainter
from ..task import Box, Task
from .kinds import KINDS, make_case
from .world import World


class ThingsWorld:
    """Named drawings on photographs, painted without fault; nothing judges the pictures."""

    name = "things"
    kinds = tuple(KINDS)

    def __init__(self) -> None:
        self.world = World()

    @property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """See `task.MeasuredWorld`."""
        return {"": self.kinds}

    def count(self, kind: str) -> None:
        """See `task.MeasuredWorld`."""

    def source(self, kind: str, number: int) -> str:
        """See `task.MeasuredWorld`."""
        return ""

    def task(self, kind: str, seed: int, number: int) -> Task:
        """See `task.MeasuredWorld`."""
        case = make_case(self.world, kind, seed, number)

        def draw(box: tuple[int, int, int, int], noise: int) -> np.ndarray:
            return self.world.draw(np.random.default_rng([noise, number]), case.wanted, case.scene, box)

        return Task(
            kind,
            number,
            case.scene.image,
            case.caption,
            case.prompt,
            boxes=case.boxes,
            draw=draw,
            case=case,
            masks=tuple(case.scene.in_sight(index) for index in case.targets),
        )

    def painter(self, task: Task, models: Models) -> Painter:
        """See `task.MeasuredWorld`."""
        return FaultlessPainter(task)

    def settings(self, name: str) -> EditSettings:
        """See `task.MeasuredWorld`."""
        return preset(name)

    def success(self, task: Task, image: Tensor, box: Box | None) -> None:
        """See `task.MeasuredWorld`."""
