"""The search: which box, looked at with as little diffusion as possible.

Where CLIP has screened the candidates, the best are painted at once, from one noise or several, the
best draft of each box to the end. Looks are made where there was no screen, and choose; or where the
region generator is to learn. It is taught on every look so far and says which box to look at next; a
look is few sampling steps without guidance, all from the same noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .events import Course
from .generator.learning import gumbel_noise, teach
from .generator.losses import BoundLoss
from .generator.network import RegionGenerator
from .painting.canvas import Canvas, Work
from .proposals.anchors import CandidateSet
from .settings import SearchSettings


@dataclass(frozen=True)
class Pool:
    """What may be looked at: boxes [P, 4], each spoken for by a candidate `origin` [P].

    `prior` [P] is a log-probability up to a constant; higher is looked at sooner. `evidence` [P] is
    what the screen says of each box in cosines, 0 where there was none.
    """

    boxes: Tensor
    origin: Tensor
    prior: Tensor
    evidence: Tensor


@dataclass
class Looks:
    """Every look so far, in order: its place in the pool and its loss; the picture [1, 3, h, w] of the
    one of least loss."""

    places: list[int] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    picture: Tensor | None = None

    @property
    def best(self) -> int:
        """The look of least loss."""
        return min(range(len(self.losses)), key=self.losses.__getitem__)

    def add(self, places: list[int], losses: list[float], pictures: Tensor) -> None:
        """Take in looks at n places with their losses and pictures [n, 3, h, w]."""
        self.places += places
        self.losses += losses
        new = self.best - len(self.losses) + len(losses)
        if new >= 0:
            self.picture = pictures[new:new + 1].clone()


@dataclass(frozen=True)
class Teacher:
    """The region generator with what it reads; `optimizer` None leaves it as it is."""

    module: RegionGenerator
    optimizer: torch.optim.Optimizer | None
    features: Tensor
    candidates: CandidateSet
    extra: Tensor | None
    noise: torch.Generator

    def opinion(self) -> Tensor:
        """Log-probabilities [K*M] over all candidates: no Gumbel noise."""
        with torch.no_grad():
            logits = self.module(self.features, self.candidates.cells, self.extra)
        return logits.flatten().log_softmax(0).cpu()

    def learn(self, pool: Pool, looks: Looks, settings: SearchSettings) -> float:
        """Teach the generator all looks so far; returns the expected loss after it."""
        count = len(self.candidates)
        losses, looked = torch.zeros(count), torch.zeros(count, dtype=torch.bool)
        values = torch.tensor(looks.losses)
        # the step size should not hang on the scale of a CLIP model's cosines
        values = (values - values.mean()) / values.std().clamp(min=1e-6) if len(values) > 1 else (
            values * 0)
        for place, value in zip(looks.places, values.tolist(), strict=True):
            origin = int(pool.origin[place])
            losses[origin] = min(value, float(losses[origin])) if looked[origin] else value
            looked[origin] = True
        if self.optimizer is None:
            return float("nan")
        history = teach(
            self.module, self.optimizer, self.features, self.candidates, losses, looked,
            settings.generator_steps, extra=self.extra, generator=self.noise,
            estimator="gumbel" if settings.learning == "gumbel" else "expected")
        return history[-1] if history else float("nan")


def look_around(canvas: Canvas, pool: Pool, loss: BoundLoss, teacher: Teacher,
                settings: SearchSettings, course: Course) -> Looks:
    """Rounds of cheap looks: choose by prior and generator, look, score, teach."""
    looks = Looks()
    total = min(len(pool.boxes), settings.max_previews)
    while len(looks.places) < total:
        wish = pool.prior + teacher.opinion()[pool.origin]
        if not settings.screen:
            # drawn by the generator's own probabilities: the likeliest for ever would teach nothing
            wish = wish + gumbel_noise(wish.shape, teacher.noise)
        wish[looks.places] = -torch.inf
        count = min(settings.previews_per_round, total - len(looks.places))
        chosen = wish.argsort(descending=True, stable=True)[:count]
        work = canvas.begin(pool.boxes[chosen], settings.preview_steps)
        work = canvas.advance(work, settings.preview_steps, settings.preview_guidance)
        pictures = canvas.pictures(work)
        terms = loss(pictures, canvas.small_boxes(pool.boxes[chosen]))
        looks.add(chosen.tolist(), terms.total.tolist(), pictures)
        expected = teacher.learn(pool, looks, settings)
        assert looks.picture is not None
        course.looked(pool.boxes[chosen], terms.total, expected, looks.picture,
                      pool.boxes[looks.places[looks.best]])
    return looks


def finalists(pool: Pool, looks: Looks, count: int) -> Tensor:
    """Places in the pool of the `count` best boxes: by the screen's evidence, ties by loss.

    Measured on shapes: a look's loss added to the evidence with any weight chooses worse boxes.
    Where there was no screen every evidence is 0, and the losses decide.
    """
    loss = dict(zip(looks.places, looks.losses, strict=True))
    order = sorted(range(len(pool.boxes)),
                   key=lambda place: (-float(pool.evidence[place]), loss.get(place, math.inf)))
    return torch.tensor(order[:count])


def finish(canvas: Canvas, pool: Pool, chosen: Tensor, score: Callable[[Tensor, Tensor], Tensor],
           settings: SearchSettings, course: Course) -> tuple[Work, Tensor]:
    """Full edits of the chosen places: each from `drafts` noises to half way, the best draft of each
    to the end.

    A good box painted badly is lost all the same, and half an edit shows it. Returns the finished
    work, best first by score and evidence together, and the scores [n] alone, which can be compared
    with the source's.
    """
    # without the screen's word the largest edit would win: it pleases CLIP most
    evidence = settings.test_gamma * pool.evidence[chosen]
    work = Work.cat([canvas.begin(pool.boxes[chosen], settings.steps, draft)
                     for draft in range(settings.noise_samples)])
    # a strength below 1 starts further on: half of what is left, and one step at least
    first = work.latents.step
    half = max((first + settings.steps) // 2, first + 1)
    # one draft stops there only to be seen, and some samplers cannot take a single step
    if settings.noise_samples > 1 or min(half - first, settings.steps - half) > 1:
        work = canvas.advance(work, half, settings.guidance_scale)
        work = _best_drafts(canvas, work, evidence, score, course)
    work = canvas.decoded(canvas.advance(work, settings.steps, settings.guidance_scale))
    pictures = canvas.pictures(work)
    scores = score(pictures, canvas.small_boxes(work.boxes))
    best_first = (scores + evidence).argsort(descending=True, stable=True)
    work, scores = work.select(best_first.tolist()), scores[best_first]
    course.finished(work.boxes, pictures[best_first[:1]], float(scores[0]))
    return work, scores


def _best_drafts(canvas: Canvas, work: Work, evidence: Tensor,
                 score: Callable[[Tensor, Tensor], Tensor], course: Course) -> Work:
    """Of the drafts of n boxes, box by box within draft by draft, the best of each box [n]."""
    pictures = canvas.pictures(work)
    scores, draft = score(pictures, canvas.small_boxes(work.boxes)).view(-1, len(evidence)).max(dim=0)
    kept = draft * len(evidence) + torch.arange(len(evidence))
    best = int((scores + evidence).argmax())
    boxes = work.boxes[kept]
    course.drafted(boxes, pictures[kept[best]][None].clone(), boxes[best], float(scores[best]))
    return work.select(kept.tolist())
