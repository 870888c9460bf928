"""The search: which box, looked at with as little diffusion as possible.

CLIP screens all candidates without sampling; the region generator, taught on every look so far,
says which to look at next; looks are few sampling steps without guidance, all from the same noise;
the best are finished at full steps, half of them dropped half way.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .anchors import CandidateSet
from .canvas import Canvas, Work
from .generator import RegionGenerator
from .learning import teach
from .losses import BoundLoss
from .settings import SearchSettings


@dataclass(frozen=True)
class Event:
    """What the search is doing, for whoever watches. A watcher may raise to stop it.

    `kind` is "look" or "final"; `done` of `total` looks; `boxes` [n, 4] those just tried;
    `best` [1, 3, h, w] the best picture so far (reduced), `best_box` [4] its box, `best_score` its
    final score or, of a look, its loss with the sign turned; `loss` the round's mean; `record` the
    round's, as `report.json` has it.
    """

    kind: str
    done: int
    total: int
    boxes: Tensor
    best: Tensor | None
    loss: float
    best_score: float
    best_box: Tensor | None = None
    record: dict | None = None


Watcher = Callable[[Event], None]


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
    """Every look so far, in order: its place in the pool, its loss, its picture [1, 3, h, w]."""

    places: list[int] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    pictures: list[Tensor] = field(default_factory=list)
    records: list[dict] = field(default_factory=list)

    @property
    def best(self) -> int:
        """The look of least loss."""
        return min(range(len(self.losses)), key=self.losses.__getitem__)


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
                settings: SearchSettings, watch: Watcher) -> Looks:
    """Rounds of cheap looks: choose by prior and generator, look, score, teach."""
    looks = Looks()
    total = min(len(pool.boxes), settings.per_image_iteration * settings.looks_per_round)
    while len(looks.places) < total:
        wish = pool.prior + teacher.opinion()[pool.origin]
        wish[looks.places] = -torch.inf
        count = min(settings.looks_per_round, total - len(looks.places))
        chosen = wish.argsort(descending=True, stable=True)[:count]
        work = canvas.begin(pool.boxes[chosen], settings.look_steps)
        work = canvas.advance(work, settings.look_steps, settings.look_guidance)
        pictures = canvas.pictures(work)
        terms = loss(pictures, canvas.small_boxes(pool.boxes[chosen]))
        looks.places += chosen.tolist()
        looks.losses += terms.total.tolist()
        looks.pictures += list(pictures.split(1))
        expected = teacher.learn(pool, looks, settings)
        best = looks.best
        looks.records.append({
            "round": len(looks.records), "loss": float(terms.total.mean()),
            "best": looks.losses[best], "expected": expected,
            "boxes": [[round(v) for v in box] for box in pool.boxes[chosen].tolist()],
            "losses": terms.total.tolist()})
        watch(Event("look", len(looks.places), total + settings.finalists, pool.boxes[chosen],
                    looks.pictures[best], float(terms.total.mean()), -looks.losses[best],
                    pool.boxes[looks.places[best]], looks.records[-1]))
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
           settings: SearchSettings, watch: Watcher, done: int, total: int) -> tuple[Work, Tensor]:
    """Full edits of the chosen places: each from `drafts` noises to half way, the best to the end.

    A good box painted badly is lost all the same, and half an edit shows it. Returns the finished
    work, best first by score and evidence together, and the scores [n] alone, which can be compared
    with the source's.
    """
    # without the screen's word the largest edit would win: it pleases CLIP most
    evidence = settings.test_gamma * pool.evidence[chosen].repeat(settings.drafts)
    work = Work.cat([canvas.begin(pool.boxes[chosen], settings.steps, draft)
                     for draft in range(settings.drafts)])
    if len(evidence) > settings.finalists:
        # a strength below 1 starts further on: half of what is left, and one step at least
        first = work.latents.step
        work = canvas.advance(work, max((first + settings.steps) // 2, first + 1),
                              settings.guidance_scale)
        halfway = score(canvas.pictures(work), canvas.small_boxes(work.boxes)) + evidence
        order = halfway.argsort(descending=True, stable=True)[:settings.finalists]
        work, evidence = work.select(order.tolist()), evidence[order]
    work = canvas.decoded(canvas.advance(work, settings.steps, settings.guidance_scale))
    pictures = canvas.pictures(work)
    scores = score(pictures, canvas.small_boxes(work.boxes))
    best_first = (scores + evidence).argsort(descending=True, stable=True)
    work, scores = work.select(best_first.tolist()), scores[best_first]
    watch(Event("final", done, total, work.boxes, pictures[best_first[:1]], float("nan"),
                float(scores[0]), work.boxes[0]))
    return work, scores
