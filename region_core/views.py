"""What CLIP sees of a picture through a few windows: as wholes, and place by place."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .boxes import cut_squares
from .encoders import ClipScorer

ZOOMS = (1.0, 2.0, 3.0)  # the picture's side over a window's, the larger for what is small: 1 + 4 + 9 windows
PLACES = 16  # cells a side of DINO's features in a window


@dataclass(frozen=True)
class View:
    """The windows of one zoom: boxes [n, 4] in pixels of the small picture, CLIP's embeddings of them as wholes [n, E]
    and of their places [n, E, h, w], not normalised; `places` is None where CLIP's tower shows none."""

    boxes: Tensor
    whole: Tensor
    places: Tensor | None


def look(scorer: ClipScorer, picture: Tensor, features: Tensor) -> tuple[View, ...]:
    """The views of picture [1, 3, H, W] at all `ZOOMS`; features [1, D, h, w] are DINO's of it."""
    height, width = picture.shape[-2:]
    rows, columns = features.shape[-2:]
    views = []
    for zoom in ZOOMS:
        boxes = windows(height, width, zoom)
        crops = cut_squares(picture, boxes, scorer.image_size)
        cells = boxes * torch.tensor([columns / width, rows / height] * 2)
        seen = scorer.places(crops, cut_squares(features, cells, PLACES))
        views.append(View(boxes, *seen) if seen else View(boxes, scorer.encode_images(crops), None))
    return tuple(views)


def windows(height: int, width: int, zoom: float) -> Tensor:
    """Squares [n, 4] that tile a picture, of its geometric mean side over `zoom` or its shorter side.

    CLIP reads each at its own size: a transformer knows no other, and a subject that fills a window is
    seen as photographs show it.
    """
    side = min((height * width) ** 0.5 / zoom, float(min(height, width)))
    rows, columns = (max(1, round(length / side + 0.49)) for length in (height, width))
    return torch.tensor(
        [
            [x, y, x + side, y + side]
            for y in torch.linspace(0, height - side, rows).tolist()
            for x in torch.linspace(0, width - side, columns).tolist()
        ]
    )
