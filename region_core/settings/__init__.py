"""The settings of a search: each described once, its presets, and what is made from a description."""

from .search import LEARNING, PRESETS, PREVIEWS, REMOVED, SETTINGS, SearchSettings, current_name, preset
from .setting import Setting

__all__ = [
    "LEARNING",
    "PRESETS",
    "PREVIEWS",
    "REMOVED",
    "SETTINGS",
    "SearchSettings",
    "Setting",
    "current_name",
    "preset",
]
