"""Several processes on one list, as torchrun and accelerate start them.

What they tell each other goes through the store of their rendezvous and is polled, so that one that
dies leaves nobody waiting; the only collective is a sum, entered when all are known to be there.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ...errors import InputError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_LOST = 90.0  # seconds without a sign of life: many times the beat, since a busy machine may stall it
_BEAT = 3.0
_POLL = 0.1


class ProcessLost(RuntimeError):
    """Another process of the run is gone."""


class Processes:
    """This process among its peers: `rank` of `world`, `local_rank` on its machine.

    Alone (world 1) everything is trivially true and torch is not asked. Use as a context manager.
    """

    def __init__(self, rank: int = 0, world: int = 1, local_rank: int = 0) -> None:
        self.rank, self.world, self.local_rank = rank, world, local_rank
        self._store: Any = None
        self._grouped = False
        self._ended = threading.Event()

    @classmethod
    def from_environment(cls) -> Processes:
        """As RANK, WORLD_SIZE and LOCAL_RANK say; one process where they are not set."""
        try:
            rank, world, local = (
                int(os.environ.get(name, default))
                for name, default in (("RANK", "0"), ("WORLD_SIZE", "1"), ("LOCAL_RANK", "0"))
            )
        except ValueError:
            raise InputError(
                "RANK, WORLD_SIZE and LOCAL_RANK must be whole numbers; start several processes with torchrun."
            ) from None
        return cls(rank, world, local)

    @property
    def first(self) -> bool:
        """Whether this is the process that speaks for all."""
        return self.rank == 0

    def __enter__(self) -> Processes:
        if self.world > 1:
            from torch.distributed.rendezvous import rendezvous

            self._store, self.rank, self.world = next(rendezvous("env://", timeout=timedelta(minutes=10)))
            self._beat()
            threading.Thread(target=self._keep_beating, daemon=True).start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self._ended.set()
        if self._grouped:
            import torch.distributed as dist

            with suppress(RuntimeError):  # a peer that is gone cannot say goodbye
                dist.destroy_process_group()

    def say(self, name: str, text: str = "") -> None:
        """Leave a note for all."""
        if self._store is not None:
            self._store.set(name, text)

    def hear(self, name: str, *, of: int = 0) -> str:
        """The note of that name, waited for; ProcessLost where process `of`, who owes it, is gone."""

        def there() -> bool:
            gone = self._store.check([f"gone/{of}"])  # asked first: a note may be its last act
            if self._store.check([name]):
                return True
            if gone:
                raise ProcessLost(
                    f"Process {of} of {self.world} has stopped; what is finished is kept, run the command again."
                )
            return False

        self._wait(there, {of})
        return self._store.get(name).decode()

    def count(self, name: str, more: int = 1) -> int:
        """Add to a counter that all share; the sum so far."""
        return more if self._store is None else int(self._store.add(name, more))

    def meet(self, name: str) -> None:
        """Wait until every process is here; ProcessLost where one will not come."""
        if self._store is not None:
            self._store.set(f"{name}/{self.rank}", "")
            for peer in range(self.world):
                self.hear(f"{name}/{peer}", of=peer)

    def leave(self, last: Callable[[], None], *, hurried: bool = False) -> None:
        """Wait for all who still live, so that nobody's exit ends another's work; who comes last of
        them does `last`. Where the run is stopped (`hurried`) one that is silent is given up soon:
        torchrun has no patience with who will not end."""
        if self._store is None:
            last()
            return
        try:
            self.say(f"gone/{self.rank}")  # who still waits for a note of this one waits in vain
            if self.count("left") >= self.world:
                try:
                    last()
                finally:
                    self.say("over")
                return
            self._wait(lambda: self._store.check(["over"]), set(range(self.world)), 3 * _BEAT if hurried else _LOST)
        except ProcessLost:
            last()  # each survivor: the files are whole whoever writes them
        except RuntimeError:
            last()  # the store is gone, and nobody can say whether this was done

    def sum(self, values: Tensor, device: torch.device) -> Tensor:
        """The sum of a CPU tensor over all processes, which are known to be there."""
        if self.world == 1:
            return values
        import torch.distributed as dist

        if not self._grouped:
            dist.init_process_group(
                backend_for(device),
                store=dist.PrefixStore("group", self._store),
                rank=self.rank,
                world_size=self.world,
                timeout=timedelta(seconds=_LOST),
            )  # all have just met
            self._grouped = True
        there = values.to(device) if dist.get_backend() == "nccl" else values.clone()
        dist.all_reduce(there)
        return there.cpu()

    def _wait(self, ready: Callable[[], bool], needed: set[int], patience: float = _LOST) -> None:
        """Poll until `ready`; ProcessLost where one of `needed` shows no life for so many seconds."""
        seen: dict[int, tuple[bytes, float]] = {}
        checked = 0.0
        while not ready():
            now = time.monotonic()
            if now - checked > _BEAT:
                checked = now
                for peer in needed - {self.rank}:
                    beat = self._store.get(f"beat/{peer}") if self._store.check([f"beat/{peer}"]) else b""
                    if seen.get(peer, (None, now))[0] != beat:
                        seen[peer] = (beat, now)
                    if now - seen[peer][1] > patience:
                        raise ProcessLost(
                            f"Process {peer} of {self.world} shows no sign of life; "
                            "what is finished is kept, run the command again."
                        )
            time.sleep(_POLL)

    def _beat(self) -> None:
        self._store.set(f"beat/{self.rank}", str(time.monotonic_ns()))

    def _keep_beating(self) -> None:
        with suppress(RuntimeError):  # the store is gone, and the run with it
            while not self._ended.wait(_BEAT):
                self._beat()


def backend_for(device: torch.device) -> str:
    """NCCL between CUDA devices, where there is one for each process of this machine and torch was
    built with it (on Windows it is not); gloo between anything else.
    """
    import torch
    import torch.distributed as dist

    here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    alone = device.type == "cuda" and torch.cuda.device_count() >= here
    return "nccl" if alone and dist.is_nccl_available() else "gloo"


def device_for(device: torch.device, local_rank: int) -> torch.device:
    """The process's own device of that kind, where none was named by number."""
    import torch

    if device.type == "cpu" or ":" in str(device):
        return device
    count = torch.accelerator.device_count()
    return torch.device(device.type, local_rank % max(count, 1))
