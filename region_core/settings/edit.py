"""All settings of an edit: each step's own, and the flat names that people know for them."""

from __future__ import annotations

import numbers
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from typing import Any

from ..errors import InputError
from .setting import PRESET_NAMES, Setting, described, setting
from .steps import FindSettings, PaintSettings, PaperSettings, RankSettings

METHODS = ("evidence", "paper")
_STEPS = {"find": FindSettings, "paint": PaintSettings, "rank": RankSettings, "paper": PaperSettings}
MAX_SEED = 2**64 - 1


@dataclass(frozen=True)
class EditSettings:
    """How one picture is edited. `method` is "evidence" (find, paint, rank) or "paper" (the published method, which
    reads `paper` in the place of `find`). `problems` says what is out of range."""

    find: FindSettings = field(default_factory=FindSettings)
    paint: PaintSettings = field(default_factory=PaintSettings)
    rank: RankSettings = field(default_factory=RankSettings)
    paper: PaperSettings = field(default_factory=PaperSettings)
    method: str = setting("evidence", choices=METHODS, presets={"paper": "paper"}, option=False)
    seed: int = setting(42, 0, MAX_SEED, widget="RegionInpaintOptimize.seed")

    def flat(self) -> dict[str, Any]:
        """All settings by their flat names."""
        steps = {
            one.name: getattr(getattr(self, step), one.name) for step, kind in _STEPS.items() for one in fields(kind)
        }
        return {**steps, "method": self.method, "seed": self.seed}

    def with_values(self, **values: object) -> EditSettings:
        """A copy with some settings changed, by flat names, old ones too; None leaves a setting as it is, and what
        was removed is left out. Raises InputError for a name that is none."""
        changed = {
            current_name(name): value for name, value in values.items() if value is not None and name not in REMOVED
        }
        for name in changed:
            if name not in SETTINGS:
                raise InputError(f"unknown setting {name!r}; known are {', '.join(sorted(SETTINGS))}")
        for name, value in changed.items():
            if isinstance(value, numbers.Number) and not SETTINGS[name].problem(value):
                changed[name] = SETTINGS[name].kind(value)  # of numpy's numbers torch takes no seed
        own: dict[str, Any] = {name: changed[name] for name in ("method", "seed") if name in changed}
        for step, kind in _STEPS.items():
            mine = {one.name: changed[one.name] for one in fields(kind) if one.name in changed}
            own[step] = replace(getattr(self, step), **mine)
        return replace(self, **own)

    def validate(self) -> None:
        """Raise InputError naming the first setting out of range, its value and its limit."""
        for problem in self.problems():
            raise InputError(problem)

    def problems(self) -> Iterator[str]:
        """A sentence for each setting out of range, and for those that contradict each other."""
        for name, value in self.flat().items():
            if problem := SETTINGS[name].problem(value):
                yield problem
        if self.method != "paper":
            return
        if not (self.rank.test_alpha or self.rank.test_beta):
            yield "test_alpha and test_beta are both 0, and the edits are ranked by them; set one of them above 0"
        if self.paper.losses_are_off and self.paper.learns:
            yield (
                "loss_alpha, loss_beta and loss_gamma are all 0, and the region generator learns by them; set one of "
                "them above 0, or learning to off"
            )


# What there was once. Saved settings and command lines may still have it; it does nothing.
REMOVED: dict[str, type] = {
    "loss_area": float,
    "loss_crop": float,
    "test_gamma": float,
    "screen": bool,
    "refine": bool,
    "fit": bool,
    "looks_per_round": int,
    "previews_per_round": int,
    "previews": str,
    "preview_steps": int,
    "preview_guidance": float,
    "look_steps": int,
    "look_guidance": float,
    "noise_samples": int,
    "drafts": int,
}

SETTINGS: dict[str, Setting] = {}
for _stage, _kind in (*_STEPS.items(), ("", EditSettings)):
    for _name, _one in described(_kind, _stage).items():
        _earlier = SETTINGS.get(_name)  # some are read by two steps
        SETTINGS[_name] = replace(_earlier, stages=(*_earlier.stages, _stage)) if _earlier else _one

_OLD_NAMES = {old: one.name for one in SETTINGS.values() for old in one.old_names}


def current_name(name: str) -> str:
    """A setting's name today, where `name` is an old one; else `name` itself."""
    return _OLD_NAMES.get(name, name)


# Three prices of one thing, by the steps and by how many regions are painted to choose from; and the published method.
PRESETS: dict[str, EditSettings] = {
    name: EditSettings().with_values(**{key: one.presets[name] for key, one in SETTINGS.items() if name in one.presets})
    for name in PRESET_NAMES
}


def preset(name: str) -> EditSettings:
    """The preset of a name; raises InputError where there is none."""
    if name not in PRESETS:
        raise InputError(f"preset {name!r} is not known; choose one of {', '.join(PRESETS)}")
    return PRESETS[name]
