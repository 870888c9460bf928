"""The `batch` command: plan, edit, index; in one process or several."""

from __future__ import annotations

import argparse
import copy
import json
import sys
import time
import traceback
import uuid
from collections import Counter
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import torch

from ...errors import InputError
from ...files import clear_drafts, held
from ...paper.network import RegionGenerator
from .. import BAD_INPUT, FAILED, STOPPED
from ..engine import Engine
from .bar import Bar
from .editing import Editor, read_ahead
from .index import PAGE, SUMMARY, Row, write_page, write_summary
from .items import Item
from .places import STATE
from .plan import BatchJob, check_batch, digest_of, file_digest
from .processes import Processes, ProcessLost, device_for
from .shared import SharedLearning


def batch(args: argparse.Namespace, engine: Engine) -> int:
    """The `batch` command; returns the exit code of this process."""
    with Processes.from_environment() as processes, ExitStack() as kept:
        # the first process reads the list before the others, so that what is wrong is said once, and says what is
        # to be done: others might take results of this run for those of an earlier one. Where there is nothing to be
        # done it says the exit code.
        plan: Any = BAD_INPUT if processes.first else json.loads(processes.hear("plan"))
        if isinstance(plan, int) and not processes.first:
            return plan
        try:
            job = check_batch(args)
            # two runs would take each other's unfinished files for those of a killed one
            if processes.first and not kept.enter_context(held(job.output_dir)):
                raise InputError(
                    f"output_dir is '{job.output_dir}', and another run is writing to it; wait until it has ended, or "
                    "choose another output_dir."
                )
            plan = make_plan(job) if processes.first else plan
        except KeyboardInterrupt:
            plan = STOPPED
            raise
        finally:
            if processes.first:
                processes.say("plan", json.dumps(plan))
        device = device_for(job.choice.device, processes.local_rank)
        job.choice = replace(job.choice, device=device)
        if device.type == "cuda":
            torch.cuda.set_device(device)
        if device.type == "cpu":
            # one by default: more would change last digits, and with them, rarely, a choice
            torch.set_num_threads(args.threads or 1)
        return Batch(job, engine, processes, plan).run()


def make_plan(job: BatchJob) -> dict[str, Any]:
    """What is to be done: a name of this `run`, and the places of items that are `pending` or, of a shared generator,
    the name of its `course`. What killed runs left of unfinished files goes."""
    for name in (SUMMARY, PAGE):
        clear_drafts(job.output_dir / name)
    run = uuid.uuid4().hex
    if not job.shared:
        wanted = [_fingerprint(job, item, job.generator_digest) for item in job.items]
        found = [job.place(n).report() or {} for n in range(len(job.items))]
        return {"run": run, "pending": [n for n, want in enumerate(wanted) if found[n].get("fingerprint") != want]}
    clear_drafts(job.output_dir / STATE)
    clear_drafts(job.save_path, numbered=True)
    prints = sorted(_fingerprint(job, item, "") for item in job.items)
    course = [job.generator_digest, job.epochs, job.batch_size, job.settings.seed, prints]
    return {"run": run, "course": digest_of(course)}


def _fingerprint(job: BatchJob, item: Item, learned: str) -> str:
    try:
        digest = file_digest(item.path)
    except OSError:  # gone since the list was checked: its turn will say so
        digest = ""
    return job.fingerprint(item, digest, learned)


class Batch:
    """One run over a list."""

    def __init__(self, job: BatchJob, engine: Engine, processes: Processes, plan: dict[str, Any]) -> None:
        self.job, self.engine, self.processes, self.plan = job, engine, processes, plan
        self.started = time.monotonic()
        self.places = [job.place(index) for index in range(len(job.items))]
        self.bar = Bar(processes, job.shown)
        self.code = 0

    def run(self) -> int:
        """Edit what is not finished, write the index; the exit code of this process."""
        try:
            with Editor(self.job, self.engine, self.plan["run"], self.bar) as editor:
                (self._shared if self.job.shared else self._each)(editor)
            self.code = FAILED if editor.failed else 0
        except KeyboardInterrupt:
            self.code = STOPPED
        except RuntimeError as error:
            if self.processes.world == 1:
                raise
            self.code = FAILED  # a peer, or the store, is gone: what this process finished stands
            if isinstance(error, ProcessLost):
                print(f"error: {error}", file=sys.stderr)
            else:
                traceback.print_exception(error)
        finally:
            self.bar.close()
        try:
            self.processes.leave(self._index, hurried=self.code == STOPPED)
        except KeyboardInterrupt:  # while waiting for others: torchrun does so where one has died
            self.code = STOPPED
            self._index()
        if self.code == STOPPED:
            print("Stopped; what is finished is kept, the same command goes on.", file=sys.stderr)
        return self.code

    def _each(self, editor: Editor) -> None:
        """A generator a picture: no process needs another."""
        pending = self.plan["pending"]
        self.bar.begin(len(pending))
        self._edit(editor, pending, self.job.generator, self.job.generator_digest)

    def _edit(self, editor: Editor, indices: list[int], generator: RegionGenerator | None, learned: str) -> None:
        """This process's share of the items, each with a copy of the generator."""
        for index, reading in read_ahead(self.job, indices[self.processes.rank :: self.processes.world]):
            editor.edit(index, reading, copy.deepcopy(generator), learned)

    def _shared(self, editor: Editor) -> None:
        """One generator for all."""
        learning = SharedLearning(self.job, editor, self.processes, self.plan["course"])
        self.bar.begin(learning.left())
        learning.teach()
        if self.processes.first:  # failed when it was their turn, in an earlier run
            late = [n for n in range(len(self.places)) if not self._is_current(n) and not self._has_failed(n)]
            self.processes.say("late", json.dumps(late))
        else:
            late = json.loads(self.processes.hear("late"))
        self._edit(editor, late, learning.module, learning.learned(self.job.epochs - 1))

    def _is_current(self, n: int) -> bool:
        """Whether the files of an item are those that this run asks for."""
        report = self.places[n].report()
        if report is None or self._has_failed(n):
            return False
        if self.job.shared:  # what an earlier epoch made is not yet what was asked for
            return report.get("learned") == f"{self.plan['course']}:{self.job.epochs - 1}"
        return n not in self.plan["pending"] or report.get("run") == self.plan["run"]

    def _has_failed(self, n: int) -> bool:
        """Whether an item failed in this run, the last time it was its turn."""
        return self.places[n].failure().get("run") == self.plan["run"]

    def _row(self, n: int) -> Row:
        item, place = self.job.items[n], self.places[n]
        if self._is_current(n):
            return Row(item, place, place.report())
        return Row(item, place, None, place.failure().get("error", ""))

    def _index(self) -> None:
        """The page and the table, from what is on disk; a line for the person."""
        rows = [self._row(n) for n in range(len(self.places))]
        for write in (write_page, write_summary):
            try:
                write(self.job.output_dir, rows)
            except InputError as error:  # a table that is open in another program, say
                print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
                self.code = self.code or FAILED
        counts = Counter(row.status for row in rows)
        if counts["failed"] or counts["waiting"]:
            self.code = self.code or FAILED
        world, seconds = self.processes.world, time.monotonic() - self.started
        print(
            f"{len(rows)} items: "
            + ", ".join(f"{n} {what}" for what, n in counts.items())
            + f"\n{seconds:.1f} seconds with {world} process{'es' * (world > 1)}"
            f"\nwritten to {self.job.output_dir}: index.html, summary.csv, results, items"
            + ", boxes"
            * self.job.draw_box
        )
