"""The settings of a search, each in one place, and the presets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from ..errors import InputError
from .setting import PRESET_NAMES, Setting, described, setting

LEARNING = ("exact", "gumbel", "off")
PREVIEWS = ("auto", "always", "never")
METHODS = ("evidence", "published")

_GENERATOR, _LOSS, _EDIT = "RegionGenerator", "ClipRegionLoss", "RegionInpaintOptimize"
_SEARCH: dict[str, Any] = {"only_custom": True, "not_in": ("paper",)}  # of the search by evidence


@dataclass(frozen=True)
class SearchSettings:
    """How one picture is searched and edited. `validate` says what is out of range.

    A new setting is a field here and its texts in `texts.json`; to take one away, take both away.
    """

    point_number: int = setting(9, 1, 256, presets={"fast": 5, "quality": 12}, widget=f"{_GENERATOR}.point_number")
    max_window_size: int = setting(15, 1, 128, presets={"quality": 20}, widget=f"{_GENERATOR}.max_window_size")
    per_image_iteration: int = setting(
        10, 1, 1000, presets={"fast": 5, "quality": 20}, widget=f"{_EDIT}.per_image_iteration", only_custom=True
    )
    lr: float = setting(5e-3, 0, 10, above=True, step=1e-4, widget=f"{_EDIT}.lr", only_custom=True)
    loss_alpha: float = setting(1.0, 0, 1000, step=0.05, widget=f"{_LOSS}.loss_alpha")
    loss_beta: float = setting(1.0, 0, 1000, step=0.05, widget=f"{_LOSS}.loss_beta")
    loss_gamma: float = setting(1.0, 0, 1000, step=0.05, widget=f"{_LOSS}.loss_gamma")
    loss_crop: float = setting(1.0, 0, 1000, step=0.05, presets={"paper": 0.0}, widget=f"{_LOSS}.loss_crop")
    test_alpha: float = setting(2.0, 0, 1000, step=0.05, widget=f"{_EDIT}.test_alpha", only_custom=True)
    test_beta: float = setting(1.0, 0, 1000, step=0.05, widget=f"{_EDIT}.test_beta", only_custom=True)
    views: int = setting(2, 1, 64, widget=f"{_LOSS}.views")
    steps: int = setting(20, 1, 1000, widget=f"{_EDIT}.steps")
    guidance_scale: float = setting(7.5, 0, 100, step=0.1, widget=f"{_EDIT}.cfg")
    strength: float = setting(1.0, 0, 1, above=True, step=0.01, widget=f"{_EDIT}.denoise")
    previews: str = setting("auto", choices=PREVIEWS, widget=f"{_EDIT}.previews", **_SEARCH)
    preview_steps: int = setting(
        4, 1, 1000, presets={"fast": 3}, widget=f"{_EDIT}.look_steps", old_names=("look_steps",), **_SEARCH
    )
    preview_guidance: float = setting(
        1.0, 0, 100, step=0.1, widget=f"{_EDIT}.look_guidance", old_names=("look_guidance",), **_SEARCH
    )
    num_regions: int = setting(
        2, 1, 64, presets={"fast": 1, "quality": 3}, widget=f"{_EDIT}.finalists", old_names=("finalists",), **_SEARCH
    )
    noise_samples: int = setting(
        1, 1, 64, presets={"quality": 2}, widget=f"{_EDIT}.drafts", old_names=("drafts",), **_SEARCH
    )
    anchor_distance: float = setting(2.0, 0, 128, step=0.5)
    learning: str = setting(
        "exact", choices=LEARNING, presets={"paper": "gumbel"}, widget=f"{_EDIT}.learning", only_custom=True
    )
    generator_steps: int = setting(8, 0, 10_000, widget=f"{_EDIT}.generator_steps", only_custom=True)
    grow_percent: float = setting(10.0, 0, 100, step=1, widget=f"{_EDIT}.mask_grow_percent")
    feather_percent: float = setting(15.0, 0, 100, step=1, widget=f"{_EDIT}.mask_feather_percent")
    grow: int = setting(0, 0, 4096, widget=f"{_EDIT}.mask_grow")
    feather: int = setting(0, 0, 4096, widget=f"{_EDIT}.mask_feather")
    method: str = setting("evidence", choices=METHODS, presets={"paper": "published"}, option=False)
    seed: int = setting(42, 0, 2**63 - 1, widget=f"{_EDIT}.seed")

    @property
    def max_previews(self) -> int:
        """How many edits are made to teach the region generator, at most."""
        if self.method == "published":
            return self.per_image_iteration * self.point_number
        if self.previews == "never" or self.learning == "off":
            return 0
        return self.per_image_iteration

    def validate(self) -> None:
        """Raise InputError naming the first setting out of range, its value and its limit."""
        for problem in self.problems():
            raise InputError(problem)

    def problems(self) -> Iterator[str]:
        """A sentence for each setting out of range, with its value and its limit, and for those that contradict
        each other."""
        for name, one in SETTINGS.items():
            if problem := one.problem(getattr(self, name)):
                yield problem
        if self.previews == "always" and self.learning == "off" and self.method == "evidence":
            yield (
                "previews is always and learning is off, and previews are there to learn from; set "
                "previews to never, or learning to exact"
            )
        if self.max_previews and not (self.loss_alpha or self.loss_beta or self.loss_gamma):
            way = ", or previews to never" if self.method == "evidence" else ""
            yield (
                "loss_alpha, loss_beta and loss_gamma are all 0, and by them edits are judged that teach the region "
                f"generator; set one of them above 0{way}"
            )

    def with_values(self, **values: object) -> SearchSettings:
        """A copy with some settings changed, old names included; None leaves a setting as it is, and what
        was removed is left out."""
        changed = {
            current_name(name): value for name, value in values.items() if value is not None and name not in REMOVED
        }
        for name in changed:
            if name not in SETTINGS:
                raise InputError(f"unknown setting {name!r}; known are {', '.join(sorted(SETTINGS))}")
        return replace(self, **changed)  # type: ignore[arg-type]


# What there was once. Saved settings and command lines may still have it; it does nothing.
REMOVED: dict[str, type] = {
    "loss_area": float,
    "test_gamma": float,
    "screen": bool,
    "refine": bool,
    "fit": bool,
    "looks_per_round": int,
    "previews_per_round": int,
}

SETTINGS: dict[str, Setting] = described(SearchSettings)

# Rounds, windows and anchors as people know them. More than one region is for the person to choose from,
# and so are noise samples: neither makes the first choice better.
PRESETS: dict[str, SearchSettings] = {
    name: SearchSettings(**{one.name: one.presets[name] for one in SETTINGS.values() if name in one.presets})
    for name in PRESET_NAMES
}

_OLD_NAMES = {old: one.name for one in SETTINGS.values() for old in one.old_names}


def current_name(name: str) -> str:
    """A setting's name today, where `name` is an old one; else `name` itself."""
    return _OLD_NAMES.get(name, name)


def preset(name: str) -> SearchSettings:
    """The preset of a name; raises InputError where there is none."""
    if name not in PRESETS:
        raise InputError(f"preset {name!r} is not known; choose one of {', '.join(PRESETS)}")
    return PRESETS[name]
