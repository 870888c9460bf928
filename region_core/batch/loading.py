"""Pictures read from disk by processes of their own while others are edited."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ..errors import InputError
from ..images import Picture, load_picture
from .items import Item
from .plan import file_digest


@dataclass(frozen=True)
class Loaded:
    """A picture read for the item at `place`, its file's SHA-256, or why there is none."""

    place: int
    picture: Picture | None
    digest: str
    error: str = ""

    @property
    def image(self) -> Tensor:
        """[1, 3 or 4, H, W] in 0..1, as `edit_image` takes it."""
        assert self.picture is not None
        planes = [self.picture.rgb] + ([] if self.picture.alpha is None else [self.picture.alpha])
        return torch.cat(planes, dim=1)

    def pin_memory(self) -> Loaded:
        """The same in page-locked memory; called by the loader."""
        if self.picture is None:
            return self
        alpha = self.picture.alpha
        return replace(self, picture=replace(
            self.picture, rgb=self.picture.rgb.pin_memory(),
            alpha=None if alpha is None else alpha.pin_memory()))


class Pictures(Dataset):
    """The pictures of a list of items; reading never raises, or one bad file would end the loader."""

    def __init__(self, items: list[Item]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, place: int) -> Loaded:
        path = self.items[place].path
        try:
            return Loaded(place, load_picture(path), file_digest(path))
        except (InputError, OSError) as error:
            return Loaded(place, None, "", str(error))


def load_pictures(items: list[Item], places: Sequence[int], *, num_workers: int,
                  pin_mem: bool) -> Iterator[Loaded]:
    """Read the items at `places`, in that order, ahead of their use.

    `num_workers` processes at most do it, no more than there are cores or pictures; 0 reads each
    picture when its turn comes. The pictures are the same either way.
    """
    if not places:
        return
    workers = min(num_workers, len(places), len(os.sched_getaffinity(0)) if hasattr(
        os, "sched_getaffinity") else os.cpu_count() or 1)
    ahead: dict[str, Any] = {"prefetch_factor": 2} if workers else {}
    yield from DataLoader(
        Pictures(items), batch_size=None, sampler=list(places), num_workers=workers,
        pin_memory=pin_mem and torch.accelerator.is_available(), collate_fn=_as_it_is, **ahead)


def _as_it_is(loaded: Any) -> Any:
    return loaded
