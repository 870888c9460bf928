"""The windows through which CLIP looks at a picture: the whole of it, and tiles for what is small. No text is read."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .boxes import cut_squares
from .encoders import ClipScorer
from .resize import resize

ZOOMS = (1, 2, 3, 4)  # the picture's side over a window's; 1 is the whole picture
PLACES = 16  # cells a side of DINO's features in a window


@dataclass(frozen=True)
class WindowViews:
    """What CLIP sees through n windows of one picture; window 0 is the whole picture.

    boxes [n, 4] xyxy in shares of the picture; zooms [n], each one of `ZOOMS`; whole [n, E], the windows'
    embeddings; places [n, h, w, E], those of their places, None where CLIP's tower shows none. The
    embeddings are of unit length.
    """

    boxes: Tensor
    zooms: Tensor
    whole: Tensor
    places: Tensor | None

    @property
    def picture(self) -> Tensor:
        """CLIP's embedding [1, E] of the picture."""
        return self.whole[:1]


def tiles(height: int, width: int, zoom: int) -> Tensor:
    """Squares [n, 4] that tile a picture, their side its geometric mean side over `zoom`, xyxy in pixels.

    Squares, because CLIP reads squares and a squeezed thing is another thing; of a very wide picture the
    shorter side is the limit.
    """
    side = min((height * width) ** 0.5 / zoom, float(min(height, width)))
    rows, columns = (max(1, round(length / side + 0.49)) for length in (height, width))
    return torch.tensor(
        [
            [x, y, x + side, y + side]
            for y in torch.linspace(0, height - side, rows, dtype=torch.float32).tolist()
            for x in torch.linspace(0, width - side, columns, dtype=torch.float32).tolist()
        ],
        dtype=torch.float32,
    )


def look_through_windows(scorer: ClipScorer, small: Tensor, picture: Tensor, features: Tensor) -> WindowViews:
    """CLIP's embeddings of a picture [1, 3, H, W] (0..1) and of its tiles: about 39 encodings at 4 : 3.

    The whole of it is seen in its `small` copy [1, 3, h, w]. features [1, D, h, w] are DINO's of the picture; they tell
    a transformer which places belong together.
    """
    height, width = picture.shape[-2:]
    parts = [
        torch.tensor([[0, 0, width, height]], dtype=torch.float32),
        *(tiles(height, width, zoom) for zoom in ZOOMS[1:]),
    ]
    zooms = torch.cat(
        [torch.full((len(part),), zoom, dtype=torch.long) for part, zoom in zip(parts, ZOOMS, strict=True)]
    )
    boxes = torch.cat(parts)
    shares = boxes / torch.tensor([width, height] * 2, dtype=torch.float32)
    side = scorer.image_size
    # the whole picture is squeezed to CLIP's square, as wherever CLIP reads a picture
    crops = torch.cat([resize(small, side, side).clamp(0, 1), cut_squares(picture, boxes[1:], side)])
    grid = torch.tensor([features.shape[-1], features.shape[-2]] * 2, dtype=torch.float32)
    seen = scorer.places(crops, cut_squares(features, shares * grid, PLACES))
    if seen is None:
        return WindowViews(shares, zooms, scorer.encode_images(crops).cpu(), None)
    whole, places = (F.normalize(part, dim=1).cpu() for part in seen)
    return WindowViews(shares, zooms, whole, places.movedim(1, 3))
