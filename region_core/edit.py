"""One picture through the whole method: find the region, edit it, leave the rest alone."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .boxes import descending
from .checks import check_texts
from .cost import Cost, cost_so_far, tell_passes, watched, work_so_far
from .encoders import ClipScorer, DinoEncoder, PatchFeatures
from .errors import InputError
from .events import SearchProgress, Watcher
from .expected import whole
from .find.prior import check_prior
from .find.regions import Finding, PictureEvidence
from .find.texts import is_ground
from .paint.borders import Borders
from .paint.canvas import Canvas, Work
from .paint.painter import Inpainter
from .paper.loop import search_as_published
from .paper.losses import RegionLoss
from .paper.network import RegionGenerator, build_generator, generator_shape
from .paper.trainer import GeneratorTrainer
from .picture import Picture, picture_from
from .rank import Ranking, improves
from .resize import covered
from .search import Previews, learn_from_previews, paint_and_choose, why_nothing
from .settings import SearchSettings

EDITED, NO_REGION = "edited", "no region"
WORSE = "no edit moves the picture towards the prompt more than leaving it as it is"
SHOWN = 8  # boxes in the drawing of what was tried


@dataclass(frozen=True)
class Candidate:
    """A finished edit: picture [1, 3, H, W], its box in pixels, its final score.

    `deciding` put the candidates in order and is the sum of `parts`: in nats the region's "evidence",
    what previews "learned" of it, and what the final score says by "text" and "picture" (as published:
    the two cosines). Those that are no better than the source (`improves`) stand behind all that are.
    """

    image: Tensor
    box: tuple[int, int, int, int]
    score: float
    deciding: float = 0.0
    parts: dict[str, float] = field(default_factory=dict)
    improves: bool = True


@dataclass(frozen=True)
class EditResult:
    """What came of an edit.

    image [1, 3, H, W] 0..1 and alpha as the source's; mask [1, 1, H, W], 0 where the image equals
    the source bit for bit (also beyond 0..1); box (x0, y0, x1, y1) in pixels, as found (the mask is
    1 there, and fades out round it as `painting.borders` says), or None; verdict "edited" or "no region"
    (then image is the source); candidates best first (as published the best `SHOWN`), none where nothing in
    the picture answers to the caption; one record a round of previews; UNet evaluations and the whole `cost`,
    counted on the models; tried_boxes [n, 4], those previewed or the likeliest; saliency [1, 1, H, W] 0..1, DINO's
    attention; relevance [1, 1, H, W] 0..1, where the caption is (as published: the saliency);
    `presence`, the number that decided whether anything answers to the caption (NaN where it was not
    asked); why no more previews were made; the region generator as previews left it, None where there
    were none; the `finding`, for another edit of the same (None as published).
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
    relevance: Tensor | None = None
    presence: float = float("nan")
    stopped: str = ""
    finding: Finding | None = None
    caption: str = ""
    prompt: str = ""


