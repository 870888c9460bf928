"""A classifier of ImageNet's classes in the shape of CLIP: its texts are nouns, found in WordNet.

A picture's embedding is what the classifier pools, and a one that carries the bias; a text's is the mean of the weights
of the classes that it means, so that their product is the mean of the classes' logits. Nothing is trained.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from region_core.encoders import ClipScorer

from .nouns import Nouns

SIDE = 260  # pixels that EfficientNet-Lite2 reads
MEAN, STD = (127 / 255,) * 3, (128 / 255,) * 3
IDLE = {"a", "an", "the", "of", "image", "high", "quality", "photo", "picture"}  # the template's words
UNKNOWN_TEXT = 50  # classes whose mean stands for a text that means none
Classes = Callable[[str], dict[int, float]]


class Trunk(nn.Module):
    """A convolutional network whose last maps are pooled by their mean, as timm's towers show themselves."""

    def __init__(self, maps: nn.Module) -> None:
        super().__init__()
        self.maps = maps

    def forward_features(self, pixels: Tensor) -> Tensor:
        """[B, 3, H, W] -> [B, C, h, w]"""
        return self.maps(pixels)

    def forward_head(self, maps: Tensor) -> Tensor:
        """[B, C, h, w] -> [B, C]"""
        return maps.mean(dim=(2, 3))


class WithOne(nn.Module):
    """[..., C] -> [..., C + 1]: a one more."""

    def forward(self, values: Tensor) -> Tensor:
        return torch.cat([values, torch.ones_like(values[..., :1])], dim=-1)


class Tower(nn.Module):
    """Trunk and head, as open_clip's wrapper of timm's towers has them."""

    def __init__(self, maps: nn.Module) -> None:
        super().__init__()
        self.trunk, self.head = Trunk(maps), WithOne()

    def forward(self, pixels: Tensor) -> Tensor:
        return self.head(self.trunk.forward_head(self.trunk.forward_features(pixels)))


class ClassifierClip(nn.Module):
    """`maps`: the network up to its last maps; weight [K, C] and bias [K] of its last layer; `classes_of` says which
    classes a noun means, and how much each counts."""

    def __init__(self, maps: nn.Module, weight: Tensor, bias: Tensor, classes_of: Classes) -> None:
        super().__init__()
        self.visual, self.classes_of = Tower(maps), classes_of
        # what all classes share says nothing of any
        both = torch.cat([weight - weight.mean(dim=0), (bias - bias.mean())[:, None]], dim=1)
        self.register_buffer("weights", both.detach().clone())
        self.logit_scale = nn.Parameter(torch.tensor(math.log(100.0)))

    def encode_image(self, pixels: Tensor) -> Tensor:
        """[B, C + 1]"""
        return self.visual(pixels)

    def encode_text(self, tokens: Tensor) -> Tensor:
        """[n, C + 1] of texts as `letters` writes them."""
        return torch.stack([self._text("".join(chr(int(code)) for code in row if code > 0)) for row in tokens])

    def _text(self, text: str) -> Tensor:
        words = [word for word in re.findall(r"[a-z]+", text.lower()) if word not in IDLE]
        nouns = (noun for phrase in (" ".join(words), *reversed(words)) for noun in (phrase, phrase.removesuffix("s")))
        meant = next((found for noun in nouns if (found := self.classes_of(noun))), None)
        meant = meant or dict.fromkeys(range(UNKNOWN_TEXT), 1.0)
        weights: Any = self.weights
        share = torch.tensor(list(meant.values())).to(weights)
        return share @ weights[list(meant)] / share.sum()


class Letters:
    """A tokenizer whose tokens are letters."""

    context_length = 200

    def __call__(self, texts: Sequence[str], context_length: int | None = None) -> Tensor:
        ids = torch.zeros(len(texts), context_length or self.context_length, dtype=torch.long)
        for row, text in zip(ids, texts, strict=True):
            codes = [ord(letter) for letter in text][: len(row)]
            row[: len(codes)] = torch.tensor(codes)
        return ids


def scorer_of(clip: ClassifierClip, side: int = SIDE) -> ClipScorer:
    """The classifier as what the product takes for CLIP."""
    return ClipScorer(clip, Letters(), side, MEAN, STD)


def noun_classes(nouns: Nouns, wnids: Sequence[str]) -> Classes:
    """Which of ImageNet's classes (n and eight digits each) a noun means."""
    senses = [wnid.removeprefix("n") for wnid in wnids]
    return lambda noun: nouns.classes_of(noun, senses)
