"""CLIP's space moved to another scale of cosines, with nothing else changed.

Each CLIP has its own: of one a match has a cosine of 0.3 and anything else 0.16, of another 0.1 and 0.
A folder of weights may state in its `open_clip_config.json` "bend": {"slope": s, "shift": a}; every
cosine c between a picture and a text is then a + s c. That is a constant component beside what the last
projections give, in the measure of its length, so that a whole embedding and a place's bend alike.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from region_core.encoders import ClipScorer, load_clip
from region_core.errors import InputError


class Beside(nn.Module):
    """Vectors [..., E] to [..., E + 2]: of the same length, with a share of it along constants."""

    def __init__(self, slope: float, constants: tuple[float, float]) -> None:
        super().__init__()
        self.root = math.sqrt(slope)
        self.constants = constants

    def forward(self, vectors: Tensor) -> Tensor:
        length = vectors.norm(dim=-1, keepdim=True)
        return torch.cat([vectors * self.root, *(length * c for c in self.constants)], dim=-1)


class BentProjection(nn.Module):
    """A projection matrix [D, E] and `Beside`; stands where open_clip writes `x @ projection`."""

    def __init__(self, matrix: nn.Parameter, beside: Beside) -> None:
        super().__init__()
        self.matrix, self.beside = matrix, beside

    def __rmatmul__(self, vectors: Tensor) -> Tensor:
        return self.beside(vectors @ self.matrix)


class BentLinear(nn.Linear):
    """The same for a projection that is a layer."""

    def __init__(self, layer: nn.Linear, beside: Beside) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = layer.in_features, layer.out_features
        self.weight, self.bias, self.beside = layer.weight, layer.bias, beside

    def forward(self, vectors: Tensor) -> Tensor:
        return self.beside(super().forward(vectors))


def constants_for(slope: float, shift: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """What stands beside pictures and beside texts so that a cosine c becomes shift + slope * c.

    InputError where no unit vectors have such cosines: the slope must be above 0 and, with the shift
    (its sign aside), at most 1.
    """
    if not 0 < slope <= 1 or abs(shift) > 1 - slope + 1e-9:
        raise InputError(
            f"The bend has slope {slope:g} and shift {shift:g}; the slope must be above 0 and the two, the "
            "shift without its sign, at most 1 together."
        )
    room = math.sqrt(1 - slope)
    along = shift / room if room else 0.0
    return (room, 0.0), (along, math.sqrt(max(0.0, 1 - slope - along**2)))


def bend_model(model: nn.Module, slope: float, shift: float) -> None:
    """Change an open_clip model in place: a cosine c becomes shift + slope * c.

    InputError for an image tower whose last projection this cannot reach (it reaches open_clip's vision
    transformer and timm's towers).
    """
    image, text = (Beside(slope, c) for c in constants_for(slope, shift))
    visual: Any = model.visual
    if isinstance(getattr(visual, "proj", None), nn.Parameter):
        _replace(visual, "proj", image)
    elif isinstance(getattr(visual, "head", None), nn.Module):
        visual.head = nn.Sequential(visual.head, image)
    else:
        raise InputError(
            f"The bend cannot reach the last projection of a {type(visual).__name__}; use a model with a "
            "vision transformer of open_clip's or a tower of timm's."
        )
    _replace(model if hasattr(model, "text_projection") else model.text, "text_projection", text)


def _replace(owner: Any, name: str, beside: Beside) -> None:
    old = getattr(owner, name)
    delattr(owner, name)
    bent = BentLinear(old, beside) if isinstance(old, nn.Linear) else BentProjection(old, beside)
    setattr(owner, name, bent)


def load_folder(folder: str | Path) -> ClipScorer:
    """The CLIP in a folder of weights, bent as its `open_clip_config.json` states; InputError as of `load_clip`."""
    scorer = load_clip(str(folder))
    config = json.loads((Path(folder) / "open_clip_config.json").read_text(encoding="utf-8"))
    if "bend" in config:
        bend_model(scorer.model, float(config["bend"]["slope"]), float(config["bend"]["shift"]))
    return scorer
