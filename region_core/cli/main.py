"""The command line: `python -m region_core demo`, `edit`, `batch` and `verify`."""

from __future__ import annotations

import argparse
import io
import re
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from ..errors import InputError, InputProblems
from . import BAD_INPUT, STOPPED
from .parser import build_parser

if TYPE_CHECKING:
    from .engine import Engine

    Command = Callable[[argparse.Namespace, Engine], int]


def tolerant_streams() -> None:
    """Let stdout and stderr write what their encoding has no sign for as an escape.

    A Windows console in cp1252, or the C locale, would otherwise end an edit in Chinese after all its work is done.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "surrogateescape"):
            stream.reconfigure(errors="backslashreplace")


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
        return run(args, engine or Engine())

    return guarded(command)
