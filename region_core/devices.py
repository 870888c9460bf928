"""New tensors go to the CPU where nothing else is said, whatever default device others of the process have set."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

import torch

F = TypeVar("F", bound=Callable[..., Any])


def plain_device(work: F) -> F:
    """`work` as without `torch.set_default_device`, ours and that of the libraries it calls; of this thread alone."""

    @wraps(work)
    def call(*args: Any, **kwargs: Any) -> Any:
        if torch.get_default_device().type == "cpu":  # the mode costs each call of torch a little
            return work(*args, **kwargs)
        with torch.device("cpu"):
            return work(*args, **kwargs)

    return cast(F, call)
