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
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from ...edit import EditResult
from ...errors import InputError
from ...files import discard
from ...paper.checkpoint import read_checkpoint
from ...paper.network import RegionGenerator, build_generator, generator_shape, load_generator, save_generator
from .editing import Editor, Reading, read_ahead
from .items import shuffled
from .places import LEARNED, STATE
from .plan import BatchJob
from .processes import Processes


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
    """The learning named `course`: goes on from the last update on disk."""

    def __init__(self, job: BatchJob, editor: Editor, processes: Processes, course: str) -> None:
        self.job, self.editor, self.processes, self.course = job, editor, processes, course
        self.total, self.done = schedule(job), 0
        self.state_file = job.output_dir / STATE  # the shared generator after the last update
        lessons = _lessons(self.state_file)
        if lessons.get("run") == course:
            self.done = int(lessons["step"])
            self.module, _ = load_generator(self.state_file)
        else:
            self.module = self._start()
        self.steps = self.total[self.done :]
        self.taught = {(step.number, n) for step in self.steps[:1] for n in step.members if self._is_taught(step, n)}

    def learned(self, epoch: int) -> str:
        """What an item's fingerprint says of the generator it started from."""
        return f"{self.course}:{epoch}"

    def left(self) -> int:
        """How many edits are still to be done, over all epochs and processes."""
        return sum(len(step.members) for step in self.steps) - len(self.taught)

    def teach(self) -> None:
        """Do the updates that are left, and save the generator where it was asked for."""
        mine = [n for step in self.steps for n in self._own(step) if (step.number, n) not in self.taught]
        pictures = read_ahead(self.job, mine)
        for step in self.steps:
            rows = self._edit(step, pictures)
            self.editor.flush()
            self.processes.meet(f"step {step.number}")
            self._update(step, rows)
        if self.processes.first:
            self._save(self.job.save_path)
            for index in range(len(self.job.items)):  # of a run that was killed after its update
                discard(self._lesson_file(index))

    def _start(self) -> RegionGenerator:
        if self.job.generator is not None:
            return copy.deepcopy(self.job.generator)
        sizes, numbers = generator_shape(self.job.items[0].settings)
        return build_generator(self.editor.models.dino.feature_dim, sizes, self.job.settings.seed, extra_dim=numbers)

    def _own(self, step: Step) -> list[int]:
        """The items of a step that this process answers for."""
        return step.members[self.processes.rank :: self.processes.world]

    def _lesson_file(self, index: int) -> Path:
        return self.job.place(index).folder / LEARNED

    def _is_taught(self, step: Step, index: int) -> bool:
        """Whether an earlier run has done this step's edit of an item."""
        report, lessons = self.job.place(index).report(), _lessons(self._lesson_file(index))
        return (
            report is not None
            and report.get("learned") == self.learned(step.epoch)
            and (lessons.get("run"), lessons.get("step")) == (self.course, step.number)
        )

    def _edit(self, step: Step, pictures: Iterator[tuple[int, Reading]]) -> Tensor:
        """[batch_size, P + 1]: a row a member this process answers for, with what its copy learned
        and a 1; zeros elsewhere."""
        start = vector(self.module)
        rows = torch.zeros(len(step.members), len(start) + 1)
        for index in self._own(step):
            if (step.number, index) in self.taught:
                after = vector(load_generator(self._lesson_file(index), finite=False)[0])
            else:
                taught, keep = copy.deepcopy(self.module), partial(self._keep, step, index)
                result = self.editor.edit(*next(pictures), taught, self.learned(step.epoch), keep)
                if result is None or result.generator is None:
                    continue
                after = vector(result.generator)
            if not bool(torch.isfinite(after).all()):
                print(
                    f"{self.job.items[index].key}: what it taught is no finite number and is left "
                    "out of the shared generator",
                    file=sys.stderr,
                )
            elif not torch.equal(after, start):  # else it was not taught, and has no part in the mean
                rows[step.members.index(index)] = torch.cat([after - start, torch.ones(1)])
        return rows

    def _keep(self, step: Step, index: int, result: EditResult) -> None:
        """Put what a picture taught beside it: a run that is killed need not edit it again."""
        if result.generator is not None:
            lessons = {"run": self.course, "step": step.number}
            save_generator(result.generator, self._lesson_file(index), asdict(result.settings), lessons)

    def _update(self, step: Step, rows: Tensor) -> None:
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
            for index in step.members:
                file = self._lesson_file(index)
                if _lessons(file).get("step") == step.number:  # a later step may have its own there already
                    discard(file)  # another program may have it open

    def _save(self, path: Path) -> None:
        save_generator(
            self.module,
            path,
            asdict(self.job.settings),
            {
                "run": self.course,
                "step": self.done,
                "steps": len(self.total),
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
    try:
        return dict(read_checkpoint(path)[1].get("lessons") or {})
    except InputError:
        return {}
