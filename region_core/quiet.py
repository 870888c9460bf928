"""Libraries kept quiet while they work for us, and left as they were found."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Keep the progress bars, notes and warnings of diffusers, transformers and the hub off stderr.

    What they say is about each other ("accelerate was not found"), nothing that a person who edits a
    picture can act on; errors are still raised. Afterwards all is as it was, for others use them too.
    """
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        stack.enter_context(_level(logging.getLogger("huggingface_hub"), logging.ERROR))
        for name in ("diffusers", "transformers"):
            stack.enter_context(_quiet(name))
        yield


@contextmanager
def _level(logger: logging.Logger, level: int) -> Iterator[None]:
    before = logger.level
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.setLevel(before)


@contextmanager
def _quiet(library: str) -> Iterator[None]:
    from importlib import import_module

    log: Any = import_module(f"{library}.utils.logging")
    hub: Any = import_module("huggingface_hub.utils")
    shows, hub_shows = log.is_progress_bar_enabled(), not hub.are_progress_bars_disabled()
    level = log.get_verbosity()
    log.disable_progress_bar()
    log.set_verbosity_error()
    try:
        yield
    finally:
        log.set_verbosity(level)
        if shows:
            log.enable_progress_bar()
        if hub_shows:  # the switch of transformers turns the hub's too
            hub.enable_progress_bars()
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                hub.disable_progress_bars()
