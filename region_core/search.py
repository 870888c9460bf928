"""The search: which regions to paint, and which painted region is the answer.

The evidence comes first. While the region generator's distribution leaves more than one region likely,
few-step edits of the likeliest teach it; then the likeliest are painted, and the generator's
log-probability and the final score choose together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .boxes import descending, iou
from .events import SearchProgress
from .expected import painting, preview
from .find.regions import RegionProposals
from .paint.canvas import LEAST_SHARE, LEAST_SIDE, Canvas, Work
from .paper.losses import LossTerms, RegionLoss
from .paper.trainer import GeneratorTrainer, standardised_losses
from .rank import Judgement, Ranking, improves, last
from .settings import SearchSettings

LIKELY = 0.6  # of the likeliest region's probability: a region with as much may be the right one
OTHER = 0.5  # IoU below which two regions are not of the same thing
# Nats of evidence that a final score of 1 is worth. On things with a faultless painter 0 to 1 choose alike,
# and more is worse: the score of a painted region says little of whether it is the right one.
NATS = 1.0

SURE = "one thing is likely"
KNOWN = "all likely things were previewed"
ROUNDS = "as many rounds as per_image_iteration"
NONE = "no previews by the settings"


def why_nothing(caption: str, proposals: RegionProposals, canvas: Canvas, *, prior: bool) -> str:
    """Why none of the regions is to be painted, in one sentence; empty where one is."""
    if not proposals.present:
        where = "where the region prior is white" if prior else "in the picture"
        way = "paint the prior where it is, or leave it out; " if prior else ""
        return (
            f"nothing {where} answers to {caption.strip()!r}; {way}to add something new, give the caption 'background'"
        )
    boxes = canvas.full_boxes(proposals.boxes)
    if bool(canvas.paintable(boxes).any()):
        return ""
    width, height = (boxes[0, 2:] - boxes[0, :2]).int().tolist()
    return (
        f"nothing found but what is too small: the likeliest region has {width} x {height} pixels, and none is painted "
        f"of less than {LEAST_SHARE:.1%} of the picture, or {LEAST_SIDE} of the painting model's pixels a side"
    )


@dataclass
class Previews:
    """The previews so far: candidates `indices` in order, the terms of their losses, the picture
    [1, 3, h, w] of the best, and why no more were made."""

    indices: list[int] = field(default_factory=list)
    terms: list[LossTerms] = field(default_factory=list)
    pictures: list[Tensor] = field(default_factory=list)
    stopped: str = NONE

    def add(self, index: int, terms: LossTerms, picture: Tensor) -> None:
        """One more."""
        self.indices.append(index)
        self.terms.append(terms)
        self.pictures.append(picture)


def next_preview(boxes: Tensor, log_probs: Tensor, previewed: Sequence[int], *, every: bool) -> tuple[int | None, str]:
    """(the candidate to preview next, "") or (None, why there is none).

    boxes [N, 4], log_probs [N]. Previews decide between things, not between boxes round one: they are
    made while a region is likely (LIKELY) that hardly overlaps the likeliest (OTHER), one a thing. With
    `every` all regions are worth one.
    """
    likely = log_probs.exp() >= LIKELY * log_probs.exp().max()
    overlap = iou(boxes, boxes)
    wish = log_probs.clone()
    if not every:
        if not bool((likely & (overlap[int(log_probs.argmax())] < OTHER)).any()):
            return None, SURE
        wish[~likely | (overlap[:, list(previewed)] >= OTHER).any(dim=1)] = -torch.inf
    wish[list(previewed)] = -torch.inf
    best = int(wish.argmax())
    return (best, "") if float(wish[best]) > -torch.inf else (None, KNOWN)


def learn_from_previews(
    canvas: Canvas,
    boxes: Tensor,
    loss: RegionLoss,
    trainer: GeneratorTrainer,
    settings: SearchSettings,
    progress: SearchProgress,
) -> Previews:
    """Rounds of one preview each, of boxes [N, 4]; the generator is taught after each on all so far."""
    previews = Previews(stopped=ROUNDS)
    steps = min(settings.preview_steps, settings.steps)
    for left in range(settings.max_previews, 0, -1):
        index, why = next_preview(boxes, trainer.log_probs(), previews.indices, every=settings.previews == "always")
        if index is None:
            previews.stopped = why
            break
        more = left if settings.previews == "always" else 1
        progress.expect(
            (preview(settings, canvas.preview_share) * more + painting(settings) * settings.num_regions).total
        )
        box = boxes[index : index + 1]
        work = canvas.begin(box, steps, size=canvas.preview_size)
        pictures = canvas.pictures(canvas.advance(work, steps, settings.preview_guidance))
        previews.add(index, loss(pictures, canvas.small_boxes(box)), pictures)
        losses = standardised_losses(previews.terms, loss.weights)
        expected = trainer.learn(previews.indices, losses)
        best = int(losses.argmin())
        progress.previewed(
            box,
            torch.cat([one.total for one in previews.terms]),
            expected,
            previews.pictures[best],
            boxes[previews.indices[best]],
        )
    return previews


@dataclass(frozen=True)
class Choice:
    """Painted regions, best first: the finished work, candidate `indices` [n], the judgement of each,
    the parts in nats of the number that put them in order, and that number [n]."""

    work: Work
    indices: Tensor
    judged: Judgement
    parts: dict[str, Tensor]
    deciding: Tensor


def paint_and_choose(
    canvas: Canvas,
    boxes: Tensor,
    trainer: GeneratorTrainer,
    ranking: Ranking,
    settings: SearchSettings,
    progress: SearchProgress,
) -> Choice:
    """Paint the generator's `num_regions` likeliest of boxes [N, 4] and put them in order.

    One rule: log-probability of the region by the generator (its evidence and what previews changed)
    plus the final score of its edit, in nats. An edit that is no better than none stands behind all that are.
    """
    log_probs = trainer.log_probs()
    chosen = descending(log_probs)[: settings.num_regions]
    progress.expect((painting(settings) * len(chosen)).total)
    work = _paint(canvas, boxes[chosen], log_probs[chosen], ranking, settings, progress)
    pictures = canvas.pictures(work)
    judged = ranking.judge(pictures, canvas.small_boxes(work.boxes))
    evidence = trainer.log_evidence.cpu().log_softmax(0)[chosen]
    parts = {
        "evidence": evidence,
        "learned": log_probs[chosen] - evidence,
        "text": NATS * ranking.alpha * judged.text,
        "picture": NATS * ranking.beta * judged.picture,
    }
    deciding = last(torch.stack(list(parts.values())).sum(dim=0))
    order = best_first(deciding, judged)
    progress.finished(work.boxes[order], pictures[order[:1]], float(judged.score[order[0]]))
    return Choice(
        work.select(order.tolist()),
        chosen[order],
        Judgement(judged.whole[order], judged.near[order], judged.picture[order], judged.score[order]),
        {name: values[order] for name, values in parts.items()},
        deciding[order],
    )


def best_first(deciding: Tensor, judged: Judgement) -> Tensor:
    """The order [n] of edits by the deciding number [n]; those that are no better than none stand behind
    all that are, so that one failure does not hide the next."""
    order = descending(deciding)
    return order[descending(improves(judged)[order].long())]


def _paint(
    canvas: Canvas,
    boxes: Tensor,
    log_probs: Tensor,
    ranking: Ranking,
    settings: SearchSettings,
    progress: SearchProgress,
) -> Work:
    """Finished edits of boxes [n, 4], each from the noise sample that is best half way."""
    samples, steps, guidance = settings.noise_samples, settings.steps, settings.guidance_scale
    work = Work.cat([canvas.begin(boxes, steps, sample) for sample in range(samples)])
    # some samplers cannot take a single step
    if samples > 1 or steps - work.latents.step > 3:
        work = canvas.half_way(work, steps, guidance)
        if samples > 1:
            work = _best_samples(canvas, work, log_probs, ranking, progress)
        else:  # to be seen, and kept where the edit is stopped
            progress.half_painted(boxes, canvas.glimpse(work.select([0])), boxes[0], float("nan"))
    return canvas.decoded(canvas.advance(work, steps, guidance))


def _best_samples(canvas: Canvas, work: Work, log_probs: Tensor, ranking: Ranking, progress: SearchProgress) -> Work:
    """Of half-done edits of n regions, noise sample by noise sample, each region's best."""
    pictures = canvas.pictures(work)
    regions = len(log_probs)
    scores = ranking.judge(pictures, canvas.small_boxes(work.boxes)).score.view(-1, regions)
    score, sample = scores.max(dim=0)
    kept = sample * regions + torch.arange(regions)
    best = int((NATS * score + log_probs).argmax())
    boxes = work.boxes[kept]
    progress.half_painted(boxes, pictures[kept[best]][None].clone(), boxes[best], float(score[best]))
    return work.select(kept.tolist())
