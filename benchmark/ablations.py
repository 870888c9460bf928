"""One switch each: the standard search without one of its parts, or with one more."""

from __future__ import annotations

import torch

from region_core.encoders import PatchFeatures
from region_core.settings import SearchSettings

# name of the row -> what is changed in the standard search: a part taken out, or put in
SWITCHES: dict[str, dict[str, object]] = {
    "standard-previews": {"previews": "never"},
    "standard+previews": {"previews": "always"},
    "standard-crops": {"loss_crop": 0.0, "previews": "always"},
    "standard+gumbel": {"learning": "gumbel", "previews": "always"},
    "standard-regions": {"num_regions": 1},
    "standard-nms": {"anchor_distance": 0.0},
    "standard-windows": {"max_window_size": 6},
    "standard+halving": {"noise_samples": 2},  # two noises a region, the worse dropped half way
}

# The three settings that the published method's guides recommend: (point_number, per_image_iteration,
# max_window_size), from quick to thorough
RECOMMENDED = ((5, 10, 5), (10, 15, 9), (20, 20, 12))
GUIDE: dict[str, tuple[str, dict[str, object]]] = {
    f"{name}:{points}/{rounds}/{window}": (
        name,
        {"point_number": points, "per_image_iteration": rounds, "max_window_size": window},
    )
    for name in ("standard", "paper")
    for points, rounds, window in RECOMMENDED
}


def ablations(settings: SearchSettings) -> dict[str, SearchSettings]:
    """Name of the row -> the settings with that one change, for every switch."""
    return {name: settings.with_values(**change) for name, change in SWITCHES.items()}


def random_anchors(features: PatchFeatures, seed: int) -> PatchFeatures:
    """The same features with attention drawn at random, so that anchors lie anywhere."""
    noise = torch.rand(features.attention.shape, generator=torch.Generator().manual_seed(seed))
    return PatchFeatures(features.features, noise.to(features.attention))
