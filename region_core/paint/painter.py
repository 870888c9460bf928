"""What a painting model must do, and what painters have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

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


@dataclass
class Latents:  # goes when nothing pauses a sampler any more
    """Candidates part of the way through sampling.

    z [N,c,h,w] is the noisy state, denoised [N,c,h,w] the model's estimate of the end, step of
    steps the place in the schedule. In extra every tensor holds one row a candidate; anything else
    in it is shared by all (so a shared tensor goes inside a tuple).
    """

    z: Tensor
    denoised: Tensor
    step: int
    steps: int
    extra: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return int(self.z.shape[0])

    def select(self, indices: Sequence[int] | Tensor) -> Latents:
        """The candidates named by indices, in that order; a copy."""
        index = torch.as_tensor(indices, dtype=torch.long, device=self.z.device)
        extra = dict(self.extra)
        for key, value in extra.items():
            if isinstance(value, Tensor):
                if value.ndim == 0 or value.shape[0] != len(self):
                    raise ValueError(f"Latents.extra[{key!r}] has no row for each of {len(self)}")
                extra[key] = value[index.to(value.device)]
        return replace(self, z=self.z[index], denoised=self.denoised[index], extra=extra)

    @staticmethod
    def cat(parts: Sequence[Latents]) -> Latents:
        """Parts at the same step as one, in order; what is shared is taken from the first."""
        first = parts[0]
        if any((part.step, part.steps) != (first.step, first.steps) for part in parts):
            raise ValueError("only latents at the same step of the same schedule can be joined")
        extra = dict(first.extra)
        for key, value in extra.items():
            if isinstance(value, Tensor):
                extra[key] = torch.cat([part.extra[key] for part in parts])
        return replace(
            first,
            z=torch.cat([part.z for part in parts]),
            denoised=torch.cat([part.denoised for part in parts]),
            extra=extra,
        )


class Inpainter(Protocol):  # goes with Latents; see Painter
    """An inpainting model with its prompt, as the search sees it."""

    @property
    def size(self) -> int:
        """Native side s in pixels; pictures for the model are s x s."""

    @property
    def evaluations(self) -> float:
        """UNet forwards of one image so far, counted on the model; guidance counts two.

        What is smaller than `size` counts by its share of pixels. An inpainter may count its VAE's
        passes too, as `vae_encodings` and `vae_decodings` (see `cost`).
        """

    @property
    def device(self) -> torch.device:
        """Where pictures are wanted and given."""

    def begin(self, images: Tensor, masks: Tensor, seed: int, steps: int, *, strength: float = 1.0) -> Latents:
        """Start N edits of images [N,3,s,s] where masks [N,1,s,s] are 1, all from the same noise.

        The side s is `size`, or for a preview another multiple of 8 pixels.
        strength (0, 1] below 1 starts from the noised picture, that much of the schedule on.
        """

    def advance(self, latents: Latents, stop: int, guidance: float) -> Latents:
        """Run schedule steps [latents.step, stop); guidance <= 1 saves the second forward."""

    def decode(self, latents: Latents) -> Tensor:
        """Pictures [N,3,s,s] in 0..1, of the denoised estimate where sampling is not finished."""


def first_step(steps: int, strength: float, last: int) -> int:
    """The step of the schedule that an edit of `strength` (0, 1] begins with, at most the `last`."""
    return min(max(last, 0), round(steps * (1 - strength)))


def masked_image(pictures: Tensor, masks: Tensor) -> Tensor:
    """pictures [N, 3, s, s], grey where masks [N, 1, s, s] are above 0.5: what an inpainting model sees of them."""
    return torch.where(masks > 0.5, torch.full_like(pictures, 0.5), pictures)


with_hole = masked_image  # its old name; goes with Latents


def checked_finite(rows: Tensor, what: str, way_out: str) -> Tensor:
    """`rows` [N, ...] as they are given.

    InputError, with `what` they are and a `way_out`, where not one row is finite throughout. A few that
    are not pass: edits that are sound go on, and the ranking puts the others last.
    """
    if len(rows) and not bool(torch.isfinite(rows).flatten(1).all(dim=1).any()):
        raise InputError(f"{what} are not numbers (NaN or infinity), as half precision can make them; {way_out}")
    return rows
