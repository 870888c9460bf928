"""Libraries kept quiet while they work for us, and left as they were found."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from threading import RLock
from typing import Any

_FILTERS = RLock()  # the filters of warnings are the whole process's: two threads must not change them at once


@contextmanager
def without_warnings() -> Iterator[None]:
    """No warnings, in any thread; afterwards they are filtered as before."""
    with _FILTERS, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def quiet_open_clip() -> Iterator[None]:
    """Keep what open_clip tells the root logger to itself; what went wrong it raises, too."""
    root = logging.getLogger()
    nobody = logging.NullHandler()  # else `logging.error` sets up a handler for good

    def ours(record: logging.LogRecord) -> bool:
        return "open_clip" not in Path(record.pathname).parts

    root.addHandler(nobody)
    root.addFilter(ours)
    try:
        yield
    finally:
        root.removeFilter(ours)
        root.removeHandler(nobody)


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Keep the progress bars, notes and warnings of diffusers, transformers and the hub off stderr.

    What they say is about each other ("accelerate was not found"), nothing that a person who edits a
    picture can act on; errors are still raised. Afterwards all is as it was, for others use them too.
    """
    hub: Any = import_module("huggingface_hub.utils")
    logs: list[Any] = [import_module("transformers.utils.logging")]
    logs += filter(None, [sys.modules.get("diffusers.utils.logging")])  # who does not paint with it need not have it
    hub_log = logging.getLogger("huggingface_hub")
    hub_level, hub_shows = hub_log.level, not hub.are_progress_bars_disabled()
    before = [(log, log.get_verbosity(), log.is_progress_bar_enabled()) for log in logs]
    with without_warnings():
        hub_log.setLevel(logging.ERROR)
        for log in logs:
            log.disable_progress_bar()
            log.set_verbosity(logging.CRITICAL)  # diffusers says "error" of .bin files, which it then reads
        try:
            yield
        finally:
            for log, level, shows in before:
                log.set_verbosity(level)
                if shows:
                    log.enable_progress_bar()
            # last: the switch of transformers turns the hub's too
            (hub.enable_progress_bars if hub_shows else hub.disable_progress_bars)()
            hub_log.setLevel(hub_level)
