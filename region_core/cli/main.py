"""The command line: `python -m region_core demo`, `edit`, `batch` and `verify`."""

from __future__ import annotations

import argparse
import io
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError, InputProblems
from . import BAD_INPUT, STOPPED
from .parser import build_parser
from .signals import terminated_as_by_ctrl_c

if TYPE_CHECKING:
    from .engine import Engine

    Command = Callable[[argparse.Namespace, Engine], int]


class _Console:
    """A stream that may fail (`| head -1`, a terminal that was closed, a full disk), which does not end the work."""

    def __init__(self, stream: io.TextIOWrapper) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """As the stream's own."""
        self._try(self._stream.write, text)
        return len(text)

    def flush(self) -> None:
        """As the stream's own."""
        self._try(self._stream.flush)

    def writelines(self, lines: Iterable[str]) -> None:
        """As the stream's own."""
        for line in lines:
            self.write(line)

    def finish(self) -> None:
        """Leave nothing in the buffer that Python would stumble over at its end; a slow reader is waited for."""
        for _ in range(20):
            try:
                return self._stream.flush()
            except BlockingIOError:
                time.sleep(0.05)
            except OSError:
                break
        self._silence()

    def _try(self, act: Callable[..., object], *args: str) -> None:
        try:
            act(*args)
        except BlockingIOError:  # its reader is behind: this piece alone is lost
            pass
        except OSError:
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


def guarded(command: Callable[[], int]) -> int:
    """Run a command: an InputError is one line on stderr and exit code 2, Ctrl-C is 130.

    A list's problems are a line each.
    """
    with tolerant_streams():
        try:
            return command()
        except InputProblems as error:
            print(f"error: {error}", file=sys.stderr)
            return BAD_INPUT
        except InputError as error:
            print("error: " + re.sub(r"\s+", " ", str(error)), file=sys.stderr)
            return BAD_INPUT
        except KeyboardInterrupt:
            print("Stopped before the end.", file=sys.stderr)
            return STOPPED


def main(argv: Sequence[str] | None = None, engine: Engine | None = None) -> int:
    """Run the command line, with the pack's own engine where none is given; returns the exit code."""

    def command() -> int:
        args = build_parser().parse_args(argv)
        # only now is torch imported, which `--help` does not need, and of the commands the one that is asked for
        from .engine import Engine

        room = ".batch.command" if args.command == "batch" else f".{args.command}"
        run: Command = getattr(import_module(room, __package__), args.command)
        with terminated_as_by_ctrl_c():
            return run(args, engine or Engine())

    return guarded(command)
