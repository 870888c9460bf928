"""A dozen photographs that well-known packages ship, and what is where in them.

Nothing of them is in this pack: they are read where the packages are installed. Captions and boxes
(x0, y0, x1, y1, pixels, half open) in `photographs.json` were made for `python -m region_core verify`, by eye.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Question:
    """What a caption names in a photograph, and what to paint in its place; `box` None: it is not there."""

    caption: str
    prompt: str
    box: Box | None


@dataclass(frozen=True)
class Photograph:
    """A file of an importable package, by its path in the package's folder."""

    package: str
    path: str
    questions: tuple[Question, ...]

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return Path(self.path).stem

    def file(self) -> Path | None:
        """Where it is; None where the package is not installed or does not hold it."""
        spec = importlib.util.find_spec(self.package)  # the package itself is not imported
        if spec is None or not spec.submodule_search_locations:
            return None
        found = Path(spec.submodule_search_locations[0]) / self.path
        return found if found.is_file() else None


# what pip installs a package by
INSTALLED_AS = {"skimage": "scikit-image", "sklearn": "scikit-learn", "matplotlib": "matplotlib", "gradio": "gradio"}


def _read() -> Iterator[Photograph]:
    for one in json.loads(files(__package__).joinpath("photographs.json").read_text(encoding="utf-8")):
        questions = (Question(caption, prompt, box and tuple(box)) for caption, prompt, box in one["questions"])
        yield Photograph(one["package"], one["path"], tuple(questions))


PHOTOGRAPHS = tuple(_read())
