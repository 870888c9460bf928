"""The rows of the benchmark: ways to choose a region, each on the same scene, models and noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..canvas import Canvas
from ..diffusers_inpainter import DiffusersInpainter
from ..edit import edit_image
from ..propose import place_candidates
from ..ranking import Ranking
from ..settings import PRESETS, SearchSettings
from .models import ShapesModels, shapes_settings
from .scenes import SIZE, Edit, Scene


@dataclass(frozen=True)
class Outcome:
    """What a method made of a scene: picture [3, H, W] in 0..1, the box or None, its price."""

    image: Tensor
    box: tuple[float, float, float, float] | None
    unet_evaluations: int


Method = Callable[[Scene, Edit, ShapesModels, int], Outcome]


def picture_of(scene: Scene) -> Tensor:
    """The scene's picture as [1, 3, H, W] in 0..1."""
    return torch.from_numpy(scene.image.copy()).permute(2, 0, 1)[None].float() / 255


def _inpainter(models: ShapesModels, edit: Edit) -> DiffusersInpainter:
    return DiffusersInpainter(models.pipe, edit.prompt)


def ours(settings: SearchSettings) -> Method:
    """The product's own way, at given settings."""
    def run(scene: Scene, edit: Edit, models: ShapesModels, seed: int) -> Outcome:
        result = edit_image(picture_of(scene), edit.caption, edit.prompt,
                            inpainter=_inpainter(models, edit), dino=models.dino,
                            scorer=models.scorer, settings=settings, seed=seed)
        return Outcome(result.image[0], result.box, result.unet_evaluations)
    return run


def _paint(canvas: Canvas, boxes: Tensor, settings: SearchSettings) -> tuple[Tensor, Tensor]:
    """Full edits of boxes [N, 4]: pictures [N, 3, H, W] and the painted boxes."""
    work = canvas.begin(boxes, settings.steps)
    work = canvas.advance(work, settings.steps, settings.guidance_scale)
    return canvas.pictures(work), work.boxes


def true_box(scene: Scene, edit: Edit, models: ShapesModels, seed: int) -> Outcome:
    """The inpainting model's own limit: it is told where the object is."""
    settings = shapes_settings("standard")
    inpainter = _inpainter(models, edit)
    if edit.target is None:
        return Outcome(picture_of(scene)[0], None, 0)
    box = torch.tensor([scene.objects[edit.target].box]).float()
    pictures, boxes = _paint(Canvas(picture_of(scene), inpainter, seed=seed), box, settings)
    return Outcome(pictures[0], tuple(boxes[0].tolist()), inpainter.evaluations)


def random_box(scene: Scene, edit: Edit, models: ShapesModels, seed: int) -> Outcome:
    """A box drawn evenly from the standard preset's candidates, painted at full steps."""
    settings = shapes_settings("standard")
    source, inpainter = picture_of(scene), _inpainter(models, edit)
    candidates = place_candidates(models.dino(source), SIZE, SIZE, settings)
    generator = torch.Generator().manual_seed(seed)
    pick = torch.randint(len(candidates), (1,), generator=generator)
    pictures, boxes = _paint(Canvas(source, inpainter, seed=seed), candidates.boxes[pick], settings)
    return Outcome(pictures[0], tuple(boxes[0].tolist()), inpainter.evaluations)


def exhaustive(scene: Scene, edit: Edit, models: ShapesModels, seed: int) -> Outcome:
    """The ceiling of a search over the candidates: every one at full steps, the best score wins."""
    settings = shapes_settings("standard")
    source, inpainter = picture_of(scene), _inpainter(models, edit)
    candidates = place_candidates(models.dino(source), SIZE, SIZE, settings)
    canvas = Canvas(source, inpainter, seed=seed)
    ranking = Ranking(models.scorer, source, edit.caption, edit.prompt)
    best, chosen, box = -float("inf"), source[0], torch.zeros(4)
    for part in candidates.boxes.split(16):
        pictures, boxes = _paint(canvas, part, settings)
        scores = ranking.scores(pictures, boxes)
        top = int(scores.argmax())
        if float(scores[top]) > best:
            best, chosen, box = float(scores[top]), pictures[top], boxes[top]
    return Outcome(chosen, tuple(box.tolist()), inpainter.evaluations)


METHODS: dict[str, Method] = {
    **{name: ours(shapes_settings(name)) for name in PRESETS},
    "random": random_box,
    "true_box": true_box,
    "exhaustive": exhaustive,
}
