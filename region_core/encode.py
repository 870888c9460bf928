"""The first step: all that the models see of a picture, before any text is asked of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from .cells import CellGraph, read_cells
from .defaults import plain_defaults
from .encoders import ClipScorer, DinoEncoder, PatchFeatures
from .errors import InputError
from .picture import Picture, picture_from
from .resize import fingerprint, reduced
from .views import WindowViews, look_through_windows

TILED_SIDE = 1024  # and cut into windows at this one: the smallest have about as many pixels as CLIP reads


@dataclass(frozen=True)
class EncodedPicture:
    """One picture as the models see it; it holds no text and no model.

    `small` [1, 3, h, w] is a copy with no side longer than 512 pixels; `features` are DINO's, of the
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

    def check_text(self, text: Tensor) -> None:
        """InputError where a text's embedding [n, E] is of another CLIP than the picture's."""
        if text.shape[-1] != self.embedding.shape[-1]:
            raise InputError(
                f"the picture was encoded by another CLIP, with {self.embedding.shape[-1]} numbers where this one has "
                f"{text.shape[-1]}; encode it with this one"
            )


@plain_defaults
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
    key = fingerprint(source)
    if features is not None and features.keys and features.keys != (key,):
        raise InputError("the features are of another picture; pass those of this one, or leave them out")
    if not with_views:
        return EncodedPicture(picture, small, features, scorer.encode_images(small), None, None, key)
    if features is None:
        raise InputError("neither a DINO encoder nor patch features are given; pass one")
    views = look_through_windows(scorer, small, reduced(source, TILED_SIDE), features.features)
    return EncodedPicture(
        picture, small, features, views.picture, views, read_cells(features.features, features.attention), key
    )


def key_of(picture: Picture) -> str:
    """`EncodedPicture.key` of a picture, which nothing has to be encoded for."""
    return fingerprint(picture.rgb)
