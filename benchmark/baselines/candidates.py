"""Regions to choose from: the published method's windows, and what the product itself finds."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from region_core import Region, Regions
from region_core.boxes import iou
from region_core.paper.anchors import place_candidates

from ..painting import Setup
from ..worlds.task import Task


def window_boxes(task: Task, setup: Setup) -> Tensor:
    """The windows round the points DINO attends to: [N, 4]."""
    features = setup.models.dino(task.picture)
    return place_candidates(features, *task.size, setup.settings("standard").paper).boxes.cpu()


def candidates(found: Regions) -> Sequence[Region]:
    """What was found, best first, or what came nearest where "nothing is there" was said."""
    return found if len(found) else found.likeliest


def boxes_of(regions: Sequence[Region]) -> Tensor:
    """[N, 4]"""
    return torch.tensor([region.box for region in regions]).float()


def nearest(regions: Sequence[Region], task: Task) -> Region:
    """The region that meets any of the task's true boxes best."""
    return regions[int(iou(boxes_of(regions), torch.tensor(task.boxes).float()).amax(dim=1).argmax())]
