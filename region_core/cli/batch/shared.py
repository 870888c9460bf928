"""One region generator learned over a whole list, the same for any number of processes.

The list is gone through in groups of `batch_size`. All pictures of a group begin with a copy of the
shared generator, each search teaches its own copy, and the mean of what the copies learned moves the
shared one (Reptile's first-order meta-gradient, with one step a group). A row a picture goes through
the all-reduce, with zeros from every process but one; so the sum is exact, the mean is taken in the
list's order, and the generator hangs neither on the number of processes nor on who edited what.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from ...errors import InputError
from ...generator.checkpoint import read_checkpoint
from ...generator.network import RegionGenerator, build_generator, generator_shape, load_generator, save_generator
from .editing import Editor
from .items import shuffled
from .loading import load_pictures
from .places import LEARNED, STATE
from .plan import BatchJob
from .processes import Processes

if TYPE_CHECKING:
    from ...edit import EditResult


@dataclass(frozen=True)
class Step:
    """One update of the shared generator: the places of its items, in the order of their names."""

    number: int
    epoch: int
    members: list[int]


def schedule(job: BatchJob) -> list[Step]:
    """The groups of all epochs, drawn by the items' names and the seed."""
    steps: list[Step] = []
    for epoch in range(job.epochs):
        order = shuffled(job.items, job.settings.seed, epoch)
        for start in range(0, len(order), job.batch_size):
            steps.append(Step(len(steps), epoch, order[start : start + job.batch_size]))
    return steps


class SharedLearning:
    """The learning named `run`: goes on from the last update on disk."""

    def __init__(self, job: BatchJob, editor: Editor, processes: Processes, run: str) -> None:
        self.job, self.editor, self.processes, self.run = job, editor, processes, run
        self.steps = schedule(job)
        self.done = 0
        self.module: RegionGenerator | None = None
        lessons = _lessons(self.state_file)
        if lessons.get("run") == run:
            self.done = int(lessons["step"])
            self.module, _ = load_generator(self.state_file)

    @property
    def state_file(self) -> Path:
        """The shared generator after the last update."""
        return self.job.output_dir / STATE

    def learned(self, epoch: int) -> str:
        """What an item's fingerprint says of the generator it started from."""
        return f"{self.run}:{epoch}"

    def left(self) -> int:
        """How many edits are still to be done, over all epochs and processes."""
        steps = self.steps[self.done :]
        return sum(len(step.members) for step in steps) - sum(
            self._is_taught(steps[0], index) for index in (steps[0].members if steps else ())
        )

    def teach(self) -> None:
        """Do the updates that are left."""
        if self.module is None:
            self.module = self._start()
        mine = {
            step.number: [
                i for i in step.members[self.processes.rank :: self.processes.world] if not self._is_taught(step, i)
            ]
            for step in self.steps[self.done :]
        }
        pictures = load_pictures(
            self.job.items,
            [index for places in mine.values() for index in places],
            num_workers=self.job.num_workers,
            pin_mem=self.job.pins,
        )
        for step in self.steps[self.done :]:
            rows = self._edit(step, mine[step.number], pictures)
            self.editor.flush()
            self.processes.meet(f"step {step.number}")
            self._forget(step.number - 1)  # its update is on disk: who wrote it came here after that
            self._update(step, rows)
        self.processes.meet("taught")
        self._forget(len(self.steps) - 1)

    def _start(self) -> RegionGenerator:
        if self.job.generator is not None:
            return copy.deepcopy(self.job.generator)
        settings = self.job.items[0].settings
        sizes, numbers = generator_shape(settings)
        return build_generator(self.editor.models.dino.feature_dim, sizes, self.job.settings.seed, extra_dim=numbers)

    def _edit(self, step: Step, mine: list[int], pictures: Iterator[Any]) -> Tensor:
        """[batch_size, P + 1]: a row a member this process answers for, with what its copy learned
        and a 1; zeros elsewhere."""
        assert self.module is not None
        start = vector(self.module)
        rows = torch.zeros(len(step.members), len(start) + 1)
        for row in range(self.processes.rank, len(step.members), self.processes.world):
            index = step.members[row]
            if index in mine:
                taught = copy.deepcopy(self.module)
                keep = partial(self._keep, step, index)
                result = self.editor.edit(next(pictures), taught, self.learned(step.epoch), keep)
                if result is None or result.generator is None:
                    continue
                after = vector(result.generator)
            else:
                after = vector(load_generator(self.job.place(index).folder / LEARNED, finite=False)[0])
            if torch.equal(after, start):  # nothing to look at: it has no part in the mean
                continue
            if not bool(torch.isfinite(after).all()):
                print(
                    f"{self.job.items[index].key}: what it taught is no finite number and is left "
                    "out of the shared generator",
                    file=sys.stderr,
                )
                continue
            rows[row, :-1] = after - start
            rows[row, -1] = 1
        return rows

    def _keep(self, step: Step, index: int, result: EditResult) -> None:
        """Put what a picture taught beside it: a run that is killed need not edit it again."""
        if result.generator is not None:
            save_generator(
                result.generator,
                self.job.place(index).folder / LEARNED,
                asdict(result.settings),
                {"run": self.run, "step": step.number},
            )

    def _is_taught(self, step: Step, index: int) -> bool:
        place = self.job.place(index)
        report = place.report()
        lessons = _lessons(place.folder / LEARNED)
        return (
            report is not None
            and report.get("learned") == self.learned(step.epoch)
            and (lessons.get("run"), lessons.get("step")) == (self.run, step.number)
        )

    def _forget(self, number: int) -> None:
        if number >= 0:
            members = self.steps[number].members
            for index in members[self.processes.rank :: self.processes.world]:
                file = self.job.place(index).folder / LEARNED
                if _lessons(file).get("step") == number:  # a later step may have its own there already
                    file.unlink(missing_ok=True)

    def _update(self, step: Step, rows: Tensor) -> None:
        assert self.module is not None
        rows = self.processes.sum(rows, self.job.choice.device)
        there = rows[:, -1] > 0
        if bool(there.any()):
            # float64: the mean of few float32 numbers in one order is then as good as exact
            mean = rows[there, :-1].double().mean(dim=0)
            with torch.inference_mode(False), torch.no_grad():
                moved = (vector(self.module).double() + mean).float()
                vector_to_parameters(moved, self.module.parameters())
        self.done = step.number + 1
        if self.processes.first:
            if self.job.ckpt_interval and self.done % self.job.ckpt_interval == 0:
                path = self.job.save_path
                self._save(path.with_name(f"{path.stem}-{self.done:06d}{path.suffix}"))
            self._save(self.state_file)  # last: from here on the update is not done again

    def finish(self) -> None:
        """Save what was learned where it was asked for."""
        if self.processes.first and self.module is not None:
            self._save(self.job.save_path)

    def _save(self, path: Path) -> None:
        assert self.module is not None
        save_generator(
            self.module,
            path,
            asdict(self.job.settings),
            {
                "run": self.run,
                "step": self.done,
                "steps": len(self.steps),
                "pictures": len(self.job.items),
                "epochs": self.job.epochs,
                "batch_size": self.job.batch_size,
            },
        )


def vector(module: nn.Module) -> Tensor:
    """All weights in one float32 row, on the CPU."""
    return parameters_to_vector(module.parameters()).detach().float().cpu().clone()


def _lessons(path: Path) -> dict[str, Any]:
    """On what a checkpoint was taught; empty where there is none that can be read."""
    if not path.is_file():
        return {}
    try:
        return dict(read_checkpoint(path)[1].get("lessons") or {})
    except InputError:
        return {}
