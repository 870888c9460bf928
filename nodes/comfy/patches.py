"""Patches of a MODEL that were made for one picture at a time, as core's KSampler runs it."""

from __future__ import annotations

import re
from typing import Any

# they are given the predictions of all rows, and may take one mean, norm or cosine of them all
_SEE_ALL_ROWS = (
    "sampler_cfg_function",
    "sampler_post_cfg_function",
    "sampler_pre_cfg_function",
    "sampler_calc_cond_batch_function",
)
_KINDS = (RuntimeError, ValueError, IndexError, TypeError, AssertionError)
_WORDS = re.compile(
    r"\b(size|sizes|shape|shapes|dim|dimensions?|ambiguous|batch|broadcast\w*|expand\w*|"
    r"elements?|index|rows?|view|unpack|rearrange|reshape)\b",
    re.IGNORECASE,
)


def sees_all_rows(model: Any) -> bool:
    """Whether a MODEL carries a patch whose answer for one row may hang on the others."""
    return any(model.model_options.get(name) for name in _SEE_ALL_ROWS)


def minds_the_batch(error: BaseException) -> bool:
    """Whether an exception reads like that of code which expects a batch of another size."""
    # einops has an exception of its own, which is a RuntimeError
    return isinstance(error, _KINDS) and bool(_WORDS.search(str(error)))
