"""The third step: regions of a picture painted by an inpainting model, all else left alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from ..defaults import plain_defaults
from ..encode import key_of
from ..find import Box, Region, Regions
from ..picture import Picture
from ..settings import PaintSettings
from .crop import Crop, crop_region, stitch
from .painter import Painter, StepInfo


@dataclass(frozen=True)
class Edit:
    """One region of a picture, painted: `crop` as it was cut out, painted [1, 3, s, s] in 0..1.

    Once ranked, `score` is the final score (0 that of the source; of the published method the weighed cosines),
    `rank_score` the number that put the edits in order, the sum of `parts`; `improves` whether the edit is better than
    leaving the picture alone.
    """

    source: Picture
    region: Region
    crop: Crop
    painted: Tensor
    score: float = float("nan")
    rank_score: float = float("nan")
    parts: dict[str, float] = field(default_factory=dict)
    improves: bool = True

    @property
    def box(self) -> Box:
        """The region's (x0, y0, x1, y1), in whole pixels of the source."""
        return self.region.box

    @property
    def picture(self) -> Tensor:
        """[1, 3, H, W]: the picture with the region painted; where the mask is 0, the source bit for bit."""
        return self._kept[0]

    @property
    def mask(self) -> Tensor:
        """[1, 1, H, W] in 0..1: how much of the edit shows."""
        return self._kept[1]

    @cached_property
    def _kept(self) -> tuple[Tensor, Tensor]:
        return self.stitched()

    def stitched(self) -> tuple[Tensor, Tensor]:
        """Picture and mask, made anew: of many edits of a large picture few are kept."""
        picture, mask = stitch(self.source.rgb.float(), self.crop, self.painted)
        return self.source.restored(picture, mask), mask


@plain_defaults
@torch.inference_mode()
def paint_regions(
    picture: Picture,
    regions: Sequence[Region],
    painter: Painter,
    *,
    seed: int,
    settings: PaintSettings | None = None,
    tint: bool = True,
    on_step: Callable[[StepInfo], None] | None = None,
) -> list[Edit]:
    """An edit of each region, in their order, all from the noise of `seed`, by a painter bound to its prompt.

    `on_step` is called after each sampling step and may raise to stop. InputError for regions of another picture.
    """
    settings = settings or PaintSettings()
    source = picture.rgb.float()
    if isinstance(regions, Regions):
        regions.check(key_of(picture), regions.caption)
    if not len(regions):
        return []
    crops = [crop_region(source, region, painter.size, settings, tint=tint) for region in regions]
    painted = painter(
        torch.cat([crop.picture for crop in crops]),
        torch.cat([crop.mask for crop in crops]),
        seed=seed,
        steps=settings.steps,
        guidance=settings.guidance_scale,
        strength=settings.strength,
        on_step=on_step,
    )
    edits = zip(regions, crops, painted.split(1), strict=True)
    return [Edit(picture, region, crop, one) for region, crop, one in edits]
