"""What is said once of a setting; the parser, the nodes, the translations and the docs read it here."""

from __future__ import annotations

import json
import math
import numbers
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from importlib.resources import files
from typing import Any

_KEY = "setting"
PRESET_NAMES = ("fast", "standard", "quality", "paper")


@dataclass(frozen=True)
class Setting:
    """A setting's description.

    `low` and `high` are the range of a number, both included; with `above` it must be above `low`. `step` is what one
    click on a widget's arrow changes. `choices` are the values of a text. `en` and `zh` say what it does, in whole
    sentences. `stages` name the steps that read it: find, paint, rank, paper. `presets` has its value in those presets
    where it is not the default. `widget` is the node and the input that set it in ComfyUI, as "Node.input", or "".
    `option` says whether the command line has it. `old_names` are still read.
    """

    name: str
    default: Any
    en: str
    zh: str
    stages: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    above: bool = False
    step: float | None = None
    choices: tuple[str, ...] = ()
    presets: Mapping[str, Any] = field(default_factory=dict)
    widget: str = ""
    option: bool = True
    old_names: tuple[str, ...] = ()

    @property
    def kind(self) -> type:
        """int, float, bool or str."""
        return type(self.default)

    @property
    def only_paper(self) -> bool:
        """Whether the published method alone reads it."""
        return self.stages == ("paper",)

    def problem(self, value: Any) -> str:
        """A sentence about a value out of range, with the limit; empty where there is none."""
        if self.choices and value not in self.choices:
            return f"{self.name} is {value!r}; choose one of {', '.join(self.choices)}"
        if self.low is None or self.high is None:
            return ""
        fits = isinstance(value, numbers.Integral if self.kind is int else numbers.Real)
        if not fits or isinstance(value, bool):
            return f"{self.name} is {value!r}; it must be {'a whole number' if self.kind is int else 'a number'}"
        if isinstance(value, float) and not math.isfinite(value):
            return f"{self.name} is {value}; it must be a finite number"
        if not self.low <= value <= self.high:
            return f"{self.name} is {value}; it must be from {self.low} to {self.high}"
        if self.above and value == self.low:
            return f"{self.name} is {value}; it must be above {self.low}, and at most {self.high}"
        return ""

    def values_by_preset(self) -> str:
        """Its value in each preset, "fast 1, standard 1, quality 3"; empty where they all agree."""
        if not self.presets:
            return ""
        names = [name for name in PRESET_NAMES if name != "paper" or "paper" in self.stages]
        return ", ".join(f"{name} {self.presets.get(name, self.default)}" for name in names)


def setting(default: Any, low: float | None = None, high: float | None = None, **more: Any) -> Any:
    """A dataclass field with its description; `more` are fields of `Setting`, but for the texts."""
    return field(default=default, metadata={_KEY: {"low": low, "high": high, **more}})


def described(cls: Any, stage: str) -> dict[str, Setting]:
    """The descriptions of a dataclass's own settings, by name, in order; their texts are in `texts.json`."""
    texts = json.loads(files(__package__).joinpath("texts.json").read_text(encoding="utf-8"))
    stages = (stage,) if stage else ()
    return {
        one.name: Setting(name=one.name, default=one.default, stages=stages, **one.metadata[_KEY], **texts[one.name])
        for one in fields(cls)
        if _KEY in one.metadata
    }
