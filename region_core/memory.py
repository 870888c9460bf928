"""Work in chunks that fit: halved where a device's memory does not suffice."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import TypeVar

import torch

from .errors import InputError, first_line

log = logging.getLogger(__name__)
T = TypeVar("T")
_WORDS = re.compile(
    r"out[ _]of[ _](\w+[ _])?memory|(can't|cannot|could not|failed to) allocate|not enough (\w+ )?memory|"
    r"(CUBLAS|CUDNN|CUSOLVER|CUFFT)_STATUS_ALLOC_FAILED",
    re.IGNORECASE,
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that a device's memory did not suffice."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    # CPUs, Macs, DirectML and the libraries of CUDA and XPU have no exception of their own for it
    return isinstance(error, RuntimeError) and bool(_WORDS.search(str(error)))


def in_chunks(count: int, most: int, work: Callable[[slice], T], way_out: str) -> tuple[list[T], int]:
    """What `work` gives of rows 0 to `count`, at most `most` at once, in order; and how many fitted.

    Where memory does not suffice, half as many are tried, down to one. Raises InputError, with `way_out`
    as what to do, where it does not suffice for one; whatever else is raised passes.
    """
    done: list[T] = []
    start, most = 0, max(1, most)
    while start < count:
        rows = slice(start, min(start + most, count))
        try:
            done.append(work(rows))
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            if rows.stop - start == 1:
                raise InputError(f"The device's memory does not suffice ({first_line(error)}); {way_out}.") from error
            most = (rows.stop - start) // 2
            log.warning("out of memory with %d at once: going on with %d", rows.stop - start, most)
        else:
            start = rows.stop
            continue
        give_back()  # only now is the failed attempt forgotten
    return done, most


def give_back() -> None:
    """Return what torch holds for later to the devices."""
    for kind in (torch.cuda, getattr(torch, "xpu", None), getattr(torch, "mps", None)):
        if kind is not None and hasattr(kind, "is_available") and kind.is_available():
            kind.empty_cache()
