"""The fourth step: which painted region is the answer, by another measure than what found it.

The paper ranks by 2 cos(edit, prompt) + cos(edit, source). Here both are changes from the source, and in units of the
distance between the two texts, so that no scale of a CLIP model matters: an edit that moves the picture from caption to
prompt as far as the texts lie apart gains 1. A picture of many things hardly moves, so the surroundings of the region
are judged beside the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from .boxes import cut_squares, expand
from .defaults import plain_defaults
from .encode import EncodedPicture, reduced
from .encoders import ClipScorer
from .paint import Edit
from .settings import RankSettings

AROUND = 1.3  # a region is judged with so many times its sides


@plain_defaults
@torch.inference_mode()
def rank_edits(
    edits: Sequence[Edit],
    encoded: EncodedPicture,
    caption: str,
    prompt: str,
    *,
    scorer: ClipScorer,
    settings: RankSettings | None = None,
) -> list[Edit]:
    """The edits of an encoded picture, scored and best first.

    One rule: the evidence of the region, in nats, plus the final score of its edit. An edit must be nearer the prompt,
    against the caption, than the source is: as a whole or, since among many things CLIP may not see one change, round
    the region. One that is not stands behind all that are, so that one failure does not hide the next; and one that a
    model spoilt (NaN) stands last.
    """
    settings = settings or RankSettings()
    if not edits:
        return []
    for source in {id(edit.source): edit.source for edit in edits}.values():
        encoded = encoded if source is encoded.picture else encoded.of(source)
    target, origin = scorer.encode_text(prompt)[0], scorer.encode_text(caption)[0]
    encoded.check_text(target)
    direction = target - origin
    unit = direction.square().sum().clamp(min=1e-6)
    pictures = torch.cat([reduced(edit.stitched()[0].clamp(0, 1)) for edit in edits])
    height, width = encoded.picture.rgb.shape[-2:]
    small = torch.tensor([pictures.shape[-1] / width, pictures.shape[-2] / height] * 2, dtype=torch.float32)
    boxes = torch.tensor([edit.box for edit in edits], dtype=torch.float32) * small

    change = scorer.encode_images(pictures) - encoded.embedding.to(target)
    close = _close(scorer, pictures, boxes) - _close(scorer, encoded.small.expand(len(edits), -1, -1, -1), boxes)
    whole, near = ((seen @ direction / unit).float().cpu() for seen in (change, close))
    like_source = (-change.square().sum(dim=1) / 2 / unit).float().cpu()
    text, picture = settings.test_alpha * (whole + near) / 2, settings.test_beta * like_source
    scores = nan_to_neg_inf(text + picture).tolist()

    ranked = []
    for place, edit in enumerate(edits):
        parts = {"evidence": edit.region.evidence, "text": float(text[place]), "picture": float(picture[place])}
        improves = bool(whole[place] > 0) or bool(near[place] > 0)
        rank_score = edit.region.evidence + scores[place]
        ranked.append(replace(edit, score=scores[place], rank_score=rank_score, parts=parts, improves=improves))
    return sorted(ranked, key=lambda edit: (edit.improves, edit.rank_score), reverse=True)


def _close(scorer: ClipScorer, pictures: Tensor, boxes: Tensor) -> Tensor:
    """Embeddings [N, E] of the surroundings of boxes [N, 4], one in each of pictures [N, 3, h, w]."""
    wide = expand(boxes, AROUND, *pictures.shape[-2:])
    crops = [cut_squares(one[None], box[None], scorer.image_size) for one, box in zip(pictures, wide, strict=True)]
    return scorer.encode_images(torch.cat(crops))


def nan_to_neg_inf(numbers: Tensor) -> Tensor:
    """The same, but where a number is none (NaN): what a model spoilt is put behind all else."""
    return torch.where(numbers.isnan(), -torch.inf, numbers)
