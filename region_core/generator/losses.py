"""What an edit is worth: the paper's clip, directional and structure losses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from ..boxes import expand, pixel_boxes
from ..encoders import ClipScorer
from ..errors import InputError
from ..resize import resize
from .views import Views

if TYPE_CHECKING:
    from ..proposals.regions import PictureEvidence
    from ..settings import SearchSettings

__all__ = ["BoundLoss", "LossTerms", "LossWeights", "RegionLoss", "Views", "self_similarity"]

CROP_FACTOR = 1.5  # a box is judged with half its size of surroundings, so that CLIP sees a scene


@dataclass(frozen=True)
class LossWeights:
    """Weights of the terms. `clip`, `direction`, `structure` are the paper's alpha, beta, gamma.

    `crop` weighs the text terms on the crop round the box against 1 for the whole picture, which
    alone rewards what leaks out of the region; 0 leaves the crops out.
    """

    clip: float = 1.0
    direction: float = 1.0
    structure: float = 1.0
    crop: float = 1.0

    @classmethod
    def of(cls, settings: SearchSettings) -> LossWeights:
        """The weights that a search's settings name."""
        return cls(settings.loss_alpha, settings.loss_beta, settings.loss_gamma, settings.loss_crop)


@dataclass
class LossTerms:
    """Each [N], one number an edit, lower is better; `total` is the weighted sum of the others.

    clip and direction lie in 0..2 (means over views, and over whole picture and crop), structure, a
    mean square, in 0..4.
    """

    total: Tensor
    clip: Tensor
    direction: Tensor
    structure: Tensor


class RegionLoss:
    """The loss of an edit from `caption` to `prompt`.

    texts: embeddings [2, E] of prompt and caption, where they are encoded already. views:
    how many views of each picture CLIP sees, or the `Views` themselves.
    """

    def __init__(
        self,
        scorer: ClipScorer,
        caption: str,
        prompt: str,
        weights: LossWeights | None = None,
        views: int | Views = 4,
        seed: int = 0,
        texts: Tensor | None = None,
    ) -> None:
        self.scorer = scorer
        self.weights = weights or LossWeights()
        self.views = Views(views, seed) if isinstance(views, int) else views
        if texts is None:
            texts = torch.cat([scorer.encode_text(prompt), scorer.encode_text(caption)])
        self.target = texts[:1]
        self.text_direction = texts[:1] - texts[1:]

    @classmethod
    def of(cls, evidence: PictureEvidence, settings: SearchSettings) -> RegionLoss:
        """The loss of an edit whose texts are encoded already."""
        texts, weights = (evidence.caption, evidence.prompt), LossWeights.of(settings)
        return cls(evidence.scorer, *texts, weights, settings.views, settings.seed, evidence.texts)

    def bind(self, source: Tensor) -> BoundLoss:
        """The loss for edits of one source [1, 3, H, W], whose views are encoded here, once."""
        if source.ndim != 4 or source.shape[:2] != (1, 3):
            raise InputError(f"The source has shape {tuple(source.shape)}; pass one picture, [1, 3, H, W].")
        return BoundLoss(self, source)


