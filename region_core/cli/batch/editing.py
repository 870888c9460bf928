"""Items edited one after another: each one's picture is read, and its files are written, while others are edited."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

import torch

from ...edit import EditResult
from ...encoders.loading import Models
from ...errors import InputError, shown
from ...paper.network import RegionGenerator, check_fit
from ...picture import Picture, check_header, load_picture
from ..engine import Engine
from .bar import Bar
from .items import Item
from .plan import BatchJob, file_digest

Reading = Future[tuple[Picture, str]]  # an item's picture and the SHA-256 of its file


def read_ahead(job: BatchJob, indices: Sequence[int]) -> Iterator[tuple[int, Reading]]:
    """The items named, in that order, each with its picture; `num_workers` pictures at most, and no more than
    there are cores, are read before they are asked for."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    ahead = min(job.num_workers, cores)
    waiting: deque[tuple[int, Reading]] = deque()
    pool = ThreadPoolExecutor(max(ahead, 1), thread_name_prefix="reading")
    try:
        for index in indices:
            waiting.append((index, pool.submit(_read, job.items[index], job.pin_mem)))
            if len(waiting) > ahead:
                yield waiting.popleft()
        yield from waiting
    finally:
        pool.shutdown(cancel_futures=True)


def _read(item: Item, pin_mem: bool) -> tuple[Picture, str]:
    try:
        check_header(item.path)  # also that it is still a file
        picture, digest = load_picture(item.path), file_digest(item.path)
    except InputError:
        raise
    except Exception as error:  # whatever a decoder makes of a bad file
        raise InputError(f"'{item.path}' cannot be read ({type(error).__name__}: {error})") from error
    if pin_mem:
        alpha = None if picture.alpha is None else picture.alpha.pin_memory()
        picture = replace(picture, rgb=picture.rgb.pin_memory(), alpha=alpha)
    return picture, digest


class Editor:
    """Edits items with loaded models. Use as a context manager: leaving it waits for the files.

    An item that fails is noted on disk and on stderr; `failed` counts them. The bar moves within each item.
    """

    def __init__(self, job: BatchJob, engine: Engine, run: str, bar: Bar) -> None:
        self.job, self.engine, self.run, self.bar = job, engine, run, bar
        self.failed = 0
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="saving")
        self._saving: tuple[int, Future] | None = None
        self._models: Models | None = None

    def __enter__(self) -> Editor:
        return self

    def __exit__(self, *_raised: object) -> None:
        try:
            self.flush()
        finally:
            self._pool.shutdown()

    @property
    def models(self) -> Models:
        """The models, loaded when they are first asked for."""
        if self._models is None:
            settings = [item.settings for item in self.job.items]
            self._models = self.engine.load(self.job.choice, max(one.max_window_size for one in settings))
            if self.job.generator is not None:
                for one in settings:
                    check_fit(self.job.generator, "load_checkpoint_path", self._models.dino.feature_dim, one)
        return self._models

    def edit(
        self,
        index: int,
        reading: Reading,
        generator: RegionGenerator | None,
        learned: str,
        also: Callable[[EditResult], None] | None = None,
    ) -> EditResult | None:
        """Edit an item and hand its files to the writer; None where it failed.

        `generator` is taught in place; `learned` names it in the fingerprint. `also` is called by
        the writer before the report makes the item finished.
        """
        item = self.job.items[index]
        models = self.models  # before `try`: a wrong model is wrong for all items
        try:
            picture, digest = reading.result()
            image = picture.rgb if picture.alpha is None else torch.cat([picture.rgb, picture.alpha], dim=1)
            result = self.engine.edit(
                models,
                image,
                item.caption,
                item.prompt,
                inpainter=self.engine.inpainter(models, item.prompt, item.negative_prompt),
                settings=item.settings,
                generator=generator,
                on_event=lambda event: self.bar.reach((self._saving is not None) + event.done),
            )
        except Exception as error:  # whatever it is, the other items are not to suffer from it
            self._fail(index, error)
            return None
        more = {
            "key": item.key,
            "image": item.image,
            "image_caption": item.caption,
            "editing_prompt": item.prompt,
            "negative_prompt": item.negative_prompt,
            "picture_size": [picture.width, picture.height],
            "fingerprint": self.job.fingerprint(item, digest, learned),
            "learned": learned,
            "run": self.run,
        }
        if picture.note:
            print(f"{shown(item.key)}: {picture.note}", file=sys.stderr)

        def write() -> None:
            if also is not None:
                also(result)
            self.job.place(index).write(picture, result, more)

        self.flush()  # one edit at most waits to be written: it holds its pictures in memory
        self._saving = index, self._pool.submit(write)
        return result

    def flush(self) -> None:
        """Wait until everything handed in is on disk."""
        if self._saving is None:
            return
        (index, writing), self._saving = self._saving, None
        try:
            writing.result()
        except Exception as error:
            self._fail(index, error)
        else:
            self.bar.step()

    def _fail(self, index: int, error: Exception) -> None:
        self.failed += 1
        item = self.job.items[index]
        reason = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
        print(f"failed: {item.key}: {' '.join(reason.split())}", file=sys.stderr)
        with suppress(InputError, OSError):  # a full disk, say: stderr has it
            self.job.place(index).fail(reason, {"key": item.key, "run": self.run})
        self.bar.step()
