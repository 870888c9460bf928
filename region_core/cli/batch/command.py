"""The `batch` command: plan, edit, index; in one process or several."""

from __future__ import annotations

import copy
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import torch
from filelock import FileLock, Timeout

from ...edits_list.page import PAGE, SUMMARY, Row, write_page, write_summary
from ...errors import InputError
from ...files import clear_drafts
from ...paper.network import RegionGenerator
from .. import BAD_INPUT, FAILED, STOPPED
from ..engine import Engine
from ..progress import Bar
from .editing import Editor
from .plan import BatchJob, check_batch
from .share import Share, wait_for
from .shared import STATE, SharedLearning


def batch(asked: SimpleNamespace, engine: Engine) -> int:
    """The `batch` command; returns the exit code of this process."""
    share = Share.from_environment()
    try:
        job = check_batch(asked)
    except InputError:
        if share.local_rank == 0:  # of several processes on a machine one says what is wrong
            raise
        return BAD_INPUT
    job.choice = replace(job.choice, device=share.device(job.choice.device))
    if job.choice.device.type == "cuda":
        torch.cuda.set_device(job.choice.device)
    if job.choice.device.type == "cpu":
        # one by default: more would change last digits, and with them, rarely, a choice
        torch.set_num_threads(asked.threads or 1)
    with folder_lock(job.output_dir, share):
        return Batch(job, engine, share).run()


@contextmanager
def folder_lock(folder: Path, share: Share) -> Iterator[None]:
    """Make a folder and hold it: two runs would take each other's unfinished files for those of a killed one.
    InputError where another run holds it, or it cannot be made."""
    lock = FileLock(folder / f".lock-{share.rank}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with suppress(NotImplementedError):  # some network disks have no locks
            lock.acquire(timeout=0)
    except Timeout:
        raise InputError(
            f"output_dir is '{folder}', and another run is writing to it; wait until it has ended, or choose another "
            "output_dir."
        ) from None
    except OSError as error:
        raise InputError(f"'{folder}' cannot be made ({error.strerror}); choose another place.") from error
    try:
        yield
    finally:
        lock.release()


class Batch:
    """One process's run over a list."""

    def __init__(self, job: BatchJob, engine: Engine, share: Share) -> None:
        self.job, self.engine, self.share = job, engine, share
        self.started = time.monotonic()
        self.all = list(range(len(job.items)))
        self.mine = share.of(self.all)
        self.bar = Bar(share.first and not job.asked.quiet)

    def run(self) -> int:
        """Edit what is not finished of this process's share, write the index; the exit code."""
        self._clear()
        try:
            with Editor(self.job, self.engine, self.bar) as editor:
                if self.job.save_path is None:
                    left = self._left()
                    self.bar.begin(len(left))
                    self._edit(editor, left, self.job.generator)
                else:  # one generator for all; those that failed in an earlier run, when it was their turn, come last
                    learning = SharedLearning(self.job, editor, self.share)
                    self.bar.begin(learning.left())
                    learning.teach()
                    self._edit(editor, self._left(), learning.module)
            code = FAILED if editor.failed else 0
            # nobody leaves before all are done: torchrun ends all where one ends with another code than 0
            wait_for(sorted(set(self.all) - set(self.mine)), lambda n: self._row(n).is_over)
        except KeyboardInterrupt:
            code = STOPPED
        finally:
            self.bar.close()
        if not self._index():
            code = code or FAILED
        if code == STOPPED:
            print("Stopped; what is finished is kept, the same command goes on.", file=sys.stderr)
        return code

    def _clear(self) -> None:
        """Take away what killed runs left of unfinished files, and what earlier ones noted of failures."""
        if self.share.first:
            places = [self.job.output_dir / name for name in (SUMMARY, PAGE, STATE)]
            for path in [*places, *([self.job.save_path] if self.job.save_path else [])]:
                clear_drafts(path)
        for n in self.mine:
            self.job.place(n).forget_failure()

    def _left(self) -> list[int]:
        return [n for n in self.mine if not self._row(n).is_over]

    def _edit(self, editor: Editor, indices: list[int], generator: RegionGenerator | None) -> None:
        """Items of this process's share, each with a copy of the generator."""
        for index in indices:
            editor.edit(index, copy.deepcopy(generator), self.job.stamp(index))

    def _row(self, n: int) -> Row:
        place, stamp = self.job.place(n), self.job.stamp(n)
        return Row(self.job.items[n], place, report := place.report(stamp), "" if report else place.failure(stamp))

    def _index(self) -> bool:
        """Write the page and the table, from what is on disk, and a line for the person; whether all went well."""
        rows = [self._row(n) for n in self.all]
        well = all(row.report is not None for row in rows)
        for write in (partial(write_page, can_pick=True), write_summary):
            try:
                write(self.job.output_dir, rows)
            except InputError as error:  # a table that is open in another program, say
                print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
                well = False
        if self.share.first:
            counts = ", ".join(f"{n} {what}" for what, n in Counter(row.status for row in rows).items())
            world, seconds = self.share.world, time.monotonic() - self.started
            boxes = ", boxes" if self.job.asked.draw_box else ""
            print(
                f"{len(rows)} items: {counts}\n{seconds:.1f} seconds with {world} process{'es' * (world > 1)}\n"
                f"written to {self.job.output_dir}: index.html, summary.csv, results, items{boxes}"
            )
        return well
