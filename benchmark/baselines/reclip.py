"""ReCLIP's choice among given boxes (Subramanian et al., ACL 2022), and the whole picture's."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

from region_core.boxes import pixel_boxes
from region_core.encoders import ClipScorer

from ..painting import Outcome, Setup, paint, painted
from ..worlds.task import Task
from .candidates import boxes_of, candidates

NEUTRAL = ("a photo", "a picture", "an image", "something", "a thing")
BLUR = 0.1  # of the longer side: the deviation of the Gaussian


@torch.inference_mode()
def crop_and_blur(source: Tensor, boxes: Tensor, caption: str, scorer: ClipScorer) -> Tensor:
    """Scores [N] of boxes [N, 4] of source [1, 3, H, W], in logits.

    The caption's logit for the box cut out and for the picture with all but the box blurred, added up,
    each less its mean over neutral texts. Nothing is filled with a flat colour.
    """
    height, width = source.shape[-2:]
    sigma = BLUR * max(height, width)
    reach = int(2 * sigma)
    blurred = gaussian_blur(F.pad(source, [reach] * 4, mode="replicate"), [2 * reach + 1] * 2, [sigma] * 2)
    blurred = blurred[..., reach : reach + height, reach : reach + width]
    side = scorer.image_size
    views = []
    for x0, y0, x1, y1 in pixel_boxes(boxes, height, width).tolist():
        crop = source[..., y0:y1, x0:x1]
        around = blurred.clone()
        around[..., y0:y1, x0:x1] = crop
        views += [F.interpolate(v, (side, side), mode="bicubic", antialias=True) for v in (crop, around)]
    embeddings = scorer.encode_images(torch.cat(views).clamp(0, 1))
    texts = torch.cat([scorer.encode_text(text) for text in (caption, *NEUTRAL)])
    scale: Tensor = scorer.model.logit_scale  # type: ignore[assignment]
    logits = float(scale.exp()) * embeddings @ texts.T
    return (logits[:, 0] - logits[:, 1:].mean(dim=1)).view(-1, 2).sum(dim=1)


def reclip(task: Task, setup: Setup) -> Outcome:
    """The row `reclip`: of the regions that the product considers the one that crop and blur prefer."""
    regions = candidates(setup.regions(task))
    scores = crop_and_blur(task.picture, boxes_of(regions), task.caption, setup.models.scorer)
    return painted(task, setup, regions[int(scores.argmax())])


def whole_picture(task: Task, setup: Setup) -> Outcome:
    """The row `whole_picture`: every region that the product considers is painted, and the published score of the whole
    picture, 2 cos(edit, prompt) + cos(edit, source), chooses."""
    scorer, regions = setup.models.scorer, candidates(setup.regions(task))
    edits = paint(task, regions, setup)
    embeddings = scorer.encode_images(edits)
    text = embeddings @ scorer.encode_text(task.prompt).T
    picture = embeddings @ scorer.encode_images(task.picture).T
    best = int((2 * text + picture)[:, 0].argmax())
    return Outcome(edits[best], regions[best])
