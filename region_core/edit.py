"""One picture through the whole method: find the region, edit it, leave the rest alone."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .checks import check_texts
from .cost import Cost, cost_so_far
from .encoders import ClipScorer, DinoEncoder, PatchFeatures
from .errors import InputError
from .events import Course, Watcher
from .generator.learning import optimizer_for
from .generator.losses import LossWeights, RegionLoss
from .generator.network import RegionGenerator, build_generator
from .images import picture_from
from .painting.canvas import Canvas
from .painting.inpaint import Inpainter
from .proposals.anchors import CandidateSet
from .proposals.propose import FITTED, ROUNDS, place_candidates, propose
from .ranking import Ranking
from .search import Looks, Teacher, finalists, finish, look_around
from .settings import SearchSettings

EDITED, NO_REGION = "edited", "no region"


@dataclass(frozen=True)
class Candidate:
    """A finished edit: picture [1, 3, H, W], its box in pixels, its final score.

    The score can be compared with the source's; what put the candidates in order is the score and
    the screen's evidence for the box together.
    """

    image: Tensor
    box: tuple[int, int, int, int]
    score: float


@dataclass(frozen=True)
class EditResult:
    """What came of an edit.

    image [1, 3, H, W] 0..1 and alpha as the source's; mask [1, 1, H, W], 0 where the image equals
    the source bit for bit (also beyond 0..1); box (x0, y0, x1, y1) in pixels, as found (the mask is
    the box grown by `settings.grow`), or None; verdict "edited" or "no region"
    (then image is the source); candidates best first, none where nothing in the picture answers to
    the caption; one record a round, of the looks or, where the settings have none, of the screen; UNet
    evaluations and the whole `cost`, counted on the models; tried_boxes [n, 4], those looked at or the
    best that the screen found; saliency [1, 1, H, W] 0..1; the region generator as looks left it, None
    where the settings have none (of an absent thing: the one given, as it was).
    """

    image: Tensor
    alpha: Tensor | None
    mask: Tensor
    box: tuple[int, int, int, int] | None
    verdict: str
    score: float
    source_score: float
    candidates: list[Candidate]
    rounds: list[dict]
    unet_evaluations: float
    seconds: float
    tried_boxes: Tensor
    saliency: Tensor
    settings: SearchSettings
    seed: int
    generator: RegionGenerator | None = None
    reason: str = ""
    cost: Cost = Cost()


def edit_image(image: Any, caption: str, prompt: str, *, inpainter: Inpainter,
               dino: DinoEncoder | None, scorer: ClipScorer,
               settings: SearchSettings | None = None, generator: RegionGenerator | None = None,
               features: PatchFeatures | None = None, prior: Tensor | None = None,
               seed: int | None = None, on_event: Watcher | None = None) -> EditResult:
    """Find the region that `caption` names and paint what `prompt` says there.

    image: PIL picture, array [H, W, C] or tensor [1, 3, H, W] in 0..1, at least 32 pixels a side.
    inpainter: a model bound to the prompt, see `inpaint.Inpainter`. dino may be None where
    `features` of the picture are given. generator: a learned region generator to start from; looks,
    where the settings have any, follow its opinion and teach it further in place. prior: mask
    [1, 1, H, W], regions are proposed where it is white. seed: replaces `settings.seed`. on_event:
    called after every round; it may raise to stop.

    Same seed and settings give the same result; the global random state is not touched. Raises
    InputError for whatever is wrong with the input, before any diffusion.
    """
    started = time.monotonic()
    settings = settings or SearchSettings()
    settings = settings if seed is None else settings.with_values(seed=seed)
    settings.validate()
    check_texts(caption, prompt)
    picture = picture_from(image)
    _check_prior(prior, picture.rgb)
    source = picture.rgb.float()
    untouched = source if picture.own is None else picture.own
    before = cost_so_far(inpainter, dino, scorer)
    if features is None:
        if dino is None:
            raise InputError("neither a DINO encoder nor patch features are given; pass one")
        features = dino(source)
    height, width = source.shape[-2:]
    candidates = place_candidates(features, height, width, settings, prior)
    canvas = Canvas(source, inpainter, seed=settings.seed, grow=settings.grow,
                    feather=settings.feather, strength=settings.strength)
    # CLIP sees a few hundred pixels at most, so screening reads the reduced picture
    scale = torch.tensor([canvas.small.shape[-1] / width, canvas.small.shape[-2] / height] * 2)
    # a thin line must not fall between the pixels of the reduced picture
    prior = None if prior is None else F.adaptive_max_pool2d(prior.float(), canvas.small.shape[-2:])
    course = Course(on_event, screening=ROUNDS + 1 if settings.screen else 0, looks=settings.max_previews)

    def spent() -> dict[str, Any]:
        cost = cost_so_far(inpainter, dino, scorer) - before
        return {"cost": cost, "unet_evaluations": cost.unet_evaluations}

    def in_source(boxes: Tensor) -> Tensor:
        limits = torch.tensor([width, height] * 2)
        return torch.minimum((boxes.cpu() / scale).round().clamp(min=0), limits)

    proposal = propose(canvas.small, caption, _scaled(candidates, scale), features, scorer, settings,
                       prior, lambda boxes, evidence: course.screened(in_source(boxes), -evidence))
    pool = replace(proposal.pool, boxes=in_source(proposal.pool.boxes))
    ranking = Ranking(scorer, canvas.small, caption, prompt, test_alpha=settings.test_alpha,
                      test_beta=settings.test_beta)
    common: dict[str, Any] = {
        "alpha": picture.alpha, "source_score": ranking.source_score, "settings": settings,
        "seed": settings.seed, "saliency": _saliency(features, height, width)}
    if proposal.absent:  # before any diffusion is spent on it
        return EditResult(
            image=untouched, mask=torch.zeros_like(source[:, :1]), box=None, verdict=NO_REGION,
            score=ranking.source_score, candidates=[], rounds=course.rounds,
            seconds=time.monotonic() - started, **spent(),
            tried_boxes=torch.zeros(0, 4), generator=generator if settings.max_previews else None, **common,
            reason=f"nothing in the picture answers to {caption.strip()!r}; to add something new, "
                   "give the caption 'background'")

    if settings.screen:
        course.chosen(pool.boxes[:FITTED], -float(pool.evidence[0]))
    looks, module, tried = Looks(), None, pool.boxes[:FITTED]
    if settings.max_previews:
        loss = RegionLoss(scorer, caption, prompt, LossWeights.of(settings), views=settings.views,
                          seed=settings.seed).bind(canvas.small)
        teacher = _teacher(generator, features, candidates, proposal.extra, settings)
        looks = look_around(canvas, pool, loss, teacher, settings, course)
        module, tried = teacher.module, pool.boxes[looks.places]
    chosen = finalists(pool, looks, settings.num_regions)
    work, scores = finish(canvas, pool, chosen, ranking.scores, settings, course)

    ranked = []
    for index, box in enumerate(work.boxes.tolist()):
        full, mask = canvas.full(work, index)
        if index == 0:
            best_mask = mask
        ranked.append(Candidate(picture.restored(full, mask), _whole(box), float(scores[index])))
    best = work.select([0])
    reason = ranking.objection(canvas.pictures(best), canvas.small_boxes(best.boxes))
    found = not reason
    return EditResult(
        image=ranked[0].image if found else untouched,
        mask=best_mask if found else torch.zeros_like(best_mask),
        box=ranked[0].box if found else None, verdict=EDITED if found else NO_REGION,
        score=float(scores[0]) if found else ranking.source_score, candidates=ranked,
        rounds=course.rounds, generator=module,
        seconds=time.monotonic() - started, **spent(),
        tried_boxes=tried, reason=reason, **common)


def _check_prior(prior: Tensor | None, image: Tensor) -> None:
    wanted = (1, 1, *image.shape[-2:])
    if prior is not None and tuple(prior.shape) != wanted:
        raise InputError(f"the region prior has shape {tuple(prior.shape)}; pass a mask of the "
                         f"picture's size, {wanted}")


def _whole(box: list[float]) -> tuple[int, int, int, int]:
    x0, y0, x1, y1 = (int(round(v)) for v in box)
    return x0, y0, x1, y1


def _scaled(candidates: CandidateSet, scale: Tensor) -> CandidateSet:
    return CandidateSet(candidates.boxes * scale.to(candidates.boxes), candidates.cells,
                        candidates.anchors, candidates.sizes)


def _teacher(generator: RegionGenerator | None, features: PatchFeatures, candidates: CandidateSet,
             extra: Tensor, settings: SearchSettings) -> Teacher:
    """The region generator at its desk: fresh, or the one given."""
    maps = features.features[0]
    module = generator or build_generator(
        maps.shape[0], candidates.shape[1], settings.seed, extra_dim=extra.shape[1],
        device=maps.device)
    with torch.inference_mode(False):
        # without a screen its numbers are all 0, and the places are all there is to learn
        own = 0.02 if settings.screen else 1.0
        optimizer = (None if settings.learning == "off" else
                     optimizer_for(module, settings.lr, own=own))
    return Teacher(module, optimizer, maps, candidates, extra.to(maps.device),
                   torch.Generator("cpu").manual_seed(settings.seed))


def _saliency(features: PatchFeatures, height: int, width: int) -> Tensor:
    """DINO's attention as a picture [1, 1, H, W] in 0..1."""
    attention = features.attention[:1, None]
    attention = attention / attention.amax().clamp(min=1e-8)
    return F.interpolate(attention, size=(height, width), mode="bilinear", align_corners=False)
