"""Several processes on one list, as torchrun and accelerate start them.

What they tell each other goes through the store of their rendezvous and is polled, so that a signal gets
through and one that dies leaves nobody waiting: each gives a sign of life every few seconds. The only collective is
a sum, entered when all are known to be there.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from ...errors import InputError, first_line

_POLL = 0.1  # seconds
_BEAT = 3.0
_LOST = 90.0  # seconds without a sign of life: many times the beat, since a busy machine may stall it
_HURRIED = 9.0  # seconds that a stopped run waits for others: torchrun has no patience with who will not end


class ProcessLost(RuntimeError):
    """Another process of the run is gone."""


class Processes:
    """This process among its peers: `rank` of `world`, `local_rank` on its machine.

    Alone (world 1) everything is trivially true. Use as a context manager.
    """

    def __init__(self, rank: int = 0, world: int = 1, local_rank: int = 0) -> None:
        self.rank, self.world, self.local_rank = rank, world, local_rank
        self._store: Any = None
        self._alone: Counter[str] = Counter()  # counts, where there is no store
        self._ended = threading.Event()

    @classmethod
    def from_environment(cls) -> Processes:
        """As RANK, WORLD_SIZE and LOCAL_RANK say; one process where they are not set."""
        names = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0"}
        try:
            rank, world, local = (int(os.environ.get(name, default)) for name, default in names.items())
        except ValueError:
            raise InputError(
                "RANK, WORLD_SIZE and LOCAL_RANK must be whole numbers; start several processes with torchrun."
            ) from None
        if not (0 <= rank < world and local >= 0):
            raise InputError(
                f"RANK is {rank}, WORLD_SIZE {world} and LOCAL_RANK {local}; RANK must be from 0 to WORLD_SIZE - 1; "
                "start several processes with torchrun, or take these out of the environment."
            )
        return cls(rank, world, local)

    @property
    def first(self) -> bool:
        """Whether this is the process that speaks for all."""
        return self.rank == 0

    def __enter__(self) -> Processes:
        if self.world > 1:
            from torch.distributed.rendezvous import rendezvous  # some builds of torch have none

            try:
                self._store, self.rank, self.world = next(rendezvous("env://", timeout=timedelta(minutes=10)))
            except (ValueError, RuntimeError) as error:
                raise InputError(
                    f"WORLD_SIZE is {self.world}, and the processes cannot meet ({first_line(error)}); start them with "
                    "torchrun, or take WORLD_SIZE out of the environment."
                ) from None
            threading.Thread(target=self._keep_beating, daemon=True).start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self._ended.set()
        if self._store is not None:
            with suppress(RuntimeError):  # a peer that is gone cannot say goodbye
                if dist.is_initialized():
                    dist.destroy_process_group()

    def say(self, name: str, text: str = "") -> None:
        """Leave a note for all."""
        if self._store is not None:
            self._store.set(name, text)

    def hear(self, name: str, *, of: int = 0) -> str:
        """The note of that name, waited for; ProcessLost where process `of`, who owes it, has left or is dead."""
        watch = self._watch({of})
        while True:
            gone = self._store.check([f"gone/{of}"])  # asked first: a note may be its last act
            if self._store.check([name]):
                return self._store.get(name).decode()
            if gone:
                raise ProcessLost(
                    f"Process {of} of {self.world} has stopped; what is finished is kept, run the command again."
                )
            watch()
            time.sleep(_POLL)

    def count(self, name: str) -> int:
        """Add 1 to a counter that all share; the sum so far."""
        if self._store is not None:
            return int(self._store.add(name, 1))
        self._alone[name] += 1
        return self._alone[name]

    def meet(self, name: str) -> None:
        """Wait until every process is here; ProcessLost where one will not come."""
        if self._store is not None:
            self.say(f"{name}/{self.rank}")
            for peer in range(self.world):
                self.hear(f"{name}/{peer}", of=peer)

    def leave(self, last: Callable[[], None], *, hurried: bool = False) -> None:
        """Wait for all others, so that nobody's exit ends another's work; who comes last does `last`. Where the
        run is stopped (`hurried`) one that does not come is given up soon, and each survivor does it."""
        # a RuntimeError: the store is gone, or a process is, and nobody can say whether this was done
        with suppress(RuntimeError):
            self.say(f"gone/{self.rank}")  # who still waits for a note of this one waits in vain
            if self.count("left") < self.world:
                watch = self._watch(set(range(self.world)), _HURRIED if hurried else _LOST)
                while not self._store.check(["over"]):
                    watch()
                    time.sleep(_POLL)
                return
        try:
            last()
        finally:
            with suppress(RuntimeError):
                self.say("over")

    def _watch(self, peers: set[int], patience: float = _LOST) -> Callable[[], None]:
        """To be called while waiting: ProcessLost where one of `peers` gave no sign of life for so many seconds."""
        seen = {peer: (b"", time.monotonic()) for peer in peers - {self.rank}}
        checked = 0.0

        def watch() -> None:
            nonlocal checked
            now = time.monotonic()
            if now - checked < _BEAT:
                return
            checked = now
            for peer, (last, since) in seen.items():
                beat = self._store.get(f"beat/{peer}") if self._store.check([f"beat/{peer}"]) else b""
                seen[peer] = (beat, now if beat != last else since)
                if now - seen[peer][1] > patience:
                    raise ProcessLost(
                        f"Process {peer} of {self.world} shows no sign of life; what is finished is kept, run the "
                        "command again."
                    )

        return watch

    def _keep_beating(self) -> None:
        with suppress(RuntimeError):  # the store is gone, and the run with it
            while True:
                self._store.set(f"beat/{self.rank}", str(time.monotonic_ns()))
                if self._ended.wait(_BEAT):
                    return

    def sum(self, values: Tensor, device: torch.device) -> Tensor:
        """The sum of a CPU tensor over all processes, which have just met."""
        if self.world == 1:
            return values
        if not dist.is_initialized():
            store = dist.PrefixStore("group", self._store)
            dist.init_process_group(
                backend_for(device),
                store=store,
                rank=self.rank,
                world_size=self.world,
                timeout=timedelta(seconds=_LOST),
            )
        there = values.to(device) if dist.get_backend() == "nccl" else values.clone()
        dist.all_reduce(there)
        return there.cpu()


def backend_for(device: torch.device) -> str:
    """NCCL between CUDA devices, where there is one for each process of this machine and torch was
    built with it (on Windows it is not); gloo between anything else.
    """
    here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    alone = device.type == "cuda" and torch.cuda.device_count() >= here
    return "nccl" if alone and dist.is_nccl_available() else "gloo"


def device_for(device: torch.device, local_rank: int) -> torch.device:
    """The process's own device of that kind, where none was named by number."""
    if device.type == "cpu" or ":" in str(device):
        return device
    count = torch.accelerator.device_count()
    return torch.device(device.type, local_rank % max(count, 1))
