"""New tensors are float32 and go to the CPU where nothing else is said, whatever defaults others of the process have
set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any, TypeVar, cast

import torch

F = TypeVar("F", bound=Callable[..., Any])


def plain_defaults(work: F) -> F:
    """`work` as without `torch.set_default_device`, which is of this thread alone, and `torch.set_default_dtype`: ours,
    and that of the libraries it calls."""

    @wraps(work)
    def call(*args: Any, **kwargs: Any) -> Any:
        with ExitStack() as stack:
            # asked of a tensor: `torch.get_default_device` of torch 2.6 fails where the default was taken back
            if torch.empty(0, dtype=torch.float32).device.type != "cpu":  # the mode costs each call of torch a little
                stack.enter_context(torch.device("cpu"))
            if torch.get_default_dtype() != torch.float32:
                stack.enter_context(_single_precision())
            return work(*args, **kwargs)

    return cast(F, call)


@contextmanager
def _single_precision() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
