"""What an edit is worth: the paper's clip, directional and structure losses."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from ..boxes import expand, pixel_boxes
from ..encoders import ClipScorer
from ..errors import InputError
from ..resize import resize

if TYPE_CHECKING:
    from ..find.regions import PictureEvidence
    from ..settings import SearchSettings

CROP_FACTOR = 1.5  # a box is judged with half its size of surroundings, so that CLIP sees a scene
FLOOR = 0.02  # of the texts' distance: a shorter change has no direction


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


@dataclass(frozen=True)
class View:
    """A crop in shares of the picture (0..1), possibly mirrored left to right."""

    x0: float
    y0: float
    x1: float
    y1: float
    flip: bool

    def __call__(self, images: Tensor) -> Tensor:
        """[B, 3, H, W] -> [B, 3, h, w], the view's part of it, at least one pixel."""
        height, width = images.shape[-2:]
        left, top = int(self.x0 * width), int(self.y0 * height)
        right = max(left + 1, round(self.x1 * width))
        bottom = max(top + 1, round(self.y1 * height))
        crop = images[..., top:bottom, left:right]
        return crop.flip(-1) if self.flip else crop


def random_views(count: int, seed: int) -> list[View]:
    """`count` views of every picture: the whole of it, then random crops, half of them mirrored.

    The same crops for every picture, so that two edits differ by their pixels alone; they depend on
    `seed` only. Crops keep 64 to 100 % of the area, so that few of them miss the box.
    """
    if count < 1:
        raise InputError(f"The number of views is {count}; choose 1 (no crops) or more.")
    generator = torch.Generator("cpu").manual_seed(seed)
    views = [View(0.0, 0.0, 1.0, 1.0, False)]
    for _ in range(count - 1):
        size, left, top, mirror = torch.rand(4, generator=generator).tolist()
        side = 0.8 + 0.2 * size
        x0, y0 = left * (1 - side), top * (1 - side)
        views.append(View(x0, y0, x0 + side, y0 + side, mirror < 0.5))
    return views


class RegionLoss:
    """The loss of edits of one source picture [1, 3, H, W]; `texts` [2, E] are embeddings of prompt and caption.

    CLIP sees so many `views` of each picture. What it makes of the source is kept from the first call on.
    """

    def __init__(
        self, scorer: ClipScorer, source: Tensor, texts: Tensor, weights: LossWeights, views: int, seed: int
    ) -> None:
        if source.ndim != 4 or source.shape[:2] != (1, 3):
            raise InputError(f"The source has shape {tuple(source.shape)}; pass one picture, [1, 3, H, W].")
        self.scorer, self.source, self.weights = scorer, source, weights
        self.target, self.text_direction = texts[0], texts[0] - texts[1]
        self.views = random_views(views, seed)
        self._source_crops: dict[tuple[int, ...], Tensor] = {}  # pixels of a crop -> [E]

    @classmethod
    def of(cls, evidence: PictureEvidence, settings: SearchSettings) -> RegionLoss:
        """The loss of an edit whose texts are encoded already."""
        weights = LossWeights.of(settings)
        return cls(evidence.scorer, evidence.picture, evidence.texts, weights, settings.views, settings.seed)

    @cached_property
    def _source_seen(self) -> tuple[Tensor, Tensor | None]:
        """Embeddings of the source's views [V, E] and, where it has a weight, its structure [1, N, N]."""
        embeddings, tokens = self.scorer.encode_images_and_tokens(
            self._seen(self.source), with_tokens=1 if self.weights.structure else 0
        )
        return embeddings, self_similarity(tokens) if len(tokens) else None

    def _seen(self, images: Tensor) -> Tensor:
        """[B, 3, H, W] -> [V*B, 3, s, s], view by view, the whole pictures first."""
        return torch.cat([self._small(view(images)) for view in self.views])

    def _small(self, images: Tensor) -> Tensor:
        size = self.scorer.image_size
        return resize(images.float(), size, size).clamp(0, 1)

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
        source_views, source_structure = self._source_seen
        weights = self.weights
        cuts: list[tuple[int, ...]] = []
        if weights.crop:
            around = expand(boxes, CROP_FACTOR, height, width)
            cuts = [tuple(row) for row in pixel_boxes(around, height, width).tolist()]
        new = [cut for cut in dict.fromkeys(cuts) if cut not in self._source_crops]

        batch = [self._seen(edits)]
        batch += [self._cut(edit[None], cut) for edit, cut in zip(edits, cuts, strict=False)]
        batch += [self._cut(self.source.to(edits.device), cut) for cut in new]
        embeddings, tokens = self.scorer.encode_images_and_tokens(
            torch.cat(batch), with_tokens=count if weights.structure else 0
        )
        views = len(self.views)
        whole, crops, fresh = embeddings.split([views * count, len(cuts), len(new)])
        self._source_crops.update(zip(new, fresh, strict=True))

        before = source_views.to(whole)[:, None]
        clip, direction = self._text_terms(whole.unflatten(0, (views, count)), before)
        if cuts:
            old = torch.stack([self._source_crops[cut].to(crops) for cut in cuts])
            clip_crop, direction_crop = self._text_terms(crops[None], old[None])
            clip = (clip + weights.crop * clip_crop) / (1 + weights.crop)
            direction = (direction + weights.crop * direction_crop) / (1 + weights.crop)

        structure = torch.zeros_like(clip)
        if source_structure is not None:
            change = self_similarity(tokens) - source_structure.to(tokens)
            structure = change.square().mean(dim=(1, 2))
        total = weights.clip * clip + weights.direction * direction + weights.structure * structure
        terms = (total, clip, direction, structure)
        return LossTerms(*(term.to(edits.device) for term in terms))

    def _text_terms(self, after: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
        """after [V, N, E], before [V, N or 1, E] -> L_clip, L_dir: means over views, each [N]."""
        clip = 1 - after @ self.target.to(after)
        direction = 1 - _soft_cosine(after - before, self.text_direction.to(after))
        return clip.mean(dim=0), direction.mean(dim=0)


def _soft_cosine(change: Tensor, direction: Tensor) -> Tensor:
    """Cosine over the last axis that fades to 0 for changes shorter than `FLOOR` times the direction.

    An edit equal to its source, or a view that misses the box, has no direction: what is left of it
    is rounding noise, which a plain cosine would blow up to anything between -1 and 1. Differences
    of embeddings by a real edit are an order of magnitude longer. Both lengths shrink alike where a
    CLIP model's space is narrower.
    """
    whole = direction.norm().clamp(min=1e-6)
    length = change.norm(dim=-1).maximum(FLOOR * whole)
    return (change @ direction) / (length * whole)


def self_similarity(tokens: Tensor) -> Tensor:
    """S [B, N, N]: cosine of every pair of an image's patch tokens [B, N, D]."""
    unit = F.normalize(tokens.float(), dim=-1)
    return unit @ unit.transpose(1, 2)
