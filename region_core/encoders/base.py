"""What the two kinds of encoder can do, and what they have in common.

A patch encoder (DINO) says what each cell of a picture is like and where one looks. A scorer (CLIP) puts
texts, pictures and, where its tower shows them, places of a picture into one space.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError
from ..resize import resize

WIDEST = 6.0
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass
class PatchFeatures:
    """features: [B, D, h, w], row-major over the picture; attention: [B, h, w], at least 0; `keys`: the fingerprint of
    each picture, by which those of another one are refused, or none."""

    features: Tensor
    attention: Tensor
    keys: tuple[str, ...] = ()

    def saliency(self, height: int, width: int) -> Tensor:
        """The attention of each picture, from 0 to 1, as large as the picture: [B, 1, H, W]."""
        low, high = (bound(self.attention, (1, 2), True) for bound in (torch.amin, torch.amax))
        scaled = (self.attention - low) / (high - low).clamp(min=1e-8)
        return F.interpolate(scaled[:, None], (height, width), mode="bilinear", align_corners=False)


class PatchEncoder(Protocol):
    """Patches with features. `images_encoded` counts pictures, if it is there."""

    @property
    def feature_dim(self) -> int:
        """D of the features."""

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of cells that are laid over a picture of so many pixels."""

    def __call__(self, images: Tensor) -> PatchFeatures:
        """images [B, 3, H, W] in 0..1 -> features [B, D, h, w] and attention [B, h, w] of one grid."""


class Scorer(Protocol):
    """Texts and pictures in one space, with places. `images_encoded` and `texts_encoded` count, if they are there."""

    @property
    def why_no_places(self) -> str:
        """Why `places` gives None, to follow "because"; "" where it gives places."""

    def split_text(self, text: str) -> list[str]:
        """The pieces of a text that each fit the model."""

    def encode_text(self, text: str) -> Tensor:
        """[1, E] of unit length, of a text of any length."""

    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        """[n, E] of unit length, of texts that each fit the model."""

    def encode_images(self, images: Tensor) -> Tensor:
        """images [B, 3, H, W] in 0..1 -> [B, E] of unit length."""

    def places(self, images: Tensor, features: Tensor) -> tuple[Tensor, Tensor] | None:
        """Embeddings [B, E] of images and those of their places [B, E, h, w]; None where the tower shows none.

        `features` [B, D, h', w'] of a patch encoder say which places belong together.
        """


def nothing() -> None:
    """Stands where a caller may put something to be done before each forward."""


def check_numbers(made: Tensor, what: str, source: Tensor | None = None) -> None:
    """Raise InputError where what a model made is not numbers, and `source`, if it was made of one, is."""
    if not bool(made.isfinite().all()) and (source is None or bool(source.isfinite().all())):
        raise InputError(
            f"The {what} are not numbers (NaN or infinity), as half precision or damaged "
            "weights make them; load the model in float32, or use another."
        )


def sides_for(height: int, width: int, side: int, unit: int) -> tuple[int, int]:
    """(h, w) of a picture brought to an area of side x side pixels, each a multiple of `unit`.

    The aspect is kept up to `WIDEST` to one, so that what is in a wide picture is not squeezed.
    """
    aspect = min(max(height / width, 1 / WIDEST), WIDEST) ** 0.5
    return (max(1, round(side * aspect / unit)) * unit, max(1, round(side / aspect / unit)) * unit)


def prepare(
    images: Tensor, size: int | tuple[int, int], mean: tuple[float, ...], std: tuple[float, ...], like: Tensor
) -> Tensor:
    """[B, 3, H, W] in 0..1 -> [B, 3, h, w], normalised, on the device and dtype of `like`.

    `size` is a side or (h, w). The whole picture is brought to it: nothing is cropped, so a cell of a
    grid is always the same share of the picture. Raises InputError where the images are none.
    """
    if images.ndim != 4 or images.shape[1] != 3 or not images.is_floating_point():
        raise InputError(
            f"The images have shape {tuple(images.shape)} and type {images.dtype}; pass "
            "[B, 3, H, W] of floats between 0 and 1."
        )
    size = (size, size) if isinstance(size, int) else size
    x = images.to(device=like.device, dtype=torch.float32)
    if tuple(x.shape[-2:]) != size:
        x = resize(x, *size)
    # Bicubic overshoots at edges; the models were trained on pictures that cannot.
    x = x.clamp(0, 1)  # a copy: what follows may write into it
    scale = torch.tensor([mean, std], dtype=torch.float32, device=x.device)[:, None, :, None, None]
    return x.sub_(scale[0]).div_(scale[1]).to(like.dtype)