@watched()
def edit_image(
    image: Any,
    caption: str,
    prompt: str,
    *,
    inpainter: Inpainter,
    dino: DinoEncoder | None,
    scorer: ClipScorer,
    settings: SearchSettings | None = None,
    generator: RegionGenerator | None = None,
    features: PatchFeatures | None = None,
    prior: Tensor | None = None,
    seed: int | None = None,
    finding: Finding | None = None,
    on_event: Watcher | None = None,
) -> EditResult:
    """Find the region that `caption` names and paint what `prompt` says there.

    image: PIL picture, array [H, W, C] or tensor [1, 3, H, W] in 0..1, at least 32 pixels a side.
    inpainter: a model bound to the prompt, see `inpaint.Inpainter`. dino may be None where
    `features` of the picture are given. generator: a learned region generator to start from; it is
    taught in place. prior: mask [1, 1, H, W], regions are proposed where it is white; whether the caption
    is there is judged all the same. seed: replaces `settings.seed`. finding: of an earlier edit that differs in
    what concerns painting alone; regions are not searched again. on_event: called after every pass of a
    model and every round; it may raise to stop.

    Same seed and settings give the same result; the global random state is not touched. Raises
    InputError for whatever is wrong with the input, before any diffusion.
    """
    started = time.monotonic()
    # 1. Check inputs
    settings = settings or SearchSettings()
    settings = settings if seed is None else settings.with_values(seed=seed)
    settings.validate()
    check_texts(caption, prompt)
    picture = picture_from(image)
    source = picture.rgb.float()
    untouched = source if picture.own is None else picture.own
    check_prior(prior, source)
    if features is None and dino is None:
        raise InputError("neither a DINO encoder nor patch features are given; pass one")
    before = cost_so_far(inpainter, dino, scorer)

    # 2. Encode the picture and the texts, once
    canvas = Canvas(source, inpainter, seed=settings.seed, borders=Borders.of(settings), strength=settings.strength)
    progress = SearchProgress(
        on_event,
        spent=lambda: work_so_far(inpainter, dino, scorer),
        left=whole(settings, canvas.preview_share, search=finding is None),
    )
    tell_passes(progress.passed)
    if features is None:
        assert dino is not None
        features = dino(source)
    evidence = PictureEvidence(canvas.small, caption, prompt, scorer, features, finding)
    saliency = features.saliency(*source.shape[-2:])[:1].to(source)
    maps = features.features[0]
    sizes, numbers = generator_shape(settings)
    module = generator or build_generator(maps.shape[0], sizes, settings.seed, extra_dim=numbers, device=maps.device)

    def result(ranked: list[Candidate], mask: Tensor | None, reason: str = "", **more: Any) -> EditResult:
        """The first of the ranked edits or, where there is a `reason` against it, the picture as it is."""
        first = None if reason else ranked[0]
        cost = cost_so_far(inpainter, dino, scorer) - before
        found = {
            "image": untouched if first is None else first.image,
            "mask": torch.zeros_like(source[:, :1]) if first is None else mask,
            "box": None if first is None else first.box,
            "verdict": NO_REGION if first is None else EDITED,
            "score": 0.0 if first is None else first.score,
            "source_score": 0.0,
        }
        return EditResult(
            alpha=picture.alpha,
            candidates=ranked,
            reason=reason,
            rounds=progress.rounds,
            unet_evaluations=cost.unet_evaluations,
            cost=cost,
            seconds=time.monotonic() - started,
            saliency=saliency,
            settings=settings,
            seed=settings.seed,
            caption=caption.strip(),
            prompt=prompt.strip(),
            **{**found, **more},
        )

    if settings.method == "published":
        made = search_as_published(canvas, features, evidence, module, settings, progress, prior)
        ranked, mask = _finished(picture, canvas, made.work, made.score, made.score, made.parts, SHOWN)
        return result(
            ranked,
            mask,
            source_score=made.source_score,
            tried_boxes=made.work.boxes,
            relevance=saliency,
            generator=module,
            stopped="as many rounds as per_image_iteration",
        )

    # 3. Propose regions with evidence
    if prior is not None:  # a thin line must not fall between the pixels of the reduced picture
        prior = covered(prior, *canvas.small.shape[-2:])
    finding = evidence.found(settings, prior, lambda boxes, nats: progress.proposed(canvas.full_boxes(boxes), nats))
    proposals = finding.proposals
    common: dict[str, Any] = {
        "relevance": _as_picture(proposals.relevance, source),
        "presence": proposals.presence,
        "finding": finding,
    }
    # before any diffusion is spent on it; a prior says where the region may be, not that it is there
    if reason := why_nothing(caption, proposals, canvas, prior=prior is not None):
        taught = generator if settings.max_previews else None
        return result([], None, reason, tried_boxes=torch.zeros(0, 4), generator=taught, **common)
    proposals = proposals.select(canvas.paintable(canvas.full_boxes(proposals.boxes)))
    boxes = canvas.full_boxes(proposals.boxes)

    # 4. Learn from previews where more than one region is likely
    trainer = GeneratorTrainer(
        module,
        maps,
        proposals.boxes * evidence.cells_a_pixel,
        proposals.numbers,
        proposals.log_evidence,
        lr=settings.lr,
        steps=settings.generator_steps,
        learning=settings.learning,
        seed=settings.seed,
    )
    previews = Previews()
    if settings.previews == "auto" and is_ground(caption):
        previews.stopped = "any free place will do"
    elif settings.max_previews:
        loss = RegionLoss.of(evidence, settings)
        previews = learn_from_previews(canvas, boxes, loss, trainer, settings, progress)

    # 5. Paint the likeliest regions, and choose among the edits
    ranking = Ranking(evidence, alpha=settings.test_alpha, beta=settings.test_beta)
    choice = paint_and_choose(canvas, boxes, trainer, ranking, settings, progress)

    # 6. Put the edits into the full picture; where the best one is worse than none, say so
    ranked, mask = _finished(
        picture, canvas, choice.work, choice.judged.score, choice.deciding, choice.parts, settings.num_regions
    )
    ranked = [replace(one, improves=bool(ok)) for one, ok in zip(ranked, improves(choice.judged), strict=True)]
    tried = boxes[previews.indices or descending(trainer.log_probs())[:SHOWN]]
    reason = "" if ranked[0].improves else WORSE
    return result(ranked, mask, reason, tried_boxes=tried, generator=module, stopped=previews.stopped, **common)


def _as_picture(values: Tensor, source: Tensor) -> Tensor:
    """A map [1, 1, h, w] of at least 0 as large as the source, its highest 1: [1, 1, H, W]."""
    values = values.to(source) / values.amax().clamp(min=1e-8).to(source)
    return F.interpolate(values, size=source.shape[-2:], mode="bilinear", align_corners=False)


def _finished(
    picture: Picture, canvas: Canvas, work: Work, scores: Tensor, deciding: Tensor, parts: dict[str, Tensor], most: int
) -> tuple[list[Candidate], Tensor]:
    """The best edits of finished work in the full picture, in its order, `most` of them (large pictures in all
    would take gigabytes), and the first one's mask."""
    ranked, first = [], None
    for index, box in enumerate(work.boxes[:most].tolist()):
        full, mask = canvas.full(work, index)
        first = mask if first is None else first
        x0, y0, x1, y1 = (int(round(v)) for v in box)
        ranked.append(
            Candidate(
                picture.restored(full, mask),
                (x0, y0, x1, y1),
                float(scores[index]),
                float(deciding[index]),
                {name: float(values[index]) for name, values in parts.items()},
            )
        )
    assert first is not None
    return ranked, first
