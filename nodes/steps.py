"""The core's first two steps, remembered: another caption encodes no picture again, another prompt or region searches
for nothing again. What a step is asked is told by all of its arguments; none is left out by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from ..region_core.encode import EncodedPicture, encode_picture
from ..region_core.encoders import PatchFeatures
from ..region_core.find import Regions, find_regions
from ..region_core.find.texts import is_background
from ..region_core.picture import Picture, picture_from
from ..region_core.settings import FindSettings
from .remembered import Remembered, key_of

# a few megabytes for each picture, 50 of a DINO at 1024 pixels; the pictures themselves are not kept
_KEPT = {"see": Remembered(16, 256 * 2**20), "encode": Remembered(16, 256 * 2**20), "find": Remembered(64, 32 * 2**20)}


def start() -> None:
    """A node begins its run: what it asks for now does not push out the rest of it."""
    for memory in _KEPT.values():
        memory.start()


def forget() -> None:
    """Forget everything."""
    for memory in _KEPT.values():
        memory.clear()


def see(dino: Any, picture: torch.Tensor) -> PatchFeatures:
    """DINO's features of a picture [1,3,H,W]."""
    return _once("see", dino, picture_from(picture).rgb)


def encode(picture: torch.Tensor, caption: str, *, scorer: Any, features: PatchFeatures) -> EncodedPicture:
    """A picture [1,3,H,W], encoded as a search for `caption` needs it."""
    return replace(
        _once(
            "encode", _without_picture, picture, scorer=scorer, features=features, with_views=not is_background(caption)
        ),
        picture=picture_from(picture),
    )


def _without_picture(picture: torch.Tensor, **how: Any) -> EncodedPicture:
    """The encoding alone: a camera's picture takes hundreds of megabytes, and whoever asks has it."""
    encoded = encode_picture(picture, dino=None, **how)
    return replace(encoded, picture=Picture(encoded.picture.rgb[..., :1, :1].clone()))


def find(
    encoded: EncodedPicture,
    caption: str,
    *,
    scorer: Any,
    settings: FindSettings,
    prior: torch.Tensor | None,
    detections: torch.Tensor | None = None,
) -> Regions:
    """The regions of an encoded picture, best first."""
    return _once(
        "find", find_regions, encoded, caption, scorer=scorer, settings=settings, prior=prior, detections=detections
    )


def _once(step: str, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    memory, key = _KEPT[step], key_of(call, args, kwargs)
    value = memory.get(key)
    if value is None:
        value = call(*args, **kwargs)
        memory.keep(key, value)
    return value
