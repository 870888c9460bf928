"""The two encoders of the method, under one import path."""

from __future__ import annotations

from .clip import TEMPLATE, ClipScorer
from .clip_loading import load_clip
from .dino import IMAGENET_MEAN, IMAGENET_STD, DinoEncoder, PatchFeatures, load_dino

__all__ = [
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "TEMPLATE",
    "ClipScorer",
    "DinoEncoder",
    "PatchFeatures",
    "load_clip",
    "load_dino",
]
