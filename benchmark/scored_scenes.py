"""Scenes whose every candidate's loss is known, so that ways of choosing looks can be compared."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from region_core.boxes import iou, pixel_boxes
from region_core.demo.scenes import BACKGROUND, COLORS, SIZE, Edit, Scene, draw_shape
from region_core.encoders.loading import Models
from region_core.generator.losses import LossWeights, RegionLoss
from region_core.painting.canvas import Canvas
from region_core.proposals.anchors import CandidateSet
from region_core.proposals.propose import place_candidates, propose
from region_core.settings import SearchSettings

from .painting import inpainter_of, picture_of

PAINTERS = ("look", "ideal")


@dataclass(frozen=True)
class Known:
    """One scene: DINO's features [D, h, w], its candidates, the screen's numbers `extra` [K*M, E]
    and its verdict `screen` [K*M], and of every candidate the loss of a look [K*M] and the IoU with
    the true box [K*M].
    """

    features: Tensor
    candidates: CandidateSet
    extra: Tensor
    screen: Tensor
    losses: Tensor
    overlaps: Tensor


def ideal_edits(scene: Scene, edit: Edit, boxes: Tensor) -> Tensor:
    """What a faultless painter would make of each box [N, 4]: [N, 3, H, W] in 0..1.

    Whatever was in the box is gone, and what the prompt asks for fills it.
    """
    out = []
    for box in pixel_boxes(boxes, SIZE, SIZE).tolist():
        x0, y0, x1, y1 = box
        picture = scene.image.astype(np.float32)
        picture[y0:y1, x0:x1] = scene.background[y0:y1, x0:x1]
        if edit.prompt != BACKGROUND:
            color, shape = edit.prompt.split()[1:]
            cover = draw_shape(SIZE, shape, (x0, y0, x1, y1))[..., None]
            picture = picture * (1 - cover) + np.array(COLORS[color], dtype=np.float32) * cover
        out.append(torch.from_numpy(picture).permute(2, 0, 1) / 255)
    return torch.stack(out)


def know(scene: Scene, edit: Edit, models: Models, settings: SearchSettings, painter: str,
         seed: int) -> Known:
    """Look at every candidate: by the search's own cheap looks ("look") or an "ideal" painter."""
    source = picture_of(scene)
    features = models.dino(source)
    candidates = place_candidates(features, SIZE, SIZE, settings)
    proposal = propose(source, edit.caption, candidates, features, models.scorer,
                       settings.with_values(refine=False))
    screen = (torch.zeros(len(candidates)) if proposal.evidence is None
              else proposal.evidence.total)
    if painter == "ideal":
        edits = ideal_edits(scene, edit, candidates.boxes)
    else:
        canvas = Canvas(source, inpainter_of(models, edit), seed=seed, grow=settings.grow)
        parts = []
        for some in candidates.boxes.split(16):
            work = canvas.begin(some, settings.preview_steps)
            work = canvas.advance(work, settings.preview_steps, settings.preview_guidance)
            parts.append(canvas.pictures(work))
        edits = torch.cat(parts)
    loss = RegionLoss(models.scorer, edit.caption, edit.prompt, LossWeights.of(settings),
                      views=settings.views, seed=settings.seed).bind(source)
    losses = torch.cat([loss(some, boxes).total for some, boxes in zip(
        edits.split(32), candidates.boxes.split(32), strict=True)])
    truth = scene.objects[edit.target].box if edit.target is not None else (0, 0, 0, 0)
    overlaps = iou(candidates.boxes, torch.tensor([truth]).float())[:, 0]
    return Known(features.features[0].clone(), candidates, proposal.extra.clone(), screen.clone(),
                 losses.clone(), overlaps)


def remembered(file: Path | None, make: Known | None = None) -> Known | None:
    """Read what was kept in `file`, or keep `make` there; None where there is nothing."""
    if make is not None:
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            flat = {**vars(make), "candidates": vars(make.candidates)}
            torch.save(flat, file.with_suffix(".tmp"))
            file.with_suffix(".tmp").replace(file)
        return make
    if file is None or not file.exists():
        return None
    flat = torch.load(file, weights_only=True)
    return Known(**{**flat, "candidates": CandidateSet(**flat["candidates"])})
