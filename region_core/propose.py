"""From a picture and a caption to the boxes worth a look."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .anchors import CandidateSet, candidate_boxes, pick_anchors
from .encoders import ClipScorer, PatchFeatures
from .errors import InputError
from .screen import Evidence, Screen, distinct
from .search import Pool
from .settings import SearchSettings

REFINED = 4  # distinct boxes whose edges are moved while the evidence grows


@dataclass(frozen=True)
class Proposal:
    """The candidates of a picture, what CLIP's screen says of them, and the pool to look at.

    `extra` [K*M, 2] is the evidence in units of its spread: what the region generator reads.
    """

    candidates: CandidateSet
    evidence: Evidence | None
    extra: Tensor
    pool: Pool


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
    anchors = pick_anchors(attention, min(count, allowed) if region_prior is not None else count)
    rows, columns = attention.shape
    return candidate_boxes(anchors, settings.max_window_size, (rows, columns), (height, width))


def propose(source: Tensor, caption: str, candidates: CandidateSet, scorer: ClipScorer,
            settings: SearchSettings, refinable: bool = True) -> Proposal:
    """Screen the candidates of source [1, 3, H, W] with CLIP and form the pool.

    With the screen off every candidate is in the pool and none is preferred.
    """
    boxes = candidates.boxes.cpu().float()
    every = torch.arange(len(boxes))
    if not settings.screen:
        pool = Pool(boxes, every, torch.zeros(len(boxes)))
        return Proposal(candidates, None, torch.zeros(len(boxes), 2), pool)
    screen = Screen(scorer, source, caption)
    evidence = screen.evidence(boxes)
    extra = torch.stack([_unit(evidence.drop), _unit(evidence.total)], dim=1)
    order = distinct(boxes, evidence.total)
    best, origin, total = boxes[order], order, evidence.total[order]
    if settings.refine and refinable:
        cell = max(source.shape[-2:]) / 32
        refined = screen.refine(best[:REFINED], (4 * cell, 2 * cell, cell, cell / 2))
        best = torch.cat([refined, best[REFINED:]])
        total = torch.cat([screen.evidence(refined).total, total[REFINED:]])
        kept = distinct(best, total)
        best, origin, total = best[kept], origin[kept], total[kept]
    return Proposal(candidates, evidence, extra, Pool(best, origin, _unit(total)))


def _unit(values: Tensor) -> Tensor:
    """Values less their mean, over their spread."""
    return (values - values.mean()) / values.std().clamp(min=1e-6)
