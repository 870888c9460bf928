"""One region generator learned over a whole list by the published method, the same for any number of processes.

The list is gone through in groups of `batch_size`. All pictures of a group begin with a copy of the shared generator,
each search teaches its own copy, and the mean of what the copies learned moves the shared one (Reptile's first-order
meta-gradient, with one step a group). What a picture taught lies beside its results; the first process takes the mean,
in the list's order, when all of a group are there, and writes the shared generator, for which the others wait. So it
hangs neither on the number of processes nor on who edited what, and a run that was stopped goes on.
"""

from __future__ import annotations

import copy
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from ...edits import Edits
from ...edits_list.items import shuffled
from ...errors import InputError
from ...files import discard
from ...paper.checkpoint import read_checkpoint
from ...paper.network import RegionGenerator, build_generator, load_generator, save_generator
from ..report import Done
from .editing import Editor
from .plan import BatchJob
from .share import Share, wait_for

LEARNED = "learned.safetensors"  # what one picture taught the shared generator
STATE = "learning.safetensors"  # the shared generator after the last update


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
        for start in range(0, len(order), job.asked.batch_size):
            steps.append(Step(len(steps), epoch, order[start : start + job.asked.batch_size]))
    return steps


class SharedLearning:
    """The learning of a list's shared generator: goes on from the last update on disk."""

    def __init__(self, job: BatchJob, editor: Editor, share: Share) -> None:
        assert job.save_path is not None
        self.job, self.editor, self.share, self.save_path = job, editor, share, job.save_path
        self.steps, self.done = schedule(job), 0
        self.state_file = job.output_dir / STATE  # the shared generator after the last update
        if not self._read_state(1):
            self.module = self._start()

    def left(self) -> int:
        """How many edits are still to be done here, over all epochs."""
        steps = self.steps[self.done :]
        return sum(not self._is_taught(step, n) for step in steps for n in self.share.of(step.members))

    def teach(self) -> None:
        """Do the updates that are left, and save the generator where it was asked for."""
        while self.done < len(self.steps):
            step = self.steps[self.done]
            self._edit(step)
            if self.share.first:
                wait_for(step.members, lambda n, step=step: self._is_over(step, n))  # type: ignore[misc]
                self._update(step)
            else:
                wait_for([step.number + 1], self._read_state)
        if self.share.first:
            self._save(self.save_path)
            for index in range(len(self.job.items)):  # of a run that was killed after its update
                discard(self._lesson_file(index))

    def _start(self) -> RegionGenerator:
        if self.job.generator is not None:
            return copy.deepcopy(self.job.generator)
        sizes = self.job.items[0].settings.paper.max_window_size
        return build_generator(self.editor.models.dino.feature_dim, sizes, self.job.settings.seed)

    def _read_state(self, least: int) -> bool:
        """Take up the shared generator on disk, where it has had so many updates."""
        lessons = _lessons(self.state_file)
        if lessons.get("run") != self.job.course or int(lessons["step"]) < least:
            return False
        self.module, self.done = load_generator(self.state_file)[0], int(lessons["step"])
        return True

    def _lesson_file(self, index: int) -> Path:
        return self.job.place(index).folder / LEARNED

    def _is_taught(self, step: Step, index: int) -> bool:
        """Whether this step's edit of an item is done, and what it taught is there."""
        report = self.job.place(index).report(self.job.stamp(index, step.epoch))
        return report is not None and _lessons(self._lesson_file(index)) == self._lessons_of(step)

    def _lessons_of(self, step: Step) -> dict[str, Any]:
        return {"run": self.job.course, "step": step.number}

    def _is_over(self, step: Step, index: int) -> bool:
        """Whether this step's edit of an item is done, or has failed."""
        failed = self.job.place(index).failure(self.job.stamp(index, step.epoch))
        return bool(failed) or self._is_taught(step, index)

    def _edit(self, step: Step) -> None:
        """This process's items of a step, each with a copy of the shared generator."""
        for index in [n for n in self.share.of(step.members) if not self._is_taught(step, n)]:
            keep = partial(self._keep, step, index)
            self.editor.edit(index, copy.deepcopy(self.module), self.job.stamp(index, step.epoch), keep)
        self.editor.flush()

    def _keep(self, step: Step, index: int, edits: Done) -> None:
        """Put what a picture taught beside it."""
        file = self._lesson_file(index)
        assert isinstance(edits, Edits)
        assert edits.generator is not None  # the published method always has one
        save_generator(edits.generator, file, edits.settings.flat(), self._lessons_of(step))

    def _update(self, step: Step) -> None:
        start, taught = vector(self.module), []
        for index in step.members:
            if not self._is_taught(step, index):
                continue
            after = vector(load_generator(self._lesson_file(index), finite=False)[0])
            if not bool(torch.isfinite(after).all()):
                why = "what it taught is no finite number and is left out of the shared generator"
                print(f"{self.job.items[index].key}: {why}", file=sys.stderr)
            elif not torch.equal(after, start):  # else it was not taught, and has no part in the mean
                taught.append(after - start)
        if taught:
            # float64: the mean of few float32 numbers in one order is then as good as exact
            moved = (start.double() + torch.stack(taught).double().mean(dim=0)).float()
            with torch.inference_mode(False), torch.no_grad():
                vector_to_parameters(moved, self.module.parameters())
        self.done = step.number + 1
        path, interval = self.save_path, self.job.asked.ckpt_interval
        if interval and self.done % interval == 0:
            self._save(path.with_name(f"{path.stem}-{self.done:06d}{path.suffix}"))
        self._save(self.state_file)  # last: from here on the update is not done again
        for index in step.members:
            file = self._lesson_file(index)
            if _lessons(file).get("step") == step.number:  # a later step may have its own there already
                discard(file)  # another program may have it open

    def _save(self, path: Path) -> None:
        job = self.job
        progress = {"run": job.course, "step": self.done, "steps": len(self.steps)}
        course = {"pictures": len(job.items), "epochs": job.epochs, "batch_size": job.asked.batch_size}
        save_generator(self.module, path, job.settings.flat(), {**progress, **course})


def vector(module: nn.Module) -> Tensor:
    """All weights in one float32 row, on the CPU."""
    return parameters_to_vector(module.parameters()).detach().float().cpu().clone()


def _lessons(path: Path) -> dict[str, Any]:
    """On what a checkpoint was taught; empty where there is none that can be read."""
    try:
        return dict(read_checkpoint(path)[1].get("lessons") or {})
    except InputError:
        return {}
