"""The settings of a search, under the names users of the method know, and its presets."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

from .errors import InputError

LEARNING = ("exact", "gumbel", "off")


@dataclass(frozen=True)
class SearchSettings:
    """How one picture is searched and edited. `validate` says what is out of range.

    Paper's parameters: `point_number` anchor points, `max_window_size` largest half side in grid
    cells, `per_image_iteration` rounds, `lr` of the region generator, `loss_alpha/beta/gamma`
    weights of the clip, directional and structure loss, `test_alpha/beta` weights of text and
    image similarity in the final score; ours adds `test_gamma`, of the screen's evidence.
    Sampling: `steps`, `guidance_scale`, `strength` of the full edit; `look_steps`,
    `look_guidance` of a cheap look. Looks are made where they choose the box (`screen` off) or teach
    the generator (`learning` not off). `finalists` boxes are painted from `drafts` noises each to half
    way, and the best draft of each to the end. `anchor_distance` is the least
    distance between anchors in grid cells. `screen`, `refine` (CLIP moves the best boxes' edges)
    and `fit` (DINO fits them to the things in them) can be left out.
    """

    point_number: int = 9
    max_window_size: int = 15
    per_image_iteration: int = 10
    lr: float = 5e-3
    loss_alpha: float = 1.0
    loss_beta: float = 1.0
    loss_gamma: float = 1.0
    loss_area: float = 0.3
    loss_crop: float = 1.0
    test_alpha: float = 2.0
    test_beta: float = 1.0
    test_gamma: float = 40.0
    views: int = 2
    steps: int = 20
    guidance_scale: float = 7.5
    strength: float = 1.0
    look_steps: int = 4
    look_guidance: float = 1.0
    looks_per_round: int = 1
    finalists: int = 2
    drafts: int = 1
    screen: bool = True
    refine: bool = True
    fit: bool = True
    anchor_distance: float = 2.0
    learning: str = "off"
    generator_steps: int = 8
    grow: int = 0
    feather: int = 0
    seed: int = 42

    @property
    def looks(self) -> int:
        """How many looks are made, at most: none where CLIP's screen chooses and nothing is learned."""
        if self.screen and self.learning == "off":
            return 0
        return self.per_image_iteration * self.looks_per_round

    def validate(self) -> None:
        """Raise InputError naming the first setting out of range, its value and its limit."""
        for problem in self.problems():
            raise InputError(problem)

    def problems(self) -> Iterator[str]:
        """A sentence for each setting out of range: its value and its limit."""
        wrong = set()
        for name, low, high in _RANGES:
            value = getattr(self, name)
            if isinstance(value, float) and not math.isfinite(value):
                yield f"{name} is {value}; it must be a finite number"
            elif not low <= value <= high:
                yield f"{name} is {value}; it must be from {low} to {high}"
            else:
                continue
            wrong.add(name)
        if self.learning not in LEARNING:
            yield f"learning is {self.learning!r}; choose one of {', '.join(LEARNING)}"
        if self.lr == 0:
            yield f"lr is {self.lr}; it must be above 0 (5e-3 is usual)"
        if self.strength == 0:
            yield f"strength is {self.strength}; it must be above 0 (1 repaints fully)"
        if self.looks and self.look_steps > self.steps and not wrong & {"look_steps", "steps"}:
            yield (f"look_steps is {self.look_steps} and steps is {self.steps}; a look must not take "
                   "more steps than the edit")

    def with_values(self, **values: object) -> SearchSettings:
        """A copy with some settings changed; None leaves a setting as it is."""
        known = {f.name for f in fields(self)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise InputError(f"unknown setting {unknown[0]!r}; known are {', '.join(sorted(known))}")
        return replace(self, **{k: v for k, v in values.items() if v is not None})  # type: ignore[arg-type]


_RANGES: tuple[tuple[str, float, float], ...] = (
    ("point_number", 1, 256), ("anchor_distance", 0, 128), ("max_window_size", 1, 128),
    ("per_image_iteration", 1, 1000),
    ("lr", 0, 10), ("loss_alpha", 0, 1000), ("loss_beta", 0, 1000), ("loss_gamma", 0, 1000),
    ("loss_area", 0, 1000), ("loss_crop", 0, 1000), ("test_alpha", 0, 1000),
    ("test_beta", 0, 1000), ("test_gamma", 0, 1000),
    ("views", 1, 64), ("steps", 1, 1000), ("guidance_scale", 0, 100),
    ("strength", 0, 1), ("look_steps", 1, 1000), ("look_guidance", 0, 100),
    ("looks_per_round", 1, 256), ("finalists", 1, 64), ("drafts", 1, 64), ("generator_steps", 0, 10_000),
    ("grow", 0, 4096), ("feather", 0, 4096), ("seed", 0, 2**63 - 1),
)

# rounds, windows and anchors as people know them. More than one finalist is for the person to choose
# from, and so are drafts: on shapes neither makes the first choice better (README)
PRESETS: dict[str, SearchSettings] = {
    "fast": SearchSettings(point_number=5, max_window_size=10, per_image_iteration=5,
                           look_steps=3, finalists=1),
    "standard": SearchSettings(),
    "quality": SearchSettings(point_number=12, max_window_size=20, per_image_iteration=20,
                              finalists=3, drafts=2),
}


def preset(name: str) -> SearchSettings:
    """The preset of a name; raises InputError where there is none."""
    if name not in PRESETS:
        raise InputError(f"preset {name!r} is not known; choose one of {', '.join(PRESETS)}")
    return PRESETS[name]
