"""One switch each: the standard search without one of its parts."""

from __future__ import annotations

import torch

from ..encoders import PatchFeatures
from ..settings import SearchSettings

# name of the part -> what is changed to take it out
SWITCHES: dict[str, dict[str, object]] = {
    "screen": {"screen": False},
    "looks": {"per_image_iteration": 1},
    "halving": {"drafts": 1},  # every finalist is painted once, to the end
    "refine": {"refine": False},
    "fit": {"fit": False},
    "nms": {"anchor_distance": 0.0},
    "windows": {"max_window_size": 6},
    # the screen chooses alone, so what looks are good for shows only without it
    "screen-learning": {"screen": False, "learning": "off"},
    "screen-crops": {"screen": False, "loss_crop": 0.0},
    "screen-looks": {"screen": False, "per_image_iteration": 1},
}


def ablations(settings: SearchSettings) -> dict[str, SearchSettings]:
    """`standard-PART` -> settings without the part, for every switch."""
    return {f"standard-{part}": settings.with_values(**change) for part, change in SWITCHES.items()}


def random_anchors(features: PatchFeatures, seed: int) -> PatchFeatures:
    """The same features with attention drawn at random, so that anchors lie anywhere."""
    noise = torch.rand(features.attention.shape, generator=torch.Generator().manual_seed(seed))
    return PatchFeatures(features.features, noise.to(features.attention))
