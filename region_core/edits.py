"""What came of an edit: the painted regions and the answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

import torch
import torch.nn.functional as F
from torch import Tensor

from .cost import Cost
from .encode import EncodedPicture
from .find import Box, Regions
from .paint import Edit
from .paper.network import RegionGenerator
from .settings import EditSettings

EDITED, NO_REGION = "edited", "no region"


@dataclass(frozen=True)
class Edits(Sequence[Edit]):
    """What came of an edit: the painted regions, best first, and the answer.

    `verdict` is "edited", or "no region" with a `reason`; then the answer is the source. `regions` are what was found,
    tried_boxes [n, 4] the boxes of all of them, or of what came nearest where nothing was. The published method has no
    such step: with it `regions` are None, `tried_boxes` the windows that were laid, `rounds` has a record a round,
    `generator` is the region generator as the rounds left it, and `source_score` the score of leaving the picture alone
    (else 0). `cost` was counted on the models.
    """

    edits: tuple[Edit, ...]
    encoded: EncodedPicture
    regions: Regions | None
    settings: EditSettings
    caption: str
    prompt: str
    reason: str = ""
    source_score: float = 0.0
    tried_boxes: Tensor = field(default_factory=lambda: torch.zeros(0, 4, dtype=torch.float32))
    rounds: list[dict[str, Any]] = field(default_factory=list)
    generator: RegionGenerator | None = None
    cost: Cost = Cost()
    seconds: float = 0.0

    def __len__(self) -> int:
        return len(self.edits)

    def __iter__(self) -> Iterator[Edit]:
        return iter(self.edits)

    @overload
    def __getitem__(self, index: int) -> Edit: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Edit]: ...
    def __getitem__(self, index: int | slice) -> Edit | Sequence[Edit]:
        return self.edits[index]

    @property
    def best(self) -> Edit | None:
        """The answer; None where leaving the picture alone is."""
        return None if self.reason else self.edits[0]

    @property
    def verdict(self) -> str:
        """What came of it, in two words."""
        return NO_REGION if self.best is None else EDITED

    @property
    def image(self) -> Tensor:
        """[1, 3, H, W]: the answer, the source's own values where nothing was edited (also beyond 0..1)."""
        source = self.encoded.picture
        untouched = source.rgb.float() if source.own is None else source.own
        return untouched if self.best is None else self.best.picture

    @property
    def alpha(self) -> Tensor | None:
        """[1, 1, H, W], the source's."""
        return self.encoded.picture.alpha

    @property
    def mask(self) -> Tensor:
        """[1, 1, H, W] in 0..1: how much of the edit shows; where it is 0, the image is the source bit for bit."""
        return torch.zeros_like(self.encoded.picture.rgb[:, :1]) if self.best is None else self.best.mask

    @property
    def box(self) -> Box | None:
        """The region of the answer, (x0, y0, x1, y1) in whole pixels, as it was found."""
        return None if self.best is None else self.best.box

    @property
    def score(self) -> float:
        """The answer's final score."""
        return 0.0 if self.best is None else self.best.score

    @property
    def seed(self) -> int:
        """The seed of the noise."""
        return self.settings.seed

    @property
    def saliency(self) -> Tensor:
        """[1, 1, H, W] 0..1: DINO's attention; 0 where regions were given, which needs no DINO."""
        source = self.encoded.picture.rgb
        if self.encoded.features is None:
            return torch.zeros_like(source[:, :1])
        return self.encoded.features.saliency(*source.shape[-2:])[:1]

    @property
    def relevance(self) -> Tensor:
        """[1, 1, H, W] 0..1: where the caption is; by the published method DINO's attention."""
        if self.regions is None:
            return self.saliency
        return as_large(self.regions.relevance, self.encoded.picture.rgb)

    @property
    def unet_evaluations(self) -> float:
        """Forwards of one picture through the UNet."""
        return self.cost.unet_evaluations


def as_large(values: Tensor, source: Tensor) -> Tensor:
    """A map [1, 1, h, w] of at least 0 as large as the source, its highest 1: [1, 1, H, W]."""
    values = values.to(source) / values.amax().clamp(min=1e-8).to(source)
    return F.interpolate(values, size=source.shape[-2:], mode="bilinear", align_corners=False)
