"""CLIP's own relevance map: where in the picture is what the caption names? Then inpaint there."""

from __future__ import annotations

import torch
from torch import Tensor

from region_core.encoders import ClipScorer

from ..painting import Method, Outcome, Setup, painted
from ..worlds.task import Task
from .heat import heat_region

SQUARE, STRIDE = 5 / 16, 1 / 16  # of the shorter side


@torch.inference_mode()
def occlusion(
    source: Tensor, caption: str, scorer: ClipScorer, square: float = SQUARE, stride: float = STRIDE
) -> Tensor:
    """[H, W]: for each pixel of source [1, 3, H, W], how much the caption's similarity falls when a
    square over it is covered by the picture's mean colour: the mean over all squares, `stride` apart.
    """
    height, width = source.shape[-2:]
    side = max(2, round(square * min(height, width)))
    step = max(1, round(stride * min(height, width)))
    colour = source[0].mean(dim=(1, 2))[:, None, None]
    text = scorer.encode_text(caption)
    before = float(scorer.encode_images(source) @ text.T)
    starts = ((length, range(-side // 2, length - side // 2 + 1, step)) for length in (height, width))
    spans = [[(max(0, low), min(length, low + side)) for low in lows] for length, lows in starts]
    places = [(slice(*y), slice(*x)) for y in spans[0] for x in spans[1]]
    total, count = torch.zeros(height, width), torch.zeros(height, width)
    for start in range(0, len(places), 64):
        some = places[start : start + 64]
        covered = source.repeat(len(some), 1, 1, 1)
        for picture, (y, x) in zip(covered, some, strict=True):
            picture[:, y, x] = colour
        drops = before - (scorer.encode_images(covered) @ text.T)[:, 0].float().cpu()
        for (y, x), drop in zip(some, drops, strict=True):
            total[y, x] += drop
            count[y, x] += 1
    return total / count.clamp(min=1)


def clip_heatmap(threshold: float = 0.7, stride: float = STRIDE) -> Method:
    """The row `clip_heatmap`: the occlusion map cut at a level, one full edit in it."""

    def run(task: Task, setup: Setup) -> Outcome:
        heat = occlusion(task.picture, task.caption, setup.models.scorer, stride=stride)
        return painted(task, setup, heat_region(heat, threshold, task.size))

    return run
