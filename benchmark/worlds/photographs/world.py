"""The world of photographs as the benchmark asks it: regions are found, and nothing is painted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from torch import Tensor

from region_core import EditSettings
from region_core.encoders.loading import Models
from region_core.picture import to_pil
from region_core.picture_file import load_picture
from region_core.settings import preset

from ..task import Box, Task
from .questions import KINDS, SIZES, Polygon, digest, read_questions

FINE = 4  # places a side of a pixel where an outline is drawn


class PhotographsWorld:
    """The photographs of a folder (see `questions`). InputError where it holds none."""

    name = "photographs"
    groups: Mapping[str, tuple[str, ...]] = {
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

    def source(self, kind: str, number: int) -> str:
        """See `task.MeasuredWorld`."""
        return self.questions[kind][number].file.name

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
    mask = Image.new("L", (width * FINE, height * FINE))
    pen = ImageDraw.Draw(mask)
    for polygon in polygons:
        corners = zip(polygon[::2], polygon[1::2], strict=True)
        pen.polygon([(x * mask.width - 0.5, y * mask.height - 0.5) for x, y in corners], fill=255)
    # Pillow fills the border too: a part of a pixel here, and less than half of it
    return np.array(mask.resize((width, height), Image.Resampling.BOX)) > 127
