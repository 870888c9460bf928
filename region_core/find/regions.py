"""A region is a mask of the picture; its box is derived. Regions are what a search found, best first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import overload

import torch
import torch.nn.functional as F
from torch import Tensor

from ..boxes import boxes_to_masks
from ..errors import InputError

Box = tuple[int, int, int, int]
SHOWN = 8  # regions that are told and drawn, by their numbers


@dataclass(frozen=True)
class Region:
    """Part of a picture of `size` (H, W) pixels.

    `cells` bool [h, w] is its mask on a grid that lies over the whole picture, as fine as what found it: the
    picture's own pixels, or a few dozen cells a side. `evidence` is the logarithm of its probability among the
    regions it was found with; one that is not `separate` is a better one's thing, cut wider or closer.
    """

    cells: Tensor
    size: tuple[int, int]
    evidence: float = 0.0
    separate: bool = True

    @classmethod
    def from_mask(cls, mask: Tensor, evidence: float = 0.0) -> Region:
        """Where a mask [1, 1, H, W] is above 0.5. InputError where nothing is."""
        cells = mask[0, 0] > 0.5
        if not bool(cells.any()):
            raise InputError("the region's mask is empty (no pixel above 0.5); paint it where the region is")
        return cls(cells.cpu(), (int(mask.shape[-2]), int(mask.shape[-1])), evidence)

    @classmethod
    def from_box(cls, box: Sequence[float], height: int, width: int, evidence: float = 0.0) -> Region:
        """The pixels of a box (x0, y0, x1, y1) of a picture, cut at its border."""
        boxes = torch.tensor([[float(v) for v in box]], dtype=torch.float32, device="cpu")
        return cls.from_mask(boxes_to_masks(boxes, height, width), evidence)

    @cached_property
    def box(self) -> Box:
        """The smallest box (x0, y0, x1, y1) round it, in whole pixels, half open, never empty."""
        height, width = self.size
        rows, columns = (self.cells.any(dim=axis).nonzero().flatten() for axis in (1, 0))
        down, across = height / self.cells.shape[0], width / self.cells.shape[1]
        x0, x1 = round(float(columns[0]) * across), round(float(columns[-1] + 1) * across)
        y0, y1 = round(float(rows[0]) * down), round(float(rows[-1] + 1) * down)
        x0, y0 = min(x0, width - 1), min(y0, height - 1)
        return x0, y0, max(x1, x0 + 1), max(y1, y0 + 1)

    @property
    def mask(self) -> Tensor:
        """[1, 1, H, W], 1 in the region and 0 outside; a new one each time, for large pictures have large ones."""
        cells = self.cells[None, None].float()
        if tuple(self.cells.shape) == self.size:
            return cells
        mask = (F.interpolate(cells, self.size, mode="bilinear", align_corners=False) >= 0.5).float()
        if not bool(mask.any()):  # a speck of the grid, between the pixels' centres
            return boxes_to_masks(torch.tensor([self.box], dtype=torch.float32, device="cpu"), *self.size)
        return mask

    @property
    def area(self) -> float:
        """The share of the picture that its box covers."""
        x0, y0, x1, y1 = self.box
        return (x1 - x0) * (y1 - y0) / (self.size[0] * self.size[1])


@dataclass(frozen=True)
class Regions(Sequence[Region]):
    """What was found for a caption in one picture, best first; empty where nothing was.

    `key` is the fingerprint of the picture (`EncodedPicture.key`). relevance [1, 1, h, w] 0..1, where in the picture
    the caption is; `presence`, the number that decided whether it is there at all (NaN where it was not asked); `why`
    nothing was found, in one sentence, else empty; `likeliest`, the regions that came nearest where nothing was found;
    `notes`, sentences on what limits the answer.
    """

    regions: tuple[Region, ...]
    key: str
    caption: str
    relevance: Tensor
    presence: float = float("nan")
    why: str = ""
    likeliest: tuple[Region, ...] = ()
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.regions)

    def __iter__(self) -> Iterator[Region]:
        return iter(self.regions)

    @overload
    def __getitem__(self, index: int) -> Region: ...
    @overload
    def __getitem__(self, index: slice) -> Regions: ...
    def __getitem__(self, index: int | slice) -> Region | Regions:
        # some of them are still of this picture and caption
        return replace(self, regions=self.regions[index]) if isinstance(index, slice) else self.regions[index]

    @property
    def found(self) -> bool:
        """Whether there is a region to paint."""
        return not self.why

    def pick(self, index: int) -> Regions:
        """The region of a place alone, 0 the best. InputError where there is none."""
        if not 0 <= index < len(self):
            have = f"choose 0 to {len(self) - 1}" if len(self) else "nothing was found"
            raise InputError(f"region {index} was asked for; {have}")
        return replace(self, regions=(self.regions[index],))

    def check(self, key: str, caption: str) -> None:
        """InputError where they were found in another picture, or for another caption."""
        if self.key != key:
            raise InputError("the regions were found in another picture; find them in this one, or leave them out")
        if self.caption.split() != caption.split():
            raise InputError(
                f"the regions were found for {self.caption!r} and the caption is {caption.strip()!r}; find them for "
                "this caption, or leave them out"
            )
