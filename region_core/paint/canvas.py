"""Candidates at work: windows and latents at the model's size, and how each looks in the picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from ..resize import resize
from .borders import Borders
from .painter import Inpainter, Latents
from .tint import tinted
from .windows import box_masks, crop, stitch, stitch_at, windows_for

SMALLEST_PREVIEW = 512  # pixels a side: Stable Diffusion falls apart below
LEAST_SIDE = 8  # pixels of a region where it is painted: a cell of Stable Diffusion's latents
LEAST_SHARE = 0.003  # of the picture
SMALL_SIDE = 512  # pictures are compared at this size at most; CLIP sees less still


@dataclass(frozen=True)
class Work:
    """N candidates part of the way through sampling.

    `boxes` [N, 4] as they were found (source pixels), `painted` [N, 4] the same after growing,
    `windows` [N, 4] the squares round them. `edits` [N, 3, s, s] are the latents decoded, where that
    has been done: it costs as much as several sampling steps.
    """

    boxes: Tensor
    painted: Tensor
    windows: Tensor
    latents: Latents
    edits: Tensor | None = None

    @staticmethod
    def cat(parts: Sequence[Work]) -> Work:
        """Parts at the same step of the same schedule as one, in order; decoded where all of them are."""
        boxes, painted, windows = (
            torch.cat([getattr(part, name) for part in parts]) for name in ("boxes", "painted", "windows")
        )
        edits = [part.edits for part in parts if part.edits is not None]
        return Work(
            boxes,
            painted,
            windows,
            Latents.cat([part.latents for part in parts]),
            torch.cat(edits) if len(edits) == len(parts) else None,
        )

    def select(self, indices: Sequence[int]) -> Work:
        """The candidates named, in that order."""
        index = torch.as_tensor(indices, dtype=torch.long)
        return replace(
            self,
            boxes=self.boxes[index],
            painted=self.painted[index],
            windows=self.windows[index],
            latents=self.latents.select(index),
            edits=None if self.edits is None else self.edits[index],
        )


def reduced(source: Tensor) -> Tensor:
    """The copy of source [1, 3, H, W] that the search works on: no side longer than SMALL_SIDE."""
    height, width = source.shape[-2:]
    scale = min(1.0, SMALL_SIDE / max(height, width))
    if scale == 1:
        return source
    return resize(source, max(1, round(height * scale)), max(1, round(width * scale))).clamp(0, 1)


class Canvas:
    """One source picture [1, 3, H, W] in front of one inpainter, all candidates from one noise."""

    def __init__(
        self, source: Tensor, inpainter: Inpainter, *, seed: int, borders: Borders | None = None, strength: float = 1.0
    ) -> None:
        self.source, self.inpainter, self.seed = source, inpainter, seed
        self.borders, self.strength = borders or Borders(), strength
        self.height, self.width = source.shape[-2:]
        self.small = reduced(source)

    def small_boxes(self, boxes: Tensor) -> Tensor:
        """Boxes [N, 4] of the source in pixels of the small picture."""
        x, y = self.small.shape[-1] / self.width, self.small.shape[-2] / self.height
        return boxes * boxes.new_tensor([x, y, x, y])

    def full_boxes(self, boxes: Tensor) -> Tensor:
        """Boxes [N, 4] of the small picture in whole pixels of the source."""
        x, y = self.width / self.small.shape[-1], self.height / self.small.shape[-2]
        limits = torch.tensor([self.width, self.height] * 2)
        return torch.minimum((boxes.cpu() * torch.tensor([x, y, x, y])).round().clamp(min=0), limits)

    def paintable(self, boxes: Tensor) -> Tensor:
        """Which of boxes [N, 4] are large enough to be painted, [N]: both sides have `LEAST_SIDE` pixels of
        the model's own, and the area `LEAST_SHARE` of the picture's. What is smaller is a speck."""
        windows = windows_for(boxes, self.height, self.width, self.inpainter.size)
        scale = self.inpainter.size / (windows[:, 2] - windows[:, 0])
        sides = boxes[:, 2:] - boxes[:, :2]
        share = sides.prod(dim=1) / (self.height * self.width)
        return (sides.amin(dim=1) * scale >= LEAST_SIDE) & (share >= LEAST_SHARE)

    @property
    def preview_size(self) -> int:
        """Side that previews are painted at: half the model's own, where models still paint well."""
        half = self.inpainter.size // 2 // 64 * 64  # latents that a UNet can halve three times
        return half if half >= SMALLEST_PREVIEW else self.inpainter.size

    @property
    def preview_share(self) -> float:
        """Of the pixels of a full edit."""
        return (self.preview_size / self.inpainter.size) ** 2

    def begin(self, boxes: Tensor, steps: int, sample: int = 0, *, size: int | None = None) -> Work:
        """Start an edit of `steps` sampling steps in each box [N, 4], all from noise number `sample`.

        `size`: side in pixels that it is painted at, a multiple of 8; the model's own by default.
        """
        size = size or self.inpainter.size
        painted = self.borders.painted(boxes, self.height, self.width)
        windows = windows_for(self.borders.touched(boxes, self.height, self.width), self.height, self.width, size)
        masks = box_masks(painted, windows, self.height, self.width, size)
        # seeds that are neighbours would share their noises
        seed = self.seed if sample == 0 else (self.seed * 1_000_003 + sample) % 2**63
        latents = self.inpainter.begin(crop(self.source, windows, size), masks, seed, steps, strength=self.strength)
        return Work(boxes, painted, windows, latents)

    def advance(self, work: Work, stop: int, guidance: float) -> Work:
        """Sample on to step `stop` of the schedule."""
        return replace(work, latents=self.inpainter.advance(work.latents, stop, guidance), edits=None)

    def half_way(self, work: Work, steps: int, guidance: float) -> Work:
        """Sample on to the middle of what is left: one step at least, and one is left."""
        first = work.latents.step
        return self.advance(work, max((first + steps) // 2, first + 1), guidance)

    def decoded(self, work: Work) -> Work:
        """The same work with its `edits`, for all that is asked of it next."""
        if work.edits is not None:
            return work
        return replace(work, edits=self.inpainter.decode(work.latents).to(self.source))

    def _edits(self, work: Work) -> Tensor:
        edits = self.decoded(work).edits
        assert edits is not None
        return edits

    def pictures(self, work: Work) -> Tensor:
        """The edits as they stand, in the small picture: [N, 3, h, w]."""
        return stitch_at(self.small, self._edits(work), work.windows, work.painted, self.height, self.width)

    def glimpse(self, work: Work) -> Tensor:
        """`pictures` at half the resolution: decoding costs a quarter."""
        small = avg_pool2d(work.latents.denoised, 2)
        return self.pictures(replace(work, latents=replace(work.latents, denoised=small), edits=None))

    def full(self, work: Work, index: int) -> tuple[Tensor, Tensor]:
        """One edit in the full picture [1, 3, H, W] and its region mask [1, 1, H, W].

        Pixels where the mask is 0 equal the source bit for bit.
        """
        one = work.select([index])
        edit, size = self._edits(one), self.inpainter.size
        if self.borders.tinted:
            found, painted = (
                box_masks(boxes, one.windows, self.height, self.width, size).to(edit)
                for boxes in (one.boxes, one.painted)
            )
            edit = tinted(edit, crop(self.source, one.windows, size), found, painted)
        mask = self.borders.masks(one.boxes, self.height, self.width).to(self.source)
        return stitch(self.source, edit, one.windows, mask), mask
