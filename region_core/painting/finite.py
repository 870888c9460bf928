"""Models that give NaN, as half precision can: told where none of the edits is left."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import InputError


def checked_finite(rows: Tensor, what: str, way_out: str) -> Tensor:
    """`rows` [N, ...] as they are given.

    InputError, with `what` they are and a `way_out`, where not one row is finite throughout. A few that
    are not pass: edits that are sound go on, and the ranking puts the others last.
    """
    if len(rows) and not bool(torch.isfinite(rows).flatten(1).all(dim=1).any()):
        raise InputError(f"{what} are not numbers (NaN or infinity), as half precision can make them; {way_out}")
    return rows
