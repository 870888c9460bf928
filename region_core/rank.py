"""The choice among finished edits, by another measure than the loss that taught the generator.

The paper ranks by 2 cos(edit, prompt) + cos(edit, source). Here both are changes from the source, and in
units of the distance between the two texts, so that no scale of a CLIP model matters: an edit that moves
the picture from caption to prompt as far as the texts lie apart gains 1. A picture of many things hardly
moves, so the surroundings of the region are judged beside the whole.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.ops import roi_align

from .boxes import expand
from .find.regions import PictureEvidence

AROUND = 1.3  # a region is judged with so many times its sides


@dataclass(frozen=True)
class Judgement:
    """Of N edits, each [N]: `text`, how far from caption to prompt (0 the source, 1 the texts' own
    distance), its halves `whole` and `near` (the whole picture and round the region); `picture`, how
    far from the source in any direction, 0 or less; `score`, both weighed, 0 for the source.
    """

    whole: Tensor
    near: Tensor
    picture: Tensor
    score: Tensor

    @property
    def text(self) -> Tensor:
        """The mean of whole and near."""
        return (self.whole + self.near) / 2


class Ranking:
    """Judges edits of one picture; `alpha` weighs the texts, `beta` the likeness to the source."""

    def __init__(self, evidence: PictureEvidence, *, alpha: float = 2.0, beta: float = 1.0) -> None:
        self.evidence, self.scorer = evidence, evidence.scorer
        self.alpha, self.beta = alpha, beta
        self.direction = evidence.texts[0] - evidence.texts[1]
        self.unit = self.direction.square().sum().clamp(min=1e-6)

    @torch.inference_mode()
    def judge(self, edits: Tensor, boxes: Tensor) -> Judgement:
        """Edits [N, 3, h, w] of boxes [N, 4] (pixels of these pictures)."""
        source = self.evidence.picture
        change = self.scorer.encode_images(edits) - self.evidence.embedding
        before = self._near(source.expand(len(boxes), -1, -1, -1), boxes)
        near = self._near(edits, boxes) - before
        whole, near = ((some @ self.direction / self.unit).float().cpu() for some in (change, near))
        picture = (-change.square().sum(dim=1) / 2 / self.unit).float().cpu()
        score = last(self.alpha * (whole + near) / 2 + self.beta * picture)
        return Judgement(whole, near, picture, score)

    def _near(self, pictures: Tensor, boxes: Tensor) -> Tensor:
        """Embeddings [N, E] of the surroundings of boxes [N, 4]."""
        wide = expand(boxes.to(pictures), AROUND, *pictures.shape[-2:])
        rows = torch.arange(len(pictures), device=pictures.device, dtype=pictures.dtype)[:, None]
        crops = roi_align(pictures, torch.cat([rows, wide], dim=1), self.scorer.image_size, aligned=True)
        return self.scorer.encode_images(crops)


def last(numbers: Tensor) -> Tensor:
    """The same, but where a number is none (NaN): an edit that a model spoilt is put behind all others."""
    return torch.where(numbers.isnan(), -torch.inf, numbers)


def improves(judged: Judgement) -> Tensor:
    """Which edits are better than leaving the picture alone: bool [N].

    An edit must be nearer the prompt, against the caption, than the source is: as a whole or, since
    among many things CLIP may not see one change, round the region.
    """
    return (judged.whole > 0) | (judged.near > 0)
