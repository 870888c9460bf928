"""Text-driven image editing via learnable regions: find the region a text means, and edit it.

Four steps with plain values between them: `encode_picture`, `find_regions`, `paint_regions`, `rank_edits`.
`edit_image` is all four.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .edit import edit_image as edit_image
    from .edits import Edits as Edits
    from .encode import EncodedPicture as EncodedPicture
    from .encode import encode_picture as encode_picture
    from .errors import InputError as InputError
    from .find import Region as Region
    from .find import Regions as Regions
    from .find import find_regions as find_regions
    from .paint import Crop as Crop
    from .paint import Edit as Edit
    from .paint import Painter as Painter
    from .paint import crop_region as crop_region
    from .paint import paint_regions as paint_regions
    from .paint import stitch as stitch
    from .rank import rank_edits as rank_edits
    from .settings import PRESETS as PRESETS
    from .settings import EditSettings as EditSettings

__version__ = "0.1.0"
# torch and the encoders are imported when they are first asked for, not by `--help`
_HOMES = {
    "edit_image": "edit",
    "Edits": "edits",
    "encode_picture": "encode",
    "EncodedPicture": "encode",
    "find_regions": "find",
    "Region": "find",
    "Regions": "find",
    "Crop": "paint",
    "Edit": "paint",
    "Painter": "paint",
    "crop_region": "paint",
    "paint_regions": "paint",
    "stitch": "paint",
    "rank_edits": "rank",
    "EditSettings": "settings",
    "PRESETS": "settings",
    "InputError": "errors",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
