"""What travels on the pack's own sockets: plain values, never a live network.

ComfyUI keeps outputs by reference and runs nodes without gradients; so what learns is built where
it is taught, from these, and nothing that was passed on is ever changed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch

from ..region_core.edits_list.items import Item
from ..region_core.edits_list.results import ListResults
from ..region_core.encode import EncodedPicture, key_of
from ..region_core.encoders import PatchFeatures
from ..region_core.errors import InputError
from ..region_core.find import Regions
from ..region_core.paint import Crop
from ..region_core.paper.network import RegionGenerator, build_generator, check_shape
from ..region_core.picture import picture_from
from ..region_core.settings import FindSettings
from .common import check_same, to_core


@dataclass(frozen=True)
class LearnedGenerator:
    """Weights of a region generator that has been taught, with its shape and how it was taught."""

    config: dict[str, int]
    state: dict[str, torch.Tensor]
    settings: dict[str, Any] = field(default_factory=dict)
    name: str = "the learned generator"

    @classmethod
    def of(cls, modules: list[RegionGenerator], settings: dict[str, Any]) -> LearnedGenerator:
        """The mean of generators that started out equal (one an image of a batch)."""
        with torch.no_grad():
            states = [module.state_dict() for module in modules]
            mean = {key: torch.stack([state[key].detach().cpu() for state in states]).mean(dim=0) for key in states[0]}
        return cls(modules[0].config, mean, settings)

    def build(self, device: torch.device | str = "cpu") -> RegionGenerator:
        """A network of its own with these weights, which can be taught further."""
        module = build_generator(seed=0, device=device, **self.config)
        with torch.inference_mode(False):
            module.load_state_dict({key: value.clone() for key, value in self.state.items()})
        return module

    def check(self, feature_dim: int, sizes: int | None = None) -> None:
        """Raise InputError where it was taught on other features or, with `sizes`, for another max_window_size."""
        check_shape(self.config, f"{self.name} was taught with", feature_dim, sizes)


@dataclass(frozen=True)
class GeneratorDescription:
    """What the Learnable Region Generator node saw in its pictures: features of B pictures of `size` (H, W);
    prior [B,1,H,W] or None."""

    features: PatchFeatures
    size: tuple[int, int]
    prior: torch.Tensor | None
    settings: FindSettings
    learned: LearnedGenerator | None = None

    def __len__(self) -> int:
        return int(self.features.features.shape[0])

    @property
    def keys(self) -> tuple[str, ...]:
        """The fingerprint of each picture."""
        return self.features.keys

    def features_of(self, index: int) -> PatchFeatures:
        """Features of one picture; copies outside inference mode, for gradients are to be had."""
        with torch.inference_mode(False), torch.no_grad():
            rows = slice(index, index + 1)
            features, attention = self.features.features[rows].clone(), self.features.attention[rows].clone()
        return PatchFeatures(features, attention, self.keys[rows])

    def prior_of(self, index: int) -> torch.Tensor | None:
        """The prior [1,1,H,W] of one picture."""
        return None if self.prior is None else self.prior[index : index + 1]

    def build(self) -> RegionGenerator | None:
        """The learned network to teach further, if there is one; InputError where it was taught on other features
        or sizes."""
        maps = self.features.features
        if self.learned is None:
            return None
        self.learned.check(maps.shape[1], self.settings.max_window_size)
        return self.learned.build(maps.device)


@dataclass(frozen=True)
class LossDescription:
    """What the CLIP Region Loss node was told; `scorer` stays under the memory manager."""

    scorer: Any
    caption: str
    prompt: str


@dataclass(frozen=True)
class FoundRegions:
    """What Find Region by Text found: regions of each picture of a batch, and the pictures as they were encoded,
    so that painting one encodes and searches nothing."""

    regions: tuple[Regions, ...]
    encoded: tuple[EncodedPicture, ...]
    scorer: Any  # that encoded them

    @property
    def keys(self) -> tuple[str, ...]:
        """The fingerprint of each picture."""
        return tuple(one.key for one in self.regions)

    def __len__(self) -> int:
        return len(self.regions)

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the pictures."""
        height, width = self.encoded[0].picture.rgb.shape[-2:]
        return int(height), int(width)


def check_pictures(image: torch.Tensor, name: str, made: GeneratorDescription | FoundRegions) -> None:
    """Raise InputError where the value of socket `name` was made from other pictures than an IMAGE [B,H,W,C]."""
    check_same(image, name, made)
    for index, key in enumerate(made.keys):
        if key_of(picture_from(to_core(image[index : index + 1]))) != key:
            raise InputError(
                f"picture {index + 1} of the image is another than the {name} came from; connect the same image to "
                "both, the edited one if it was edited in between"
            )


@dataclass(frozen=True)
class Stitches:
    """What Region Crop cut out: the IMAGE [B,H,W,C] it was, and each crop with its picture's place in the batch."""

    image: torch.Tensor
    crops: tuple[tuple[int, Crop], ...]


@dataclass(frozen=True)
class ListedEdit:
    """One edit of a list, where all of the list's results go, and what its result is known by in a later run."""

    item: Item
    results: ListResults
    stamp: str
