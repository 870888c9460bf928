"""The command line: `python -m region_core demo`, `find`, `edit` and `batch`."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from .console import guarded
from .options import parse

if TYPE_CHECKING:
    from .engine import Engine


def main(argv: Sequence[str] | None = None, engine: Engine | None = None) -> int:
    """Run the command line, with the pack's own engine where none is given; returns the exit code."""

    def command() -> int:
        asked = parse(argv)
        if asked is None:  # --help, --version
            return 0
        # only now is torch imported, which `--help` does not need, and of the commands the one that is asked for
        from .engine import Engine

        room = ".batch.command" if asked.command == "batch" else f".{asked.command}"
        return getattr(import_module(room, __package__), asked.command)(asked, engine or Engine())

    return guarded(command)
