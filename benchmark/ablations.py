"""One switch each: the standard search without one of its parts, or with one more."""

from __future__ import annotations

import torch

from region_core.encoders import PatchFeatures
from region_core.settings import SearchSettings

# name of the row -> what is changed in the standard search: a part taken out, or put in
SWITCHES: dict[str, dict[str, object]] = {
    "standard-screen": {"screen": False, "learning": "exact"},  # looks choose, and teach
    "standard-finalists": {"num_regions": 1},
    "standard-refine": {"refine": False},
    "standard-fit": {"fit": False},
    "standard-nms": {"anchor_distance": 0.0},
    "standard-windows": {"max_window_size": 6},
    "standard+looks": {"learning": "exact"},
    "standard+halving": {"noise_samples": 2},  # two noises a finalist, the worse dropped half way
    # what looks are good for shows only where no screen chooses
    "standard-screen-learning": {"screen": False},
    "standard-screen-crops": {"screen": False, "learning": "exact", "loss_crop": 0.0},
    "standard-screen-looks": {"screen": False, "learning": "exact", "per_image_iteration": 1},
}


def ablations(settings: SearchSettings) -> dict[str, SearchSettings]:
    """Name of the row -> the settings with that one change, for every switch."""
    return {name: settings.with_values(**change) for name, change in SWITCHES.items()}


def random_anchors(features: PatchFeatures, seed: int) -> PatchFeatures:
    """The same features with attention drawn at random, so that anchors lie anywhere."""
    noise = torch.rand(features.attention.shape, generator=torch.Generator().manual_seed(seed))
    return PatchFeatures(features.features, noise.to(features.attention))
