"""Widgets of settings, made from what `region_core.settings` says of each."""

from __future__ import annotations

from typing import Any

import comfy.samplers
from comfy_api.latest import io

from ..region_core.settings import SETTINGS, Setting

_KINDS = {int: io.Int.Input, float: io.Float.Input, bool: io.Boolean.Input}


def widget(name: str, **more: Any) -> Any:
    """The widget of a setting, by its published name; `more` are further fields."""
    one = SETTINGS[name]
    fields = {"default": one.default, "tooltip": one.en, "optional": True, **_range(one), **more}
    kind: Any = _KINDS.get(one.kind, io.Combo.Input)
    return kind(one.widget.partition(".")[2] or name, **fields)


def sampling_widgets() -> list[Any]:
    """Seed, steps and what else a sampler wants to know, as core's KSampler names them."""
    return [
        widget("seed", control_after_generate=io.ControlAfterGenerate.randomize),
        widget("steps"),
        widget("guidance_scale"),
        io.Combo.Input("sampler_name", options=comfy.samplers.KSampler.SAMPLERS, default="ddim"),
        io.Combo.Input("scheduler", options=comfy.samplers.KSampler.SCHEDULERS, default="ddim_uniform"),
        widget("strength"),
    ]


def _range(one: Setting) -> dict[str, Any]:
    if one.choices:
        return {"options": list(one.choices)}
    if one.low is None or one.high is None:
        return {}
    step = one.step or 1
    low = one.low + step if one.above else one.low
    return {"min": one.kind(low), "max": one.kind(one.high), "step": one.kind(step)}
