"""Rows that isolate one part: the painter, the candidates, the screen."""

from __future__ import annotations

import torch

from region_core.boxes import iou
from region_core.demo.models import shapes_settings
from region_core.demo.scenes import SIZE, Edit, Scene
from region_core.encoders.loading import Models
from region_core.proposals.propose import place_candidates, propose
from region_core.proposals.screen import Screen, lattice
from region_core.ranking import Ranking

from ..painting import Outcome, inpainter_of, paint, picture_of, whole


def true_box(scene: Scene, edit: Edit, models: Models, seed: int) -> Outcome:
    """The inpainting model's own limit: it is told where the object is.

    Where something is to be added it is told a free place; where nothing can be done, that.
    """
    source, inpainter = picture_of(scene), inpainter_of(models, edit)
    if edit.kind == "absent":
        return Outcome(source[0], None, 0)
    objects = torch.tensor([o.box for o in scene.objects]).float()
    if edit.target is not None:
        box = objects[edit.target]
    else:
        places = lattice(SIZE, SIZE)
        box = places[iou(places, objects).sum(dim=1).argmin()]
    pictures = paint(source, box[None], inpainter, shapes_settings("standard"), seed)
    return Outcome(pictures[0], whole(box), inpainter.evaluations)


def random_box(scene: Scene, edit: Edit, models: Models, seed: int) -> Outcome:
    """DINO anchor and random size: drawn evenly from the standard preset's candidates."""
    settings = shapes_settings("standard")
    source, inpainter = picture_of(scene), inpainter_of(models, edit)
    candidates = place_candidates(models.dino(source), SIZE, SIZE, settings)
    generator = torch.Generator().manual_seed(seed)
    pick = torch.randint(len(candidates), (1,), generator=generator)
    box = candidates.boxes[pick]
    pictures = paint(source, box, inpainter, settings, seed)
    return Outcome(pictures[0], whole(box[0]), inpainter.evaluations)


def best_candidate(scene: Scene, edit: Edit, models: Models, seed: int) -> Outcome:
    """The candidates' own limit: the one nearest the true box is painted. As `true_box` elsewhere."""
    if edit.target is None:
        return true_box(scene, edit, models, seed)
    settings = shapes_settings("standard")
    source, inpainter = picture_of(scene), inpainter_of(models, edit)
    boxes = place_candidates(models.dino(source), SIZE, SIZE, settings).boxes
    truth = torch.tensor([scene.objects[edit.target].box]).float()
    box = boxes[iou(boxes, truth)[:, 0].argmax()]
    pictures = paint(source, box[None], inpainter, settings, seed)
    return Outcome(pictures[0], whole(box), inpainter.evaluations)


def exhaustive(scene: Scene, edit: Edit, models: Models, seed: int) -> Outcome:
    """The ceiling of a search over the candidates: every one at full steps, the best final score
    (the search's own, with the screen's evidence) wins.
    """
    settings = shapes_settings("standard")
    source, inpainter = picture_of(scene), inpainter_of(models, edit)
    candidates = place_candidates(models.dino(source), SIZE, SIZE, settings)
    evidence = Screen(models.scorer, source, edit.caption).evidence(candidates.boxes).total
    ranking = Ranking(models.scorer, source, edit.caption, edit.prompt)
    pictures = paint(source, candidates.boxes, inpainter, settings, seed)
    scores = ranking.scores(pictures, candidates.boxes) + settings.test_gamma * evidence
    top = int(scores.argmax())
    if ranking.objection(pictures[top:top + 1], candidates.boxes[top:top + 1]):
        return Outcome(source[0], None, inpainter.evaluations)
    return Outcome(pictures[top], whole(candidates.boxes[top]), inpainter.evaluations)


def best_proposed(scene: Scene, edit: Edit, models: Models, seed: int) -> Outcome:
    """Of all boxes that the screen ends with, refined and fitted, the one nearest the true box: what is
    lost beside it is lost by CLIP's choice among them. As `true_box` where no object is meant."""
    if edit.target is None:
        return true_box(scene, edit, models, seed)
    settings = shapes_settings("standard")
    source, inpainter = picture_of(scene), inpainter_of(models, edit)
    features = models.dino(source)
    candidates = place_candidates(features, SIZE, SIZE, settings)
    pool = propose(source, edit.caption, candidates, features, models.scorer, settings).pool
    boxes, truth = pool.boxes.round(), torch.tensor([scene.objects[edit.target].box]).float()
    box = boxes[iou(boxes, truth)[:, 0].argmax()]
    pictures = paint(source, box[None], inpainter, settings, seed)
    return Outcome(pictures[0], whole(box), inpainter.evaluations)
