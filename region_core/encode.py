"""The first step: all that the models see of a picture, before any text is asked of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from .cells import CellGraph, read_cells
from .devices import plain_device
from .encoders import ClipScorer, DinoEncoder, PatchFeatures
from .errors import InputError
from .picture import Picture, picture_from
from .resize import resize
from .views import WindowViews, look_through_windows

SMALL_SIDE = 512  # a picture as a whole is seen at this size at most; CLIP sees less still
TILED_SIDE = 1024  # and cut into windows at this one: the smallest have about as many pixels as CLIP reads


@dataclass(frozen=True)
class EncodedPicture:
    """One picture as the models see it; it holds no text and no model.

    `small` [1, 3, h, w] is a copy with no side longer than `SMALL_SIDE`; `features` are DINO's, of the
    whole picture; `embedding` [1, E] is CLIP's of it, of unit length. `views` are what CLIP sees through windows, and
    `cells` what DINO's features say of its cells; None where they were not asked for. `key` tells pictures apart.
    """

    picture: Picture
    small: Tensor
    features: PatchFeatures | None
    embedding: Tensor
    views: WindowViews | None
    cells: CellGraph | None
    key: str

    @property
    def patches(self) -> PatchFeatures:
        """DINO's features. InputError where the picture was encoded without DINO."""
        if self.features is None:
            raise InputError("the picture was encoded without DINO; pass a DINO encoder, or features, to encode it")
        return self.features

    def of(self, picture: Picture) -> EncodedPicture:
        """The same with this very picture, whose alpha and values beyond 0..1 may be others. InputError where it was
        made of another one."""
        if key_of(picture) != self.key:
            raise InputError("another picture was encoded; encode this one, or leave the encoding out")
        return replace(self, picture=picture)


@plain_device
@torch.inference_mode()
def encode_picture(
    image: Any,
    *,
    dino: DinoEncoder | None,
    scorer: ClipScorer,
    features: PatchFeatures | None = None,
    with_views: bool = True,
) -> EncodedPicture:
    """Encode a picture once, for any number of captions and edits.

    image: a `Picture`, PIL picture, array [H, W, C] or tensor [1, 3, H, W] in 0..1, at least 32 pixels a side. dino may
    be None where `features` of the picture are given, or nothing is to be found in it. Without `with_views`, which cost
    most of it, no caption can be looked for: the published method does not. Raises InputError for what is no picture.
    """
    picture = picture_from(image)
    source = picture.rgb.float()
    if features is None and dino is not None:
        features = dino(source)
    small = reduced(source)
    key = _key(small, source)
    if not with_views:
        return EncodedPicture(picture, small, features, scorer.encode_images(small), None, None, key)
    if features is None:
        raise InputError("neither a DINO encoder nor patch features are given; pass one")
    views = look_through_windows(scorer, small, reduced(source, TILED_SIDE), features.features)
    return EncodedPicture(
        picture, small, features, views.picture, views, read_cells(features.features, features.attention), key
    )


def reduced(source: Tensor, side: int = SMALL_SIDE) -> Tensor:
    """The copy of source [1, 3, H, W] in which no side is longer than `side`."""
    height, width = source.shape[-2:]
    scale = min(1.0, side / max(height, width))
    if scale == 1:
        return source
    return resize(source, max(1, round(height * scale)), max(1, round(width * scale))).clamp(0, 1)


def key_of(picture: Picture) -> str:
    """`EncodedPicture.key` of a picture, which nothing has to be encoded for."""
    source = picture.rgb.float()
    return _key(reduced(source), source)


def _key(small: Tensor, source: Tensor) -> str:
    """Of a picture's size, and the values of its small copy in 8 bits, which are the same on every device."""
    values = small.detach().float().cpu().mul(255).round().to(torch.uint8).numpy().tobytes()
    return hashlib.blake2b(repr(tuple(source.shape)).encode() + values, digest_size=16).hexdigest()
