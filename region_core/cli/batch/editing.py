"""Items edited one after another, each one's files written while the next is on its way."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ...errors import InputError, shown
from ..engine import Engine
from .loading import Loaded, LoaderLost, is_loader_lost
from .plan import BatchJob, fingerprint

if TYPE_CHECKING:
    from ...edit import EditResult
    from ...encoders.loading import Models
    from ...generator.network import RegionGenerator

_BEHIND = 2  # edits waiting to be written, at most: each holds its pictures in memory

Also = Callable[["EditResult"], None]


class Editor:
    """Edits items with loaded models. Use as a context manager: leaving it waits for the files.

    An item that fails is noted on disk and on stderr; `failed` counts them. `on_done` is called
    after each item, edited or failed, and `on_part` within each, with how many are edited but not done.
    """

    def __init__(
        self,
        job: BatchJob,
        engine: Engine,
        identity: dict[str, str],
        run: str,
        on_done: Callable[[], None],
        on_part: Callable[[float], None] = lambda _more: None,
    ) -> None:
        self.job, self.engine, self.identity, self.run, self.on_done = job, engine, identity, run, on_done
        self.on_part = on_part
        self.failed = 0
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="saving")
        self._behind: deque[tuple[int, Future]] = deque()
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
            self._models = self.engine.load(self.job.choice, self.job.max_window_size)
            if self.job.generator is not None:
                from ...generator.network import check_fit

                for item in self.job.items:
                    check_fit(self.job.generator, "load_checkpoint_path", self._models.dino.feature_dim, item.settings)
        return self._models

    def edit(
        self, loaded: Loaded, generator: RegionGenerator | None, learned: str, also: Also | None = None
    ) -> EditResult | None:
        """Edit a loaded item and hand its files to the writer; None where it failed.

        `generator` is taught in place; `learned` names it in the fingerprint. `also` is called by
        the writer before the report makes the item finished.
        """
        index, item = loaded.place, self.job.items[loaded.place]
        models = self.models  # before `try`: a wrong model is wrong for all items
        try:
            if loaded.picture is None:
                raise InputError(loaded.error)
            inpainter = self.engine.inpainter(models, item.prompt, item.negative_prompt)
            result = self.engine.edit(
                models,
                loaded.image,
                item.caption,
                item.prompt,
                inpainter=inpainter,
                settings=item.settings,
                generator=generator,
                on_event=lambda event: self.on_part(len(self._behind) + event.done),
            )
        except Exception as error:  # whatever it is, the other items are not to suffer from it
            if is_loader_lost(error):  # torch raises it here too, and this item is not to blame
                raise LoaderLost from None
            self._fail(index, error)
            return None
        more = {
            "key": item.key,
            "image": item.image,
            "image_caption": item.caption,
            "editing_prompt": item.prompt,
            "negative_prompt": item.negative_prompt,
            "picture_size": [loaded.picture.width, loaded.picture.height],
            "fingerprint": fingerprint(item, loaded.digest, self.identity, learned),
            "learned": learned,
            "run": self.run,
        }
        if loaded.picture.note:
            print(f"{shown(item.key)}: {loaded.picture.note}", file=sys.stderr)
        while len(self._behind) >= _BEHIND:
            self._settle()
        self._behind.append((index, self._pool.submit(self._write, loaded, result, more, also)))
        return result

    def flush(self) -> None:
        """Wait until everything handed in is on disk."""
        while self._behind:
            self._settle()

    def _write(self, loaded: Loaded, result: EditResult, more: dict[str, Any], also: Also | None) -> None:
        place = self.job.place(loaded.place)
        place.begin()
        assert loaded.picture is not None
        if also is not None:
            also(result)
        place.write(loaded.picture, result, more)

    def _settle(self) -> None:
        index, written = self._behind.popleft()
        error = written.exception()
        if error is None:
            self.on_done()
        elif isinstance(error, Exception):
            self._fail(index, error)
        else:
            raise error

    def _fail(self, index: int, error: Exception) -> None:
        self.failed += 1
        item = self.job.items[index]
        reason = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
        print(f"failed: {item.key}: {' '.join(reason.split())}", file=sys.stderr)
        with suppress(InputError, OSError):  # a full disk, say: stderr has it
            place = self.job.place(index)
            place.begin()
            place.fail(reason, {"key": item.key, "run": self.run})
        self.on_done()
