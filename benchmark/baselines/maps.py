"""Maps cut at a level: the product's own relevance map, and the class activation map of the whole picture."""

from __future__ import annotations

import torch
from torch import Tensor

from region_core.encoders import ClipScorer, DinoEncoder
from region_core.errors import InputError
from region_core.resize import resize

from ..painting import Method, Outcome, Setup, painted
from ..worlds.task import Task
from .heat import finer, heat_region

LEVELS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)


def relevance_cut(level: float) -> Method:
    """The row `map:LEVEL`: the piece at the relevance map's peak, cut at a level of its range; it never says that
    nothing is there."""

    def run(task: Task, setup: Setup) -> Outcome:
        relevance = setup.regions(task).relevance
        return painted(task, setup, heat_region(finer(relevance[0, 0]), level, task.size, at_peak=True), relevance)

    return run


def cam_cut(level: float) -> Method:
    """The row `cam:LEVEL`: the same of the class activation map."""

    def run(task: Task, setup: Setup) -> Outcome:
        heat = activation_map(task.picture, task.caption, setup.models.scorer, setup.models.dino)
        shown = (heat - heat.min()) / (heat.max() - heat.min()).clamp(min=1e-8)
        return painted(task, setup, heat_region(finer(heat, 4), level, task.size, at_peak=True), shown[None, None])

    return run


@torch.inference_mode()
def activation_map(source: Tensor, caption: str, scorer: ClipScorer, dino: DinoEncoder) -> Tensor:
    """[h, w]: what each place of source [1, 3, H, W] adds to its answer to the caption, the picture seen once, whole.

    The places are not brought to unit length: as in CAM, one that answers loudly counts for more. InputError where the
    model shows no places.
    """
    whole = resize(source, scorer.image_size, scorer.image_size).clamp(0, 1)
    seen = scorer.places(whole, dino(source).features)
    if seen is None:
        raise InputError(
            "the rows cam:LEVEL read what CLIP says of each place, and this one shows none; leave them out."
        )
    return torch.einsum("ehw,e->hw", seen[1][0].float().cpu(), scorer.encode_text(caption)[0].float().cpu())
