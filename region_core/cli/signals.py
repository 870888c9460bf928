"""What ends a run from outside: Ctrl-C, SIGTERM, and SIGHUP of a terminal that is closed."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


@contextmanager
def terminated_as_by_ctrl_c() -> Iterator[None]:
    """Let SIGTERM and SIGHUP raise KeyboardInterrupt, too: they then end a run in as good order as Ctrl-C does. One
    that is ignored (nohup) stays so."""

    def stop(_signal: int, _frame: object) -> None:
        raise KeyboardInterrupt

    with _handled(stop, lambda before: before is signal.SIG_DFL):
        yield


@contextmanager
def patient() -> Iterator[None]:
    """Let the second signal that would raise KeyboardInterrupt pass: people press Ctrl-C twice, and a terminal that
    is closed may say so twice, while what there is is written. A third one raises it again."""
    heard = 0

    def stop(_signal: int, _frame: object) -> None:
        nonlocal heard
        heard += 1
        if heard != 2:
            raise KeyboardInterrupt

    with _handled(stop, callable):
        yield


@contextmanager
def _handled(stop: Callable[[int, object], None], which: Callable[[object], bool]) -> Iterator[None]:
    before = {}
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and which(signal.getsignal(number)):
            with suppress(ValueError):  # not the main thread
                before[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
