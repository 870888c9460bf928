"""A dozen photographs that well-known packages ship, and what is where in them.

Nothing of them is in this pack: they are read where the packages are installed. Captions and boxes
(x0, y0, x1, y1, pixels, half open) were made for `python -m region_core verify`, by eye.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
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

PHOTOGRAPHS: tuple[Photograph, ...] = (
    Photograph(
        "skimage",
        "data/coffee.png",
        (
            Question("a cup of coffee", "a glass of orange juice", (172, 17, 409, 308)),
            Question("a spoon", "a fork", (325, 66, 426, 327)),
            Question("a dog", "a cat", None),
        ),
    ),
    Photograph(
        "skimage",
        "data/chelsea.png",
        (Question("a cat", "a dog", (0, 0, 400, 300)), Question("a cat's nose", "a red ball", (236, 226, 293, 268))),
    ),
    Photograph(
        "skimage",
        "data/astronaut.png",
        (
            Question("a space shuttle", "a lighthouse", (355, 0, 473, 290)),
            Question("a helmet", "a football", (276, 344, 512, 512)),
            Question("an American flag", "a curtain", (0, 0, 97, 512)),
            Question("a woman's head", "a robot's head", (153, 14, 301, 190)),
        ),
    ),
    Photograph(
        "skimage",
        "data/rocket.jpg",
        (Question("a rocket", "a lighthouse", (308, 126, 337, 408)), Question("a horse", "a zebra", None)),
    ),
    Photograph(
        "skimage",
        "data/motorcycle_left.png",
        (
            Question("a motorcycle", "a scooter", (92, 38, 684, 453)),
            Question("a wooden bench", "a sofa", (40, 103, 283, 310)),
            Question("a red plastic box", "a blue plastic box", (548, 180, 618, 250)),
        ),
    ),
    Photograph(
        "skimage",
        "data/camera.png",
        (
            Question("a man in a coat", "a bear", (0, 64, 332, 512)),
            Question("a tripod", "a lamp post", (228, 195, 408, 512)),
        ),
    ),
    Photograph("sklearn", "datasets/images/china.jpg", (Question("a pagoda", "a castle", (62, 28, 366, 404)),)),
    Photograph(
        "sklearn",
        "datasets/images/flower.jpg",
        (Question("a flower in full", "a sunflower", (168, 84, 445, 360)), Question("a bus", "a truck", None)),
    ),
    Photograph(
        "matplotlib",
        "mpl-data/sample_data/grace_hopper.jpg",
        (
            Question("a navy hat", "a straw hat", (155, 21, 377, 156)),
            Question("a pair of glasses", "a pair of sunglasses", (176, 168, 353, 232)),
        ),
    ),
    Photograph(
        "gradio", "media_assets/images/tower.jpg", (Question("the Eiffel tower", "a skyscraper", (33, 70, 376, 600)),)
    ),
    Photograph(
        "gradio", "media_assets/images/cheetah.jpg", (Question("a cheetah", "a greyhound", (84, 116, 379, 236)),)
    ),
    Photograph("gradio", "media_assets/images/lion.jpg", (Question("a male lion", "a tiger", (3, 3, 186, 254)),)),
)
