"""The second step: where in an encoded picture is what a caption names?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from ..checks import check_text
from ..defaults import plain_defaults
from ..encode import EncodedPicture, encode_picture
from ..encoders import ClipScorer, DinoEncoder
from ..errors import InputError
from ..picture import Picture, picture_from
from ..resize import covered
from ..settings import FindSettings
from .empty import empty_places
from .prior import check_prior, cut_to
from .propose import FINE, RankedRegions, find_regions_on_grid
from .regions import SHOWN, Region, Regions
from .relevance import caption_map
from .texts import distractors, is_background
from .which import meant_first, parse_position

MAX_CUT = 8  # regions within a prior, which are kept to the pixel


@plain_defaults
@torch.inference_mode()
def find_regions(
    picture: Any,
    caption: str,
    *,
    dino: DinoEncoder | None = None,
    scorer: ClipScorer,
    settings: FindSettings | None = None,
    prior: Tensor | None = None,
    detections: Tensor | None = None,
) -> Regions:
    """The regions of a picture that a caption may mean, best first; `Regions.why` says so where it is not there.

    picture: an `EncodedPicture` or, with `dino`, a picture to be encoded: a tensor [1, 3, H, W] in 0..1, a PIL picture
    or an array. The caption "background" asks for places where something new may go; "the cup on the left" or "the
    largest cup" for one of several, which then comes first. prior: a mask [1, 1, H, W] of the picture; regions are
    found where it is white, and whether the caption is there is judged all the same. detections: masks [N, 1, H, W] of
    a detector, ranked with ours by the same evidence or, with `settings.detections_only`, alone. Of an encoded picture
    only the caption is encoded. Raises InputError for an empty caption, or a prior or detections of another size.
    """
    check_text("image_caption", caption)
    caption = caption.strip()
    settings = settings or FindSettings()
    what, which = parse_position(caption)
    ground = is_background(what)
    if not isinstance(picture, EncodedPicture | Picture):
        picture = picture_from(picture)
    source = picture.rgb if isinstance(picture, Picture) else picture.picture.rgb
    check_prior(prior, source)
    _check_detections(detections, source)
    if settings.detections_only and (detections is None or ground):
        raise InputError("detections_only is set and there are none; give detections of a thing, or unset it")
    if isinstance(picture, Picture):
        picture = encode_picture(picture, dino=dino, scorer=scorer, with_views=not ground)
    grid = picture.patches.attention.shape[-2:] if ground or picture.cells is None else picture.cells.grid
    rows, columns = (FINE * int(side) for side in grid)
    white = None if prior is None else covered(prior, rows, columns)[0, 0] > 0.5  # a thin line stays
    if ground:
        found = empty_places(picture.patches, white, settings.max_area)
    else:
        if picture.views is None or picture.cells is None:
            raise InputError("the picture was encoded without views; encode it with them to find something in it")
        text = scorer.encode_text(what)
        picture.check_text(text)
        where = caption_map(picture.views, picture.cells, text, distractors(scorer))
        found = find_regions_on_grid(
            picture.cells,
            where,
            prior=white,
            max_area=settings.max_area,
            detections=None if detections is None else covered(detections, rows, columns)[:, 0] > 0.5,
            detections_only=settings.detections_only,
        )
    regions = _regions(found, (int(source.shape[-2]), int(source.shape[-1])), prior)
    relevance = found.relevance - found.relevance.min()
    why_no_places = "" if ground else getattr(scorer, "why_no_places", "")
    answer = Regions(
        regions if found.present else (),
        picture.key,
        caption,
        (relevance / relevance.max().clamp(min=1e-8))[None, None],
        found.presence,
        "" if found.present else _why(caption, prior is not None, getattr(scorer, "words", ())),
        () if found.present else regions[:SHOWN],
        tuple(_notes(found.limited and found.present, settings, why_no_places)),
    )
    return meant_first(answer, which) if which and answer.found else answer


def _regions(found: RankedRegions, size: tuple[int, int], prior: Tensor | None) -> tuple[Region, ...]:
    rows = zip(found.masks, found.evidence.tolist(), found.separate.tolist(), strict=True)
    regions = [Region(mask, size, evidence, separate) for mask, evidence, separate in rows]
    return tuple(regions if prior is None else [cut_to(prior, region) for region in regions[:MAX_CUT]])


def _check_detections(detections: Tensor | None, source: Tensor) -> None:
    if detections is not None and (detections.ndim != 4 or detections.shape[1:] != source[:, :1].shape[1:]):
        raise InputError(
            f"the detections have the shape {tuple(detections.shape)}; pass masks {['N', *source[0, :1].shape]}"
        )


def _notes(limited: bool, settings: FindSettings, why_no_places: str) -> Iterator[str]:
    """What limits the answer, in sentences."""
    if why_no_places:
        yield f"CLIP shows no places, because {why_no_places}; the region was found by whole windows, which is coarser"
    if limited:
        yield f"what answers best is larger than max_window_size {settings.max_window_size} allows; raise it"


def _why(caption: str, within_prior: bool, words: Sequence[str]) -> str:
    where = "where the region prior is white" if within_prior else "in the picture"
    way = "paint the prior where it is, or leave it out; " if within_prior else ""
    known = f"; the words that this model knows are {', '.join(words)}" if words else ""
    return f"nothing {where} answers to {caption!r}; {way}to add something new, give the caption 'background'{known}"
