"""Rows of one region each: the centre, all, what stands out, chance, what is found alone; and those told the truth."""

from __future__ import annotations

import torch

from region_core.boxes import iou

from ..painting import Outcome, Setup, painted, region_of, untouched
from ..worlds.task import Task
from .candidates import candidates, nearest, window_boxes
from .heat import heat_region

ATTENDED = 0.6  # of DINO's attention: the cells that hold so much of it are the salient ones


def centre(task: Task, setup: Setup) -> Outcome:
    """A box of half the picture's sides in its middle: photographs have their subject there."""
    height, width = task.size
    return painted(task, setup, region_of(task, (width // 4, height // 4, width - width // 4, height - height // 4)))


def everything(task: Task, setup: Setup) -> Outcome:
    """The picture whole."""
    return painted(task, setup, region_of(task, (0, 0, task.size[1], task.size[0])))


def salient(task: Task, setup: Setup) -> Outcome:
    """The most salient thing, whatever the caption: the strongest piece of the cells that hold `ATTENDED` of DINO's
    attention."""
    attention = setup.models.dino(task.picture).attention[0].cpu()
    ordered = attention.flatten().sort(descending=True).values
    enough = int((ordered.cumsum(0) < ATTENDED * ordered.sum()).sum())
    low, high = attention.min(), attention.max()
    threshold = float((ordered[enough] - low) / (high - low).clamp(min=1e-12))
    return painted(task, setup, heat_region(attention, threshold, task.size), attention[None, None] / high)


def random_box(task: Task, setup: Setup) -> Outcome:
    """DINO anchor and random size: drawn evenly from the published method's windows."""
    boxes = window_boxes(task, setup)
    pick = torch.randint(len(boxes), (1,), generator=torch.Generator().manual_seed(setup.seed))
    return painted(task, setup, region_of(task, boxes[pick][0]))


def found(task: Task, setup: Setup) -> Outcome:
    """Where the product looks first, and what it costs to know that: nothing is painted."""
    regions = setup.regions(task)
    return Outcome(task.picture[0], regions[0] if len(regions) else None, regions.relevance)


def best_candidate(task: Task, setup: Setup) -> Outcome:
    """Of all regions that the product considers the one nearest the truth: what is lost beside it is lost by the choice
    among them. As `true_box` where no object is meant."""
    if not task.boxes:
        return true_box(task, setup)
    regions = setup.regions(task)
    return painted(task, setup, nearest(candidates(regions), task), regions.relevance)


def true_box(task: Task, setup: Setup) -> Outcome:
    """The painter's own limit: it is told where the object is.

    Where something is to be added it is told a free place; where nothing can be done, that.
    """
    if task.absent:
        return untouched(task)
    if task.boxes:
        return painted(task, setup, region_of(task, task.boxes[0]))
    taken = torch.tensor([o.box for o in task.case[0].objects]).float()
    places = window_boxes(task, setup)
    return painted(task, setup, region_of(task, places[iou(places, taken).sum(dim=1).argmin()]))
