"""Widgets of settings, made from what `region_core.settings` says of each."""

from __future__ import annotations

import inspect
from typing import Any

from comfy_api.latest import io

from ..region_core.settings import REMOVED, SETTINGS, Setting
from .common import MAX_SEED, advanced

_KINDS = {int: io.Int.Input, float: io.Float.Input, bool: io.Boolean.Input}


def widget(name: str, *, folded: bool = False, **more: Any) -> Any:
    """The widget of a setting; `folded` puts it among the advanced ones, `more` are further fields."""
    one = SETTINGS[name]
    fields = {"default": one.default, "tooltip": one.tooltip("en"), **_range(one), **more}
    kind: Any = _KINDS.get(one.kind, io.Combo.Input)
    own = one.widget.partition(".")[2]
    return advanced(kind, own, **fields) if folded else kind(own, **fields)


def removed(name: str) -> Any:
    """A widget that there was once: hidden and without effect, it keeps the place that it has in saved
    workflows, which know widgets by their number."""
    kind = REMOVED[name]
    more: dict[str, Any] = {
        "default": kind(),
        "optional": True,
        "tooltip": "Does nothing any more; saved workflows know widgets by their number.",
    }
    if "extra_dict" in inspect.signature(_KINDS[kind].__init__).parameters:  # newer than 0.3.64
        more["extra_dict"] = {"hidden": True}
    if kind is not bool:
        more |= {"min": kind(0), "max": kind(10_000)}
    return advanced(_KINDS[kind], name, **more)


def _range(one: Setting) -> dict[str, Any]:
    if one.choices:
        return {"options": list(one.choices)}
    if one.low is None or one.high is None:
        return {}
    step = one.step or 1
    low = one.low + step if one.above else one.low
    high = min(one.high, MAX_SEED)
    return {"min": one.kind(low), "max": one.kind(high), "step": one.kind(step)}
