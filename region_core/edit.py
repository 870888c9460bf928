"""One picture through the four steps: encode, find, paint, rank."""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import Tensor

from .checks import check_texts
from .cost import cost_so_far, progress_scope, work_so_far
from .defaults import plain_defaults
from .edits import Edits
from .encode import EncodedPicture, encode_picture, key_of
from .encoders import ClipScorer, DinoEncoder, PatchFeatures
from .errors import InputError, with_article
from .events import Progress, Watcher, expected_cost
from .find import Regions, find_regions
from .find.prior import check_prior
from .find.texts import is_background
from .paint import Painter, is_paintable, paint_regions
from .paint.crop import LEAST_SHARE, LEAST_SIDE
from .paper.loop import search
from .paper.network import RegionGenerator, build_generator, check_shape
from .picture import picture_from
from .rank import rank_edits
from .settings import EditSettings

WORSE = "no edit moves the picture towards the prompt more than leaving it as it is"


@plain_defaults
def edit_image(
    image: Any,
    caption: str,
    prompt: str,
    *,
    painter: Painter,
    dino: DinoEncoder | None,
    scorer: ClipScorer,
    settings: EditSettings | None = None,
    seed: int | None = None,
    prior: Tensor | None = None,
    encoded: EncodedPicture | None = None,
    regions: Regions | None = None,
    features: PatchFeatures | None = None,
    generator: RegionGenerator | None = None,
    on_event: Watcher | None = None,
) -> Edits:
    """Find the region that `caption` names and paint what `prompt` says there.

    image: PIL picture, array [H, W, C] or tensor [1, 3, H, W] in 0..1, at least 32 pixels a side. painter: bound to the
    prompt. seed: replaces `settings.seed`. prior: mask [1, 1, H, W], regions are found where it is white. `encoded` and
    `regions` of an earlier call are used in the place of those steps; dino may be None where `encoded` or DINO's
    `features` of the picture are given. generator: of the published method, to start from; it is taught in place.
    on_event: called after every forward of a model; it may raise to stop.

    Same seed and settings give the same result; the global random state is not touched. Raises InputError for whatever
    is wrong with the input, such as `regions` of another picture or caption, before any diffusion.
    """
    started = time.monotonic()
    settings = settings or EditSettings()
    settings = settings if seed is None else settings.with_values(seed=seed)
    settings.validate()
    check_texts(caption, prompt)
    picture = picture_from(image)
    check_prior(prior, picture.rgb)
    by_paper = settings.method == "paper"
    encoded = None if encoded is None else encoded.of(picture)
    if regions is not None:
        if by_paper:
            raise InputError(
                "the published method finds its own regions; leave `regions` out, or choose another preset"
            )
        if prior is not None:
            raise InputError("a prior says where to find regions, and `regions` are given; leave one of them out")
        if not isinstance(regions, Regions):
            raise InputError(
                f"regions is {with_article(type(regions).__name__)}; pass what find_regions gives, or a part of it"
            )
        regions.check(key_of(picture), caption)
    if generator is not None and not by_paper:
        raise InputError("a region generator is the published method's; leave it out, or choose preset paper")
    before = cost_so_far(painter, dino, scorer)
    total = expected_cost(settings, search=regions is None)
    progress = Progress(on_event, lambda: work_so_far(painter, dino, scorer), total)
    with progress_scope(progress.forward):
        own = encoded or encode_picture(
            picture,
            dino=dino if regions is None or by_paper else None,
            scorer=scorer,
            features=features,
            with_views=regions is None and not by_paper and not is_background(caption),
        )
        if by_paper:
            answer = _by_paper(own, caption, prompt, painter, scorer, settings, generator, prior, progress)
        else:
            if regions is None:
                regions = find_regions(own, caption, scorer=scorer, settings=settings.find, prior=prior)
            answer = _paint_and_rank(own, regions, caption, prompt, painter, scorer, settings, progress)
    if answer["edits"]:
        progress.finished(answer["edits"][0])
    return Edits(
        encoded=own,
        settings=settings,
        caption=caption.strip(),
        prompt=prompt.strip(),
        rounds=progress.rounds,
        cost=cost_so_far(painter, dino, scorer) - before,
        seconds=time.monotonic() - started,
        **answer,
    )


def _paint_and_rank(
    encoded: EncodedPicture,
    regions: Regions,
    caption: str,
    prompt: str,
    painter: Painter,
    scorer: ClipScorer,
    settings: EditSettings,
    progress: Progress,
) -> dict[str, Any]:
    progress.found(regions)
    chosen = [region for region in regions if is_paintable(region, painter.size)][: settings.paint.num_regions]
    considered = [region.box for region in regions or regions.likeliest]
    tried = torch.tensor(considered, dtype=torch.float32).reshape(-1, 4)
    if not chosen:
        return {"edits": (), "regions": regions, "reason": regions.why or _too_small(regions), "tried_boxes": tried}
    made = paint_regions(
        encoded.picture,
        chosen,
        painter,
        seed=settings.seed,
        settings=settings.paint,
        on_step=progress.painting(chosen[0]),
    )
    edits = rank_edits(made, encoded, caption, prompt, scorer=scorer, settings=settings.rank)
    reason = "" if edits[0].improves else WORSE
    return {"edits": tuple(edits), "regions": regions, "reason": reason, "tried_boxes": tried}


def _by_paper(
    encoded: EncodedPicture,
    caption: str,
    prompt: str,
    painter: Painter,
    scorer: ClipScorer,
    settings: EditSettings,
    generator: RegionGenerator | None,
    prior: Tensor | None,
    progress: Progress,
) -> dict[str, Any]:
    maps = encoded.patches.features[0]
    if generator is not None:
        saved = "the generator is for other features or sizes: it was saved with"
        check_shape(generator.config, saved, maps.shape[0], settings.paper.max_window_size)
    module = generator or build_generator(
        maps.shape[0], settings.paper.max_window_size, settings.seed, device=maps.device
    )
    learned = search(
        encoded,
        caption,
        prompt,
        module,
        painter=painter,
        scorer=scorer,
        settings=settings,
        progress=progress,
        prior=prior,
    )
    return {
        "edits": tuple(learned.edits),
        "regions": None,
        "source_score": learned.source_score,
        "tried_boxes": learned.windows,
        "generator": module,
    }


def _too_small(regions: Regions) -> str:
    x0, y0, x1, y1 = regions[0].box
    return (
        f"nothing found but what is too small: the likeliest region has {x1 - x0} x {y1 - y0} pixels, and none is "
        f"painted of less than {LEAST_SHARE:.1%} of the picture, or {LEAST_SIDE} of the painting model's pixels a side"
    )
