"""The command line: `python -m region_core demo`, `edit`, `batch` and `verify`."""

from __future__ import annotations

import argparse
import io
import os
import re
import sys
from collections.abc import Callable, Sequence
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

    def _try(self, act: Callable[..., object], *args: str) -> None:
        try:
            act(*args)
        except OSError:  # what is left in its buffer, too, goes nowhere
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())


def tolerant_streams() -> None:
    """Let stdout and stderr write what their encoding has no sign for as an escape, and nothing where they are closed.

    A Windows console in cp1252, or the C locale, would otherwise end an edit in Chinese after all its work is done.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed, as under pythonw
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            if stream.errors in ("strict", "surrogateescape"):
                stream.reconfigure(errors="backslashreplace")
            setattr(sys, name, _Console(stream))


def guarded(command: Callable[[], int]) -> int:
    """Run a command: an InputError is one line on stderr and exit code 2, Ctrl-C is 130.

    A list's problems are a line each.
    """
    tolerant_streams()
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
