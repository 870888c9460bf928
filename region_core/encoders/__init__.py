"""The two kinds of encoder, under one import path."""

from __future__ import annotations

from .base import IMAGENET_MEAN, IMAGENET_STD, PatchEncoder, PatchFeatures, Scorer
from .clip import TEMPLATE, ClipScorer
from .clip_loading import load_clip
from .dino import DinoEncoder
from .dino_loading import load_dino

__all__ = [
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "TEMPLATE",
    "ClipScorer",
    "DinoEncoder",
    "PatchEncoder",
    "PatchFeatures",
    "Scorer",
    "load_clip",
    "load_dino",
]
