"""The things world as the benchmark asks it."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from region_core.encoders.loading import Models
from region_core.paint.painter import Inpainter
from region_core.settings import SearchSettings, preset

from ..faultless import FaultlessInpainter
from ..task import Box, Task
from .kinds import KINDS, make_case
from .world import World


class ThingsWorld:
    """Named drawings on photographs, painted without fault; nothing judges the pictures."""

    name = "things"
    kinds = tuple(KINDS)

    def __init__(self) -> None:
        self.world = World()

    def task(self, kind: str, seed: int, number: int) -> Task:
        """See `task.MeasuredWorld`."""
        case = make_case(self.world, kind, seed, number)

        def draw(box: tuple[int, int, int, int], noise: int) -> np.ndarray:
            return self.world.draw(np.random.default_rng([noise, number]), case.wanted, case.scene, box)

        return Task(kind, number, case.scene.image, case.caption, case.prompt, case.boxes, False, draw, case)

    def painter(self, task: Task, models: Models) -> Inpainter:
        """See `task.MeasuredWorld`."""
        return FaultlessInpainter(task)

    def settings(self, name: str) -> SearchSettings:
        """See `task.MeasuredWorld`."""
        return preset(name)

    def success(self, task: Task, image: Tensor, box: Box | None) -> None:
        """See `task.MeasuredWorld`."""
