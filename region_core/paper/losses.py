"""What an edit is worth: the paper's clip, directional and structure losses."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from ..encode import EncodedPicture
from ..encoders import ClipScorer
from ..errors import InputError
from ..resize import resize
from ..settings import PaperSettings

FLOOR = 0.02  # of the texts' distance: a shorter change has no direction


@dataclass
class LossTerms:
    """Each [N], one number an edit, lower is better; `total` is the weighted sum of the others.

    clip and direction lie in 0..2 (means over views), structure, a mean square, in 0..4.
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
        size, left, top, mirror = torch.rand(4, generator=generator, dtype=torch.float32).tolist()
        side = 0.8 + 0.2 * size
        x0, y0 = left * (1 - side), top * (1 - side)
        views.append(View(x0, y0, x0 + side, y0 + side, mirror < 0.5))
    return views


class RegionLoss:
    """The loss of edits of one encoded picture; texts [2, E] are embeddings of prompt and caption.

    CLIP sees `settings.views` views of each edit, the same of all. What it makes of the source is kept.
    """

    def __init__(
        self, scorer: ClipScorer, encoded: EncodedPicture, texts: Tensor, settings: PaperSettings, seed: int
    ) -> None:
        self.scorer, self.source, self.settings = scorer, encoded.small, settings
        self.target, self.text_direction = texts[0], texts[0] - texts[1]
        self.views = random_views(settings.views, seed)

    @cached_property
    def _source_seen(self) -> tuple[Tensor, Tensor | None]:
        """Embeddings of the source's views [V, E] and, where it has a weight, its structure [1, N, N]."""
        embeddings, tokens = self.scorer.encode_images_and_tokens(
            self._seen(self.source), with_tokens=1 if self.settings.loss_gamma else 0
        )
        return embeddings, self_similarity(tokens) if len(tokens) else None

    def _seen(self, images: Tensor) -> Tensor:
        """[B, 3, H, W] -> [V*B, 3, s, s], view by view, the whole pictures first."""
        return torch.cat([self._small(view(images)) for view in self.views])

    def _small(self, images: Tensor) -> Tensor:
        size = self.scorer.image_size
        return resize(images.float(), size, size).clamp(0, 1)

    @torch.no_grad()
    def __call__(self, edits: Tensor) -> LossTerms:
        """edits [N, 3, H, W] of the source's size -> the loss of each, on the edits' device.

        L_clip = 1 - cos(E(edit), T(prompt));
        L_dir = 1 - cos(E(edit) - E(source), T(prompt) - T(caption));
        L_str = mean((S(edit) - S(source))^2), on the whole picture.
        All views of all edits go to CLIP as one batch. InputError where shapes differ.
        """
        if edits.shape[1:] != self.source.shape[1:]:
            raise InputError(
                f"The edits have shape {tuple(edits.shape)}; pass {['N', *self.source.shape[1:]]}, the source's size."
            )
        source_views, source_structure = self._source_seen
        settings, count = self.settings, len(edits)
        embeddings, tokens = self.scorer.encode_images_and_tokens(
            self._seen(edits), with_tokens=count if settings.loss_gamma else 0
        )
        after = embeddings.unflatten(0, (len(self.views), count))
        clip, direction = self._text_terms(after, source_views.to(after)[:, None])
        structure = torch.zeros_like(clip)
        if source_structure is not None:
            change = self_similarity(tokens) - source_structure.to(tokens)
            structure = change.square().mean(dim=(1, 2))
        total = settings.loss_alpha * clip + settings.loss_beta * direction + settings.loss_gamma * structure
        return LossTerms(*(term.to(edits.device) for term in (total, clip, direction, structure)))

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
