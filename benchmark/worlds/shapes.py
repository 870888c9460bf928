"""The demo's world of coloured shapes, as the benchmark asks it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from region_core import EditSettings, Painter
from region_core.demo.models import shapes_settings
from region_core.demo.scenes import BACKGROUND, COLORS, KINDS, SIZE, Edit, Scene, draw_shape
from region_core.demo.worlds import held_out
from region_core.encoders.loading import Models
from region_core.paint.diffusers_painter import DiffusersPainter

from ..judge import Judge, load_judge, succeeded
from .faultless import FaultlessPainter
from .task import Box, Task


def drawn(scene: Scene, edit: Edit, box: tuple[int, int, int, int]) -> np.ndarray:
    """What a faultless painter makes of a box: what was there is gone, what is asked for fills it."""
    x0, y0, x1, y1 = box
    picture = scene.image.astype(np.float32)
    picture[y0:y1, x0:x1] = scene.background[y0:y1, x0:x1]
    if edit.prompt != BACKGROUND:
        color, shape = edit.prompt.split()[1:]
        cover = draw_shape(SIZE, shape, box)[..., None]
        picture = picture * (1 - cover) + np.array(COLORS[color], dtype=np.float32) * cover
    return picture.round().astype(np.uint8)


@dataclass
class ShapesWorld:
    """Shapes, painted by the embedded diffusion model or, `faultless`, without diffusion."""

    faultless: bool = False
    name: str = "shapes"
    kinds: tuple[str, ...] = KINDS
    _judge: list[Judge] = field(default_factory=list)

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
        scene, edit = held_out(seed, number, kind)
        meant = [] if edit.target is None else [scene.objects[edit.target]]
        return Task(
            kind,
            number,
            scene.image,
            edit.caption,
            edit.prompt,
            boxes=tuple(one.box for one in meant),
            free=kind == "add",
            draw=lambda box, _seed: drawn(scene, edit, box),
            case=(scene, edit),
            masks=tuple(draw_shape(SIZE, one.shape, one.box) > 0.5 for one in meant),
        )

    def painter(self, task: Task, models: Models) -> Painter:
        """See `task.MeasuredWorld`."""
        return FaultlessPainter(task) if self.faultless else DiffusersPainter(models.pipe, task.prompt)

    def settings(self, preset: str) -> EditSettings:
        """See `task.MeasuredWorld`."""
        settings = shapes_settings(preset)
        return settings.with_values(grow_percent=0.0, feather_percent=0.0) if self.faultless else settings

    def success(self, task: Task, image: Tensor, box: Box | None) -> bool:
        """See `task.MeasuredWorld`: the small judge reads colours and shapes."""
        if not self._judge:
            self._judge.append(load_judge())
        scene, edit = task.case
        return succeeded(image, box, scene, edit, self._judge[0])
