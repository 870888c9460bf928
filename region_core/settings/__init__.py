"""The settings of an edit: each described once, its presets, and what is made from a description."""

from .edit import MAX_SEED, PRESETS, REMOVED, SETTINGS, EditSettings, current_name, preset
from .setting import Setting
from .steps import LEARNING, MASK_SHAPES, FindSettings, PaintSettings, PaperSettings, RankSettings

__all__ = [
    "LEARNING",
    "MASK_SHAPES",
    "MAX_SEED",
    "PRESETS",
    "REMOVED",
    "SETTINGS",
    "EditSettings",
    "FindSettings",
    "PaintSettings",
    "PaperSettings",
    "RankSettings",
    "Setting",
    "current_name",
    "preset",
]
