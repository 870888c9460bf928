"""Boxes to choose from: the windows round DINO's anchors, and what the product itself proposes."""

from __future__ import annotations

import torch
from torch import Tensor

from region_core.boxes import iou
from region_core.find.anchors import place_candidates
from region_core.find.regions import PictureEvidence, propose_regions

from ..painting import Setup
from ..worlds.task import Task


def window_boxes(task: Task, setup: Setup) -> Tensor:
    """The standard preset's windows round the points DINO attends to: [N, 4]."""
    features = setup.models.dino(task.picture)
    return place_candidates(features, *task.size, setup.settings("standard")).boxes.cpu()


def proposed_boxes(task: Task, setup: Setup) -> Tensor:
    """What the product proposes for the caption, best first: [n, 4]."""
    evidence = PictureEvidence(
        task.picture, task.caption, task.prompt, setup.models.scorer, setup.models.dino(task.picture)
    )
    return propose_regions(evidence, setup.settings("standard")).boxes.round().cpu()


def nearest(boxes: Tensor, task: Task) -> Tensor:
    """Of boxes [N, 4] the one that meets any of the task's true ones best: [4]."""
    return boxes[iou(boxes, torch.tensor(task.boxes).float()).amax(dim=1).argmax()]
