"""The world of photographs as the benchmark asks it: regions are found, and nothing is painted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from torch import Tensor

from region_core import EditSettings
from region_core.encoders.loading import Models
from region_core.picture import load_picture, to_pil
from region_core.settings import preset

from ..task import Box, Task
from .questions import KINDS, SIZES, Polygon, digest, read_questions


class PhotographsWorld:
    """The photographs of a folder (see `questions`). InputError where it holds none."""

    name = "photographs"
    groups = {
        "One subject": ("subject", "further", "no-subject"),
        "Photographs of packages": ("packaged",),
        "Scenes": (*SIZES, "no-thing"),
    }

    def __init__(self, folder: Path) -> None:
        questions = read_questions(folder)
        self.digest = digest(questions)
        self.questions = {kind: some for kind in KINDS if (some := [one for one in questions if one.kind == kind])}
        self.kinds = tuple(self.questions)

    def count(self, kind: str) -> int:
        """See `task.MeasuredWorld`."""
        return len(self.questions[kind])

    def task(self, kind: str, seed: int, number: int) -> Task:
        """See `task.MeasuredWorld`; a seed changes nothing."""
        asked = self.questions[kind][number]
        image = np.asarray(to_pil(load_picture(asked.file).rgb))
        height, width = image.shape[:2]
        sides = (width, height, width, height)
        boxes = [tuple(share * side for share, side in zip(box, sides, strict=True)) for box in asked.boxes]
        return Task(
            kind,
            number,
            image,
            asked.caption,
            prompt="",
            boxes=tuple(boxes),  # type: ignore[arg-type]
            masks=tuple(filled(polygons, height, width) for polygons in asked.outlines),
            source=asked.file.name,
        )

    def painter(self, task: Task, models: Models) -> None:
        """See `task.MeasuredWorld`."""

    def settings(self, name: str) -> EditSettings:
        """See `task.MeasuredWorld`."""
        return preset(name)

    def success(self, task: Task, image: Tensor, box: Box | None) -> None:
        """See `task.MeasuredWorld`."""


def filled(polygons: tuple[Polygon, ...], height: int, width: int) -> np.ndarray:
    """Polygons in shares of a picture's sides as a mask, bool [H, W]."""
    mask = Image.new("1", (width, height))
    pen = ImageDraw.Draw(mask)
    for polygon in polygons:
        # Pillow's coordinates name pixels by their centres
        pen.polygon(
            [v * side - 0.5 for v, side in zip(polygon, [width, height] * (len(polygon) // 2), strict=True)], fill=1
        )
    return np.asarray(mask)
