"""The command line: `python -m region_core demo`, `edit`, `batch` and `verify`."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable, Sequence

from ..errors import InputError, InputProblems
from .engine import Engine
from .exit_codes import BAD_INPUT, STOPPED
from .parser import build_parser


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
    engine = engine or Engine()

    def command() -> int:
        args = build_parser().parse_args(argv)
        if args.command == "demo":
            from .demo import demo

            return demo(args, engine)
        if args.command == "batch":
            from .batch.command import batch

            return batch(args, engine)
        if args.command == "verify":
            from .verify import verify

            return verify(args, engine)
        from .edit import edit

        return edit(args, engine)

    return guarded(command)
