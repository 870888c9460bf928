"""The region alone, without an edit: what of a picture does a caption mean?"""

from __future__ import annotations

import torch
from torch import Tensor

from ..checks import check_texts
from ..encoders import ClipScorer, DinoEncoder
from ..paint.canvas import reduced
from ..settings import SearchSettings
from .regions import PictureEvidence, propose_regions


@torch.inference_mode()
def find_region(
    picture: Tensor, caption: str, prompt: str, dino: DinoEncoder, scorer: ClipScorer, settings: SearchSettings
) -> tuple[int, int, int, int] | None:
    """The likeliest region of picture [1, 3, H, W] in 0..1: (x0, y0, x1, y1) in whole pixels, half open.

    None where nothing in the picture answers to the caption. It is where an edit looks first; previews
    and finished edits may prefer another.
    """
    check_texts(caption, prompt)
    height, width = picture.shape[-2:]
    small = reduced(picture)
    found = propose_regions(PictureEvidence(small, caption, prompt, scorer, dino(picture)), settings)
    if not found.present:
        return None
    zoom = [width / small.shape[-1], height / small.shape[-2]] * 2
    x0, y0, x1, y1 = (round(v * z) for v, z in zip(found.boxes[0].tolist(), zoom, strict=True))
    return max(x0, 0), max(y0, 0), min(x1, width), min(y1, height)
