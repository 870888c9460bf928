"""The `batch` command: plan, edit, index; in one process or several."""

from __future__ import annotations

import argparse
import copy
import json
import sys
import threading
import time
import traceback
import uuid
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...errors import InputError
from ...files import clear_drafts
from ..engine import Engine
from ..exit_codes import BAD_INPUT, FAILED, STOPPED
from .bar import Bar
from .gallery import PAGE, write_gallery
from .items import Item
from .loading import LoaderLost, is_loader_lost, load_pictures
from .places import STATE
from .plan import BatchJob, check_batch, digest_of, file_digest, fingerprint, model_identity
from .processes import Processes, ProcessLost, device_for
from .stopping import terminated_as_by_ctrl_c
from .summary import SUMMARY, Row, write_summary

if TYPE_CHECKING:
    from ...generator.network import RegionGenerator
    from .editing import Editor

_GRACE = 1.0  # seconds between the signals of one stop, at most


def batch(args: argparse.Namespace, engine: Engine) -> int:
    """The `batch` command; returns the exit code of this process."""
    with Processes.from_environment() as processes, terminated_as_by_ctrl_c() as stopped:
        try:
            job = _checked(args, processes)
        except _RefusedElsewhere:
            return BAD_INPUT
        import torch

        device = device_for(job.choice.device, processes.local_rank)
        job.choice = replace(job.choice, device=device)
        if device.type == "cuda":
            torch.cuda.set_device(device)
        if device.type == "cpu":
            # one by default: more would change last digits, and with them, rarely, a choice
            torch.set_num_threads(args.threads or 1)
        return Batch(job, engine, processes, stopped).run()


class _RefusedElsewhere(Exception):
    """The first process has said what is wrong with the input."""


def _checked(args: argparse.Namespace, processes: Processes) -> BatchJob:
    """The job, read by the first process before the others, so that what is wrong is said once."""
    if processes.first:
        try:
            job = check_batch(args)
        except InputError:
            processes.say("checked", "refused")
            raise
        processes.say("checked", "good")
        return job
    if processes.hear("checked") == "refused":
        raise _RefusedElsewhere
    return check_batch(args)


class Batch:
    """One run over a list."""

    def __init__(self, job: BatchJob, engine: Engine, processes: Processes, stopped: threading.Event) -> None:
        self.job, self.engine, self.processes, self.stopped = job, engine, processes, stopped
        self.started = time.monotonic()
        self.plan: dict[str, Any] = {}
        self.places = [job.place(index) for index in range(len(job.items))]
        self.code = 0
        self.lost = ""

    def run(self) -> int:
        """Edit what is not finished, write the index; the exit code of this process."""
        from .editing import Editor

        self.plan = self._plan()
        try:
            try:
                with (
                    Bar(self.processes, self.job.shown) as bar,
                    Editor(self.job, self.engine, self.plan["models"], self.plan["run"], bar.step, bar.reach) as editor,
                ):
                    (self._shared if self.job.shared else self._each)(editor, bar)
                self.code = FAILED if editor.failed else 0
            except RuntimeError as error:
                self._cut_off(error)
        except KeyboardInterrupt:
            self.code = STOPPED
        try:
            self.processes.leave(self._index, hurried=self.code == STOPPED)
        except KeyboardInterrupt:  # while waiting for others: torchrun does so where one has died
            self.code = STOPPED
            self._index()
        if self.code == STOPPED:
            print("Stopped; what is finished is kept, the same command goes on.", file=sys.stderr)
        elif self.lost:
            print(f"error: {' '.join(self.lost.split())}", file=sys.stderr)
        return self.code

    def _cut_off(self, error: RuntimeError) -> None:
        """A peer, the store, a collective or a reader is gone: what this process finished stands."""
        ended = is_loader_lost(error)
        if ended:
            self.stopped.wait(_GRACE)  # a signal to all may reach the readers first
        if self.stopped.is_set():
            self.code = STOPPED
            return
        if self.processes.world == 1 and not ended:
            raise error
        # torch raises it wherever this process is when the reader dies, also amid an edit
        self.lost, self.code = str(LoaderLost() if ended else error), FAILED
        if not ended and not isinstance(error, ProcessLost):
            traceback.print_exception(error)

    def _plan(self) -> dict[str, Any]:
        """What is to be done, found out by the first process: others might see results of this run."""
        if not self.processes.first:
            return json.loads(self.processes.hear("plan"))
        job = self.job
        for name in (SUMMARY, PAGE):  # of an index that was not finished
            clear_drafts(job.output_dir / name)
        if job.shared:
            clear_drafts(job.output_dir / STATE)
            clear_drafts(job.save_path, numbered=True)
        models = model_identity(job.choice)
        plan: dict[str, Any] = {"run": uuid.uuid4().hex, "models": models}
        if job.shared:
            prints = [_print(item, models, "") for item in job.items]
            plan["course"] = digest_of(
                [job.generator_digest, job.epochs, job.batch_size, job.settings.seed, sorted(prints)]
            )
        else:
            plan["pending"] = [
                n
                for n, (item, place) in enumerate(zip(job.items, self.places, strict=True))
                if place.report() is None or not place.finished(_print(item, models, job.generator_digest))
            ]
        self.processes.say("plan", json.dumps(plan))
        return plan

    def _each(self, editor: Editor, bar: Bar) -> None:
        """A generator a picture: no process needs another."""
        pending = self.plan["pending"]
        bar.begin(len(pending))
        self._edit(editor, pending, self.job.generator, self.job.generator_digest)

    def _edit(self, editor: Editor, places: list[int], generator: RegionGenerator | None, learned: str) -> None:
        """This process's share of the items, each with a copy of the generator."""
        for loaded in load_pictures(
            self.job.items,
            places[self.processes.rank :: self.processes.world],
            num_workers=self.job.num_workers,
            pin_mem=self.job.pins,
        ):
            editor.edit(loaded, copy.deepcopy(generator), learned)

    def _shared(self, editor: Editor, bar: Bar) -> None:
        """One generator for all."""
        from .shared import SharedLearning

        learning = SharedLearning(self.job, editor, self.processes, self.plan["course"])
        bar.begin(learning.left())
        learning.teach()
        learning.finish()
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
        return (self.places[n].failure() or {}).get("run") == self.plan["run"]

    def _row(self, n: int) -> Row:
        item, place = self.job.items[n], self.places[n]
        report = place.report() if self._is_current(n) else None
        failure = place.failure() if report is None else None
        return Row(item, place, report, failure["error"] if failure else "")

    def _index(self) -> None:
        """The gallery and the table, from what is on disk; a line for the person."""
        rows = [self._row(n) for n in range(len(self.places))]
        for write in (write_gallery, write_summary):
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


def _print(item: Item, models: dict[str, str], learned: str) -> str:
    try:
        digest = file_digest(item.path)
    except OSError:  # gone since the list was checked: its turn will say so
        digest = ""
    return fingerprint(item, digest, models, learned)
