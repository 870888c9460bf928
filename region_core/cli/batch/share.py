"""A process's share of a list: with torchrun every WORLD_SIZE-th item. What others have done is seen on disk."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch

from ...errors import InputError

_POLL = 0.2  # seconds


@dataclass(frozen=True)
class Share:
    """This process among its peers: `rank` of `world`, `local_rank` on its machine."""

    rank: int = 0
    world: int = 1
    local_rank: int = 0

    @classmethod
    def from_environment(cls) -> Share:
        """As RANK, WORLD_SIZE and LOCAL_RANK say; one process where they are not set."""
        names = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0"}
        try:
            rank, world, local = (int(os.environ.get(name, default)) for name, default in names.items())
        except ValueError:
            rank, world, local = 0, 0, 0
        if not (0 <= rank < world and local >= 0) or world > 1 and "RANK" not in os.environ:
            said = ", ".join(f"{name} is {os.environ[name]!r}" for name in names if name in os.environ)
            raise InputError(
                f"{said}; they must be whole numbers, RANK from 0 to WORLD_SIZE - 1: start several processes with "
                "torchrun, or take these out of the environment."
            )
        return cls(rank, world, local)

    @property
    def first(self) -> bool:
        """Whether this is the process that speaks for all."""
        return self.rank == 0

    def of(self, indices: list[int]) -> list[int]:
        """This process's part of places in the list."""
        return indices[self.rank :: self.world]

    def device(self, device: torch.device) -> torch.device:
        """The process's own device of that kind, where none was named by number."""
        if device.type == "cpu" or ":" in str(device):
            return device
        return torch.device(device.type, self.local_rank % max(torch.accelerator.device_count(), 1))


def wait_for(indices: Iterable[int], done: Callable[[int], bool]) -> None:
    """Wait until all these items are done, by whichever process. torchrun ends those that wait for one that died."""
    left = list(indices)
    while left := [n for n in left if not done(n)]:
        time.sleep(_POLL)
