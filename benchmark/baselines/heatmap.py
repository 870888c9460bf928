"""CLIP's own relevance map: where in the picture is what the caption names? Then inpaint there."""

from __future__ import annotations

import torch
from torch import Tensor

from region_core.demo.models import shapes_settings
from region_core.demo.scenes import SIZE, Edit, Scene
from region_core.encoders.loading import Models
from region_core.proposals.screen import Screen

from ..painting import Method, Outcome, inpainter_of, paint, picture_of, whole
from .heat import heat_box


def occlusion(source: Tensor, caption: str, models: Models, side: int = 40,
              stride: int = 8) -> Tensor:
    """[H, W]: for each pixel of source [1, 3, H, W], how much the caption's similarity falls when a
    square over it is covered: the mean over all squares of `side` pixels, `stride` apart.
    """
    height, width = source.shape[-2:]
    tops = range(-side // 2, height - side // 2 + 1, stride)
    lefts = range(-side // 2, width - side // 2 + 1, stride)
    boxes = torch.tensor([[x, y, x + side, y + side] for y in tops for x in lefts]).float()
    boxes = torch.minimum(boxes.clamp(min=0), torch.tensor([width, height] * 2))
    drops = Screen(models.scorer, source, caption).evidence(boxes).drop
    total, count = torch.zeros(height, width), torch.zeros(height, width)
    for (x0, y0, x1, y1), drop in zip(boxes.long().tolist(), drops, strict=True):
        total[y0:y1, x0:x1] += drop
        count[y0:y1, x0:x1] += 1
    return total / count.clamp(min=1)


def clip_heatmap(threshold: float = 0.7, stride: int = 8) -> Method:
    """The row `clip_heatmap`: the occlusion map thresholded to a box, one full edit in it.

    The best of four maps (occlusion by squares of 24 to 48 pixels, patch tokens against the text,
    Grad-CAM, each at its best threshold) in trials on 25 other scenes.
    """
    def run(scene: Scene, edit: Edit, models: Models, seed: int) -> Outcome:
        source, inpainter = picture_of(scene), inpainter_of(models, edit)
        box = heat_box(occlusion(source, edit.caption, models, stride=stride), threshold, SIZE, SIZE)
        pictures = paint(source, box[None], inpainter, shapes_settings("standard"), seed)
        return Outcome(pictures[0], whole(box), inpainter.evaluations)
    return run
