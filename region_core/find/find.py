"""The second step: where in an encoded picture is what a caption names?"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..checks import check_text
from ..encode import EncodedPicture, encode_picture
from ..encoders import ClipScorer, DinoEncoder
from ..errors import InputError
from ..resize import covered
from ..settings import FindSettings
from .prior import check_prior
from .propose import PictureEvidence, propose_regions
from .regions import Region, Regions
from .texts import is_ground

LIKELIEST = 8  # regions that are told where nothing was found


@torch.inference_mode()
def find_regions(
    picture: Any,
    caption: str,
    *,
    dino: DinoEncoder | None = None,
    scorer: ClipScorer,
    settings: FindSettings | None = None,
    prior: Tensor | None = None,
) -> Regions:
    """The regions of a picture that a caption may mean, best first; `Regions.why` says so where it is not there.

    picture: an `EncodedPicture` or, with `dino`, a picture to be encoded: a tensor [1, 3, H, W] in 0..1, a PIL picture
    or an array. The caption "background" asks for places where something new may go. prior: a mask [1, 1, H, W] of the
    picture; regions are found where it is white, and whether the caption is there is judged all the same. Of an encoded
    picture only texts (and crops of the likeliest regions) are encoded, so another caption costs little. Raises
    InputError for an empty caption or a prior of another size.
    """
    check_text("image_caption", caption)
    encoded = (
        picture
        if isinstance(picture, EncodedPicture)
        else encode_picture(picture, dino=dino, scorer=scorer, with_views=not is_ground(caption))
    )
    source = encoded.picture.rgb
    check_prior(prior, source)
    if not encoded.views and not is_ground(caption):
        raise InputError("the picture was encoded without views; encode it with them to find something in it")
    small = None if prior is None else covered(prior, *encoded.small.shape[-2:])  # a thin line stays
    proposed = propose_regions(PictureEvidence(encoded, caption, scorer), settings or FindSettings(), small)
    size = (int(source.shape[-2]), int(source.shape[-1]))
    found = tuple(
        Region(mask, size, evidence)
        for mask, evidence in zip(proposed.masks, proposed.log_evidence.tolist(), strict=True)
    )
    why = "" if proposed.present else _why(caption, prior is not None)
    return Regions(
        () if why else found,
        encoded.key,
        caption.strip(),
        proposed.relevance,
        proposed.presence,
        why,
        found[:LIKELIEST] if why else (),
    )


def _why(caption: str, within_prior: bool) -> str:
    where = "where the region prior is white" if within_prior else "in the picture"
    way = "paint the prior where it is, or leave it out; " if within_prior else ""
    return f"nothing {where} answers to {caption.strip()!r}; {way}to add something new, give the caption 'background'"
