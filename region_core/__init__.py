"""Text-driven image editing via learnable regions: find the region a text means, and edit it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .edit import EditResult as EditResult
    from .edit import edit_image as edit_image
    from .settings import PRESETS as PRESETS
    from .settings import SearchSettings as SearchSettings

__all__ = ["PRESETS", "EditResult", "SearchSettings", "edit_image"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # torch and the encoders are imported when they are first asked for, not by `--help`
    if name in ("edit_image", "EditResult"):
        from . import edit

        return getattr(edit, name)
    if name in ("SearchSettings", "PRESETS"):
        from . import settings

        return getattr(settings, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
