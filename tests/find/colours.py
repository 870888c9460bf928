"""A world where the truth is known: pictures of plain colours, a CLIP that reads them, a DINO that tells them apart."""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

import torch
import torch.nn.functional as F
from torch import Tensor

from region_core import find_regions
from region_core.boxes import overlap
from region_core.encoders import PatchFeatures
from region_core.find import Regions

COLOURS = {"grey": (0.5, 0.5, 0.5), "red": (0.9, 0.1, 0.1), "blue": (0.1, 0.2, 0.9), "green": (0.1, 0.8, 0.2)}
Box = tuple[int, int, int, int]


class ColourScorer:
    """Embeds a place as the colours it shows, and a text as the colour that it names; all other texts as directions of
    their own. `bend` (c, s): every cosine is c + s times what it would be, c + s = 1."""

    image_size, device = 64, torch.device("cpu")

    def __init__(self, *, why_no_places: str = "", bend: tuple[float, float] = (0.0, 1.0)) -> None:
        self.why_no_places, self.bend = why_no_places, bend
        self.texts: list[str] = []
        self.pictures = 0

    def encode_text(self, text: str) -> Tensor:
        return self.encode_texts([text])

    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        self.texts += texts
        return self._bent(torch.stack([self._text(text) for text in texts]))

    def encode_images(self, images: Tensor) -> Tensor:
        self.pictures += len(images)
        return self._bent(self._read(images).mean(dim=(2, 3)))

    def places(self, images: Tensor, _features: Tensor) -> tuple[Tensor, Tensor] | None:
        if self.why_no_places:
            return None
        return self.encode_images(images), self._bent(F.adaptive_avg_pool2d(self._read(images), 16))

    def _text(self, text: str) -> Tensor:
        if text in COLOURS:
            return torch.eye(16)[list(COLOURS).index(text)]
        return torch.randn(16, generator=torch.Generator().manual_seed(crc32(text.encode())))

    def _read(self, images: Tensor) -> Tensor:
        """[B, 16, h, w]: how near each pixel is to each colour."""
        known = torch.tensor(list(COLOURS.values()))[None, :, :, None, None]
        near = (-20 * (images[:, None] - known).square().sum(dim=2)).softmax(dim=1)
        return F.pad(near, (0, 0, 0, 0, 0, 16 - len(COLOURS)))

    def _bent(self, values: Tensor) -> Tensor:
        c, s = self.bend
        unit = F.normalize(values, dim=1)
        return torch.cat([s**0.5 * unit, torch.full_like(unit[:, :1], c**0.5)], dim=1)


class ColourDino:
    """A cell of `side` pixels is its colour, times `scale`; it is attended to as it differs from the usual one."""

    def __init__(self, side: int = 4, scale: float = 1.0) -> None:
        self.side, self.scale, self.pictures = side, scale, 0

    def __call__(self, images: Tensor) -> PatchFeatures:
        self.pictures += len(images)
        cells = F.avg_pool2d(images, self.side)
        usual = cells.flatten(2).median(dim=2).values[:, :, None, None]
        return PatchFeatures(cells * self.scale, (cells - usual).norm(dim=1))


def scene(*things: tuple[str, Box], size: tuple[int, int] = (128, 128)) -> Tensor:
    """Rectangles of colours on a grey ground, size (H, W), with a little noise."""
    picture = torch.full((1, 3, *size), 0.5)
    for name, (x0, y0, x1, y1) in things:
        picture[0, :, y0:y1, x0:x1] = torch.tensor(COLOURS[name]).view(3, 1, 1)
    return picture + 0.03 * torch.rand(picture.shape, generator=torch.Generator().manual_seed(1))


def find(picture: Tensor, caption: str = "red", **more) -> Regions:
    """What is found in a picture by models of this world, or by others."""
    return find_regions(picture, caption, **({"dino": ColourDino(), "scorer": ColourScorer()} | more))


def mask_of(*boxes: Box, size: tuple[int, int] = (128, 128)) -> Tensor:
    """[1, 1, H, W], white in boxes."""
    mask = torch.zeros(1, 1, *size)
    for x0, y0, x1, y1 in boxes:
        mask[..., y0:y1, x0:x1] = 1
    return mask


def mask_overlap(one: Tensor, other: Tensor) -> float:
    """Intersection over union of two masks."""
    return float(((one > 0.5) & (other > 0.5)).sum() / ((one > 0.5) | (other > 0.5)).sum())


__all__ = ["COLOURS", "Box", "ColourDino", "ColourScorer", "find", "mask_of", "mask_overlap", "overlap", "scene"]