class BoundLoss:
    """A `RegionLoss` that knows its source picture; made by `RegionLoss.bind`."""

    def __init__(self, loss: RegionLoss, source: Tensor) -> None:
        self.loss, self.source = loss, source
        embeddings, tokens = loss.scorer.encode_images_and_tokens(
            self._views(source), with_tokens=1 if loss.weights.structure else 0
        )
        self._source_views = embeddings  # [V, E]
        self._source_structure = self_similarity(tokens) if len(tokens) else None
        self._source_crops: dict[tuple[int, ...], Tensor] = {}  # pixels of a crop -> [E]

    def _views(self, images: Tensor) -> Tensor:
        """[B, 3, H, W] -> [V*B, 3, s, s], view by view, the whole pictures first."""
        return torch.cat([self._small(view) for view in self.loss.views(images)])

    def _small(self, images: Tensor) -> Tensor:
        size = self.loss.scorer.image_size
        small = resize(images.float(), size, size)
        return small.clamp(0, 1)

    def _cut(self, image: Tensor, pixels: tuple[int, ...]) -> Tensor:
        x0, y0, x1, y1 = pixels
        return self._small(image[..., y0:y1, x0:x1])

    @torch.no_grad()
    def __call__(self, edits: Tensor, boxes: Tensor) -> LossTerms:
        """edits [N, 3, H, W], boxes [N, 4] in pixels -> the loss of each, on the edits' device.

        L_clip = 1 - cos(E(edit), T(prompt));
        L_dir = 1 - cos(E(edit) - E(source), T(prompt) - T(caption));
        L_str = mean((S(edit) - S(source))^2), on the whole picture.
        All views and crops of all edits go to CLIP as one batch. InputError where shapes differ.
        """
        height, width = self.source.shape[-2:]
        count = len(edits)
        if edits.shape[1:] != self.source.shape[1:] or tuple(boxes.shape) != (count, 4):
            raise InputError(
                f"The edits have shape {tuple(edits.shape)} and the boxes {tuple(boxes.shape)}; "
                f"pass [N, 3, {height}, {width}], the source's size, and [N, 4]."
            )
        weights = self.loss.weights
        cuts: list[tuple[int, ...]] = []
        if weights.crop:
            around = expand(boxes, CROP_FACTOR, height, width)
            cuts = [tuple(row) for row in pixel_boxes(around, height, width).tolist()]
        new = [cut for cut in dict.fromkeys(cuts) if cut not in self._source_crops]

        batch = [self._views(edits)]
        batch += [self._cut(edit[None], cut) for edit, cut in zip(edits, cuts, strict=False)]
        batch += [self._cut(self.source.to(edits.device), cut) for cut in new]
        embeddings, tokens = self.loss.scorer.encode_images_and_tokens(
            torch.cat(batch), with_tokens=count if weights.structure else 0
        )
        views = len(self._source_views)
        whole, crops, fresh = embeddings.split([views * count, len(cuts), len(new)])
        self._source_crops.update(zip(new, fresh, strict=True))

        before = self._source_views.to(whole)[:, None]
        clip, direction = self._text_terms(whole.unflatten(0, (views, count)), before)
        if cuts:
            old = torch.stack([self._source_crops[cut].to(crops) for cut in cuts])
            clip_crop, direction_crop = self._text_terms(crops[None], old[None])
            clip = (clip + weights.crop * clip_crop) / (1 + weights.crop)
            direction = (direction + weights.crop * direction_crop) / (1 + weights.crop)

        structure = torch.zeros_like(clip)
        if self._source_structure is not None:
            change = self_similarity(tokens) - self._source_structure.to(tokens)
            structure = change.square().mean(dim=(1, 2))
        total = weights.clip * clip + weights.direction * direction + weights.structure * structure
        terms = (total, clip, direction, structure)
        return LossTerms(*(term.to(edits.device) for term in terms))

    def _text_terms(self, after: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
        """after [V, N, E], before [V, N or 1, E] -> L_clip, L_dir: means over views, each [N]."""
        target = self.loss.target.to(after)[0]
        clip = 1 - after @ target
        direction = 1 - _soft_cosine(after - before, self.loss.text_direction.to(after)[0])
        return clip.mean(dim=0), direction.mean(dim=0)


def _soft_cosine(change: Tensor, direction: Tensor, floor: float = 0.02) -> Tensor:
    """Cosine over the last axis that fades to 0 for changes shorter than `floor` times the direction.

    An edit equal to its source, or a view that misses the box, has no direction: what is left of it
    is rounding noise, which a plain cosine would blow up to anything between -1 and 1. Differences
    of embeddings by a real edit are an order of magnitude longer. Both lengths shrink alike where a
    CLIP model's space is narrower.
    """
    whole = direction.norm().clamp(min=1e-6)
    length = change.norm(dim=-1).maximum(floor * whole)
    return (change @ direction) / (length * whole)


def self_similarity(tokens: Tensor) -> Tensor:
    """S [B, N, N]: cosine of every pair of an image's patch tokens [B, N, D]."""
    unit = F.normalize(tokens.float(), dim=-1)
    return unit @ unit.transpose(1, 2)
