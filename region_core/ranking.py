"""The choice among finished edits, by other measures than the loss that led to them."""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.ops import roi_align

from .boxes import expand
from .encoders import ClipScorer


class Ranking:
    """The paper's final score, `a cos(edit, prompt) + b cos(edit, source)`, on the whole picture,
    and beside it what the edit did inside its box.

    Inside the box the question is the change: how far did the crop move from the caption towards
    the prompt? A whole picture alone rewards an edit beside the object, which leaves it standing.
    """

    def __init__(self, scorer: ClipScorer, source: Tensor, caption: str, prompt: str, *,
                 test_alpha: float = 2.0, test_beta: float = 1.0) -> None:
        self.scorer, self.source = scorer, source
        self.alpha, self.beta = test_alpha, test_beta
        self.texts = torch.cat([scorer.encode_text(prompt), scorer.encode_text(caption)])
        self.embedding = scorer.encode_images(source)

    @property
    def source_score(self) -> float:
        """The score of leaving the picture alone."""
        text = self.embedding @ self.texts.T
        return float(self.alpha * (text[0, 0] - text[0, 1]) + self.beta)

    @torch.inference_mode()
    def scores(self, edits: Tensor, boxes: Tensor) -> Tensor:
        """Scores [N] of edits [N, 3, h, w] of boxes [N, 4] (pixels of these pictures)."""
        whole = self.scorer.encode_images(edits)
        text = whole @ self.texts.T
        image = (whole @ self.embedding.T)[:, 0]
        near = self._near(edits, boxes)
        gain = (text[:, 0] - text[:, 1]) + (near[:, 0] - near[:, 1])
        return (self.alpha * gain / 2 + self.beta * image).float().cpu()

    def _near(self, pictures: Tensor, boxes: Tensor) -> Tensor:
        """Cosines [N, 2] with prompt and caption of the surroundings of boxes [N, 4]."""
        wide = expand(boxes.to(pictures), 1.3, *pictures.shape[-2:])
        rows = torch.arange(len(pictures), device=pictures.device, dtype=pictures.dtype)[:, None]
        crops = roi_align(pictures, torch.cat([rows, wide], dim=1), self.scorer.image_size,
                          sampling_ratio=-1, aligned=True)
        return self.scorer.encode_images(crops) @ self.texts.T

    @torch.inference_mode()
    def objection(self, edit: Tensor, box: Tensor) -> str:
        """Why the picture is better left alone, in one sentence; empty where it is not.

        edit [1, 3, h, w] of box [1, 4] must be nearer the prompt, against the caption, than the
        source is: as a whole or, since among many things CLIP may not see one change, round the box.
        """
        for before, after in (
                (self.embedding @ self.texts.T, self.scorer.encode_images(edit) @ self.texts.T),
                (self._near(self.source, box), self._near(edit, box))):
            if float(after[0, 0] - after[0, 1]) > float(before[0, 0] - before[0, 1]):
                return ""
        return "no edit moves the picture towards the prompt more than leaving it as it is"
