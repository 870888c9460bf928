"""What a painting model must do, and what painters have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ..errors import InputError


@dataclass
class StepInfo:
    """One sampling step: `done` of `total`, and the model's estimate of the end, latents [N, c, h, w] or None."""

    done: int
    total: int
    latents: Tensor | None = None


class Painter(Protocol):
    """A painting model bound to its prompt: paints squares of `size` pixels under a mask.

    It may count what it does in `evaluations` (UNet forwards of one picture; guidance takes two),
    `vae_encodings` and `vae_decodings`; see `cost`.
    """

    @property
    def size(self) -> int:
        """Native side s in pixels."""

    def __call__(
        self,
        pictures: Tensor,
        masks: Tensor,
        *,
        seed: int,
        steps: int,
        guidance: float,
        strength: float,
        on_step: Callable[[StepInfo], None] | None = None,
    ) -> Tensor:
        """Paint pictures [N, 3, s, s] in 0..1 where masks [N, 1, s, s] are 1; gives pictures of the same shape.

        All N start from the same noise, that of `seed`. `guidance` of 1 or less means none; `strength`
        (0, 1] below 1 starts from the noised picture, that much of the schedule on. `on_step` is called
        after each step and may raise to stop. Where memory is short fewer rows go at once.
        """


def first_step(steps: int, strength: float, last: int) -> int:
    """The step of the schedule that an edit of `strength` (0, 1] begins with, at most the `last`."""
    return min(max(last, 0), round(steps * (1 - strength)))


def masked_image(pictures: Tensor, masks: Tensor) -> Tensor:
    """pictures [N, 3, s, s], grey where masks [N, 1, s, s] are above 0.5: what an inpainting model sees of them."""
    return torch.where(masks > 0.5, torch.full_like(pictures, 0.5), pictures)


def checked_finite(rows: Tensor, what: str, way_out: str) -> Tensor:
    """`rows` [N, ...] as they are given.

    InputError, with `what` they are and a `way_out`, where not one row is finite throughout. A few that
    are not pass: edits that are sound go on, and the ranking puts the others last.
    """
    if len(rows) and not bool(torch.isfinite(rows).flatten(1).all(dim=1).any()):
        raise InputError(f"{what} are not numbers (NaN or infinity), as half precision can make them; {way_out}")
    return rows
