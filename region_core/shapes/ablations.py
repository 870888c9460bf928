"""One switch each: the standard search without one of its parts."""

from __future__ import annotations

from dataclasses import fields

from ..settings import SearchSettings

# name of the part -> what is changed to take it out
SWITCHES: dict[str, dict[str, object]] = {
    "screen": {"screen": False},
    "learning": {"learning": "off"},
    "common_noise": {"common_noise": False},
    "halving": {"drafts": 1},  # every finalist is painted once, to the end
    "crops": {"loss_crop": 0.0},
    "nms": {"nms": False},
    "refine": {"refine": False},
    "anchors": {"anchors": "random"},
    "windows": {"window_step": 3},
}


def ablations(settings: SearchSettings) -> dict[str, SearchSettings]:
    """`standard-PART` -> settings without the part, for every switch that the settings have."""
    known = {f.name for f in fields(settings)}
    return {f"standard-{part}": settings.with_values(**change)
            for part, change in SWITCHES.items() if set(change) <= known}
