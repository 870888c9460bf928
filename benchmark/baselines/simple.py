"""Rows of one box each: the centre, what stands out, chance, what is found alone; and those that are told the truth."""

from __future__ import annotations

import torch

from region_core.boxes import iou
from region_core.find.find_region import find_region

from ..painting import Outcome, Setup, painted, untouched, whole
from ..worlds.task import Task
from .candidates import nearest, proposed_boxes, window_boxes
from .heat import heat_box

ATTENDED = 0.6  # of DINO's attention: the cells that hold so much of it are the salient ones


def centre(task: Task, setup: Setup) -> Outcome:
    """A box of half the picture's sides in its middle: photographs have their subject there."""
    height, width = task.size
    return painted(task, setup, torch.tensor([width / 4, height / 4, width * 3 / 4, height * 3 / 4]).round())


def salient(task: Task, setup: Setup) -> Outcome:
    """The most salient thing, whatever the caption: a box round the strongest piece of the cells that
    hold `ATTENDED` of DINO's attention."""
    attention = setup.models.dino(task.picture).attention[0].cpu()
    ordered = attention.flatten().sort(descending=True).values
    enough = int((ordered.cumsum(0) < ATTENDED * ordered.sum()).sum())
    low, high = attention.min(), attention.max()
    threshold = float((ordered[enough] - low) / (high - low).clamp(min=1e-12))
    return painted(task, setup, heat_box(attention, threshold, *task.size))


def random_box(task: Task, setup: Setup) -> Outcome:
    """DINO anchor and random size: drawn evenly from the standard preset's windows."""
    boxes = window_boxes(task, setup)
    pick = torch.randint(len(boxes), (1,), generator=torch.Generator().manual_seed(setup.seed))
    return painted(task, setup, boxes[pick][0])


def found(task: Task, setup: Setup) -> Outcome:
    """Where the product looks first, and what it costs to know that: nothing is painted."""
    models = setup.models
    settings = setup.settings("standard")
    box = find_region(task.picture, task.caption, task.prompt, models.dino, models.scorer, settings)
    return Outcome(task.picture[0], None if box is None else whole(torch.tensor(box)))


def true_box(task: Task, setup: Setup) -> Outcome:
    """The painter's own limit: it is told where the object is.

    Where something is to be added it is told a free place; where nothing can be done, that.
    """
    if task.absent:
        return untouched(task)
    if task.boxes:
        return painted(task, setup, torch.tensor(task.boxes[0]))
    taken = torch.tensor([o.box for o in task.case[0].objects]).float()
    places = window_boxes(task, setup)
    return painted(task, setup, places[iou(places, taken).sum(dim=1).argmin()])


def best_candidate(task: Task, setup: Setup) -> Outcome:
    """The windows' own limit: the one nearest the true box is painted. As `true_box` elsewhere."""
    return painted(task, setup, nearest(window_boxes(task, setup), task)) if task.boxes else true_box(task, setup)


def best_proposed(task: Task, setup: Setup) -> Outcome:
    """Of all boxes that the product proposes the one nearest the true box: what is lost beside it is lost
    by the choice among them. As `true_box` where no object is meant."""
    return painted(task, setup, nearest(proposed_boxes(task, setup), task)) if task.boxes else true_box(task, setup)
