"""Pictures read from disk by processes of their own while others are edited."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ...errors import InputError
from ...images import Picture, load_picture
from .items import Item
from .plan import file_digest


class LoaderLost(RuntimeError):
    """A process that reads pictures ahead was ended from outside."""

    def __init__(self) -> None:
        super().__init__(
            "A process that reads pictures was ended, perhaps for lack of memory; what is "
            "finished is kept, run the command again with fewer num_workers."
        )


def is_loader_lost(error: BaseException) -> bool:
    """Whether torch raised it because a reading process died: by a signal, so anywhere in the code."""
    return isinstance(error, LoaderLost) or (
        isinstance(error, RuntimeError) and str(error).startswith("DataLoader worker")
    )


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
        if self.picture.alpha is None:
            return self.picture.rgb  # itself: a copy would not be in page-locked memory
        return torch.cat([self.picture.rgb, self.picture.alpha], dim=1)

    def pin_memory(self) -> Loaded:
        """The same in page-locked memory; called by the loader."""
        if self.picture is None:
            return self
        alpha = self.picture.alpha
        return replace(
            self,
            picture=replace(
                self.picture, rgb=self.picture.rgb.pin_memory(), alpha=None if alpha is None else alpha.pin_memory()
            ),
        )


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
        except Exception as error:  # whatever a decoder makes of a bad file
            return Loaded(place, None, "", f"'{path}' cannot be read ({type(error).__name__}: {error})")


def load_pictures(items: list[Item], places: Sequence[int], *, num_workers: int, pin_mem: bool) -> Iterator[Loaded]:
    """Read the items at `places`, in that order, ahead of their use.

    `num_workers` processes at most do it, no more than there are cores or pictures; 0 reads each
    picture when its turn comes. The pictures are the same either way. Raises LoaderLost where one
    of those processes is ended.
    """
    if not places:
        return
    workers = min(
        num_workers,
        len(places),
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
    )
    ahead: dict[str, Any] = {"prefetch_factor": 2} if workers else {}
    loader = DataLoader(
        Pictures(items),
        batch_size=None,
        sampler=list(places),
        num_workers=workers,
        pin_memory=pin_mem,
        collate_fn=_as_it_is,
        **ahead,
    )
    try:
        yield from loader
    except RuntimeError as error:
        if not is_loader_lost(error):
            raise
        raise LoaderLost from None


def _as_it_is(loaded: Any) -> Any:
    return loaded
