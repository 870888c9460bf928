"""From a picture and a caption to the boxes worth a look."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..boxes import iou
from ..encoders import ClipScorer, PatchFeatures
from ..errors import InputError
from ..search import Pool
from ..settings import SearchSettings
from .anchors import CandidateSet, candidate_boxes, pick_anchors
from .extent import fit_boxes
from .prior import INSIDE, Prior
from .screen import Evidence, OnRound, Screen, distinct, lattice

REFINED = 3  # distinct boxes whose edges are moved while the evidence grows
FITTED = 8  # of the best boxes, fitted to the things in them
STEPS = (2.0, 1.0, 0.5)  # edges are moved by so many 32nds of the picture, each tried twice
ROUNDS = 1 + 2 * len(STEPS)  # of CLIP's, at most: all boxes, and the moves


@dataclass(frozen=True)
class Proposal:
    """The candidates of a picture, what CLIP's screen says of them, and the pool to look at.

    `extra` [K*M, 2] is the evidence in units of its spread: what the region generator reads.
    `absent`: whether nothing in the picture answers to the caption.
    """

    candidates: CandidateSet
    evidence: Evidence | None
    extra: Tensor
    pool: Pool
    absent: bool = False


def place_candidates(features: PatchFeatures, height: int, width: int, settings: SearchSettings,
                     region_prior: Tensor | None = None) -> CandidateSet:
    """Anchors where DINO attends (and, with a prior mask [1, 1, H, W], only where it is white),
    and boxes of growing size round each.
    """
    attention = features.attention[0]
    if region_prior is not None:
        if not bool((region_prior > 0.5).any()):
            raise InputError("the region prior is empty (no pixel above 0.5); paint it where the "
                             "region may be, or leave it out")
        grid = torch.nn.functional.adaptive_max_pool2d(region_prior.float(), attention.shape)[0, 0]
        attention = attention.masked_fill((grid <= 0.5).to(attention.device), -torch.inf)
    count = settings.point_number
    allowed = int(attention.isfinite().sum())
    anchors = pick_anchors(attention, min(count, allowed) if region_prior is not None else count,
                           settings.anchor_distance)
    rows, columns = attention.shape
    return candidate_boxes(anchors, settings.max_window_size, (rows, columns), (height, width))


def propose(source: Tensor, caption: str, candidates: CandidateSet, features: PatchFeatures,
            scorer: ClipScorer, settings: SearchSettings,
            region_prior: Tensor | None = None, on_round: OnRound | None = None) -> Proposal:
    """Screen the candidates of source [1, 3, H, W] with CLIP, and a lattice beside them, refine the
    best, fit them to what DINO's features say is one thing, and form the pool. With a region prior
    [1, 1, H, W] every box in the pool lies where it is white for the most part, and the white
    area's own box is among those screened. A fitted box keeps the evidence of the one it came from:
    CLIP's word on the thing, which on extents is worth less than DINO's.

    With the screen off every candidate is in the pool and none is preferred. `on_round` is told the
    best boxes [n, 4], best first, and their evidence [n] after each round of CLIP's.
    """
    def tell(boxes: Tensor, evidence: Tensor) -> None:
        if on_round is not None:
            if prior is not None:  # moved edges may have left it
                boxes = prior.cut(boxes)
                inside = prior.share(boxes) >= INSIDE
                boxes, evidence = boxes[inside], evidence[inside]
            best = evidence.argsort(descending=True, stable=True)[:FITTED]
            if len(best):
                on_round(boxes[best], evidence[best])

    prior = None if region_prior is None else Prior(region_prior)
    boxes = candidates.boxes.cpu().float()
    boxes = boxes if prior is None else prior.cut(boxes)
    if not settings.screen:
        places = torch.arange(len(boxes)) if prior is None else prior.keep(boxes)
        none = torch.zeros(len(places))
        return Proposal(candidates, None, torch.zeros(len(boxes), 2),
                        Pool(boxes[places], places, none, none))
    screen = Screen(scorer, source, caption)
    evidence = screen.evidence(boxes)
    extra = torch.stack([_unit(evidence.drop), _unit(evidence.total)], dim=1)
    more = lattice(*source.shape[-2:])
    more = more if prior is None else torch.cat([prior.whole(), prior.cut(more)])
    every = torch.cat([boxes, more])
    total = torch.cat([evidence.total, screen.evidence(more).total])
    if prior is not None:
        places = prior.keep(every)
        every, total = every[places], total[places]
    tell(every, total)
    if settings.refine and not screen.for_ground:
        best = distinct(every, total, 0.6)[:REFINED]
        cell = max(source.shape[-2:]) / 32
        refined = screen.refine(every[best], tuple(step * cell for step in STEPS), tell)
        if prior is not None:
            refined = prior.cut(refined)
            refined = refined[prior.share(refined) >= INSIDE]
        every = torch.cat([every, refined])
        total = torch.cat([total, screen.evidence(refined).total]) if len(refined) else total
    # a box the person drew a prior for is looked at whatever CLIP says of it
    absent = (not screen.for_ground and prior is None
              and float(total.max()) <= scorer.evidence_floor)
    kept = distinct(every, total)
    every, total = every[kept], total[kept]
    if settings.fit and not screen.for_ground:
        fitted = fit_boxes(every[:FITTED], features, *source.shape[-2:])
        if prior is not None:
            fitted = prior.cut(fitted)
            fitted = torch.where(prior.share(fitted)[:, None] >= INSIDE, fitted, every[:FITTED])
        every = torch.cat([fitted, every[FITTED:]])
        kept = distinct(every, total)  # several boxes of one thing are one now
        every, total = every[kept], total[kept]
    # the generator speaks of candidates; a moved box is spoken for by the one it overlaps most
    origin = iou(every, boxes).argmax(dim=1)
    return Proposal(candidates, evidence, extra, Pool(every, origin, _unit(total), total), absent)


def _unit(values: Tensor) -> Tensor:
    """Values less their mean, over their spread."""
    return (values - values.mean()) / values.std(correction=0).clamp(min=1e-6)
