"""SIGTERM, which ends a run in as good order as Ctrl-C does."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def terminated_as_by_ctrl_c() -> Iterator[threading.Event]:
    """Let SIGTERM, which torchrun sends when another process died, raise KeyboardInterrupt too.

    The event is set from then on.
    """
    stopped = threading.Event()
    before: dict[int, Any] = {}

    def stop(_signal: int, _frame: object) -> None:
        stopped.set()
        if hasattr(signal, "SIGCHLD"):
            # readers may have got it as well, and torch would raise for their end at any moment
            before.setdefault(signal.SIGCHLD, signal.signal(signal.SIGCHLD, signal.SIG_DFL))
        raise KeyboardInterrupt

    try:
        before[signal.SIGTERM] = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not the main thread
        yield stopped
        return
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
