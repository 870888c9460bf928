"""Streams that write what they can, signals that stop in good order, errors that are one line."""

from __future__ import annotations

import io
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from ..errors import InputError, InputProblems
from . import BAD_INPUT, STOPPED


class _Console:
    """A stream that may fail (`| head -1`, a terminal that was closed, a full disk), which does not end the work."""

    def __init__(self, stream: io.TextIOWrapper) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """As the stream's own."""
        self._try(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        """As the stream's own."""
        self._try(self._stream.flush)

    def finish(self) -> None:
        """Leave nothing in the buffer that Python would stumble over at its end."""
        self._try(self._stream.flush, last=True)

    def _try(self, act: Callable[[], object], *, last: bool = False) -> None:
        try:
            act()
        except OSError as error:
            if last or not isinstance(error, BlockingIOError):  # else its reader is behind: this piece alone is lost
                self._silence()

    def _silence(self) -> None:
        """Let what is said from here on, and what is left in the buffer, go nowhere."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        if nowhere != self._stream.fileno():  # which another part of the process may have closed
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)


@contextmanager
def tolerant_streams() -> Iterator[None]:
    """Let stdout and stderr write what their encoding has no sign for as an escape, and nothing where they are closed.

    A Windows console in cp1252, or the C locale, would otherwise end an edit in Chinese after all its work is done.
    """
    with ExitStack() as after:
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            if stream is None:  # closed, as under pythonw
                new: Any = after.enter_context(Path(os.devnull).open("w", encoding="utf-8"))
            elif isinstance(stream, io.TextIOWrapper):
                if stream.errors in ("strict", "surrogateescape"):
                    after.callback(stream.reconfigure, errors=stream.errors)
                    stream.reconfigure(errors="backslashreplace")
                new = _Console(stream)
                after.callback(new.finish)
            else:
                continue
            after.callback(setattr, sys, name, stream)
            setattr(sys, name, new)
        yield


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP raise KeyboardInterrupt, as Ctrl-C does; one that is ignored (nohup) stays so.

    The second signal passes: people press Ctrl-C twice, torchrun adds its own, and a terminal that is closed may say
    so twice, while what there is is written. A third one raises KeyboardInterrupt again.
    """
    heard = 0

    def stop(_signal: int, _frame: object) -> None:
        nonlocal heard
        heard += 1
        if heard != 2:
            raise KeyboardInterrupt

    before: dict[int, Any] = {}
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            with suppress(ValueError):  # not the main thread
                before[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def guarded(command: Callable[[], int]) -> int:
    """Run a command: an InputError is one line on stderr, of a list one a problem, and exit code 2, Ctrl-C is 130."""
    with tolerant_streams(), stopped_by_signals():
        try:
            return command()
        except InputError as error:
            text = str(error) if isinstance(error, InputProblems) else re.sub(r"\s+", " ", str(error))
            print(f"error: {text}", file=sys.stderr)
            return BAD_INPUT
        except KeyboardInterrupt:
            print("Stopped before the end.", file=sys.stderr)
            return STOPPED
