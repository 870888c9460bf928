"""A mask within which the region is looked for: drawn by hand, or made by a detector."""

from __future__ import annotations

from torch import Tensor

from ..errors import InputError
from .regions import Region


def check_prior(prior: Tensor | None, image: Tensor) -> None:
    """InputError where a prior has not the shape [1, 1, H, W] of an image [1, 3, H, W], or no white."""
    wanted = (1, 1, *image.shape[-2:])
    if prior is None:
        return
    if tuple(prior.shape) != wanted:
        raise InputError(
            f"the region prior has shape {tuple(prior.shape)}; pass a mask of the picture's size, {wanted}"
        )
    if not bool((prior > 0.5).any()):
        raise InputError(
            "the region prior is empty (no pixel above 0.5); paint it where the region may be, or leave it out"
        )


def cut_to(prior: Tensor, region: Region) -> Region:
    """The part of a region where a prior [1, 1, H, W] is white, to the pixel; all of the white where there is none."""
    white = (prior[0, 0] > 0.5).cpu()
    inside = white & (region.mask[0, 0] > 0.5)
    cells = inside if bool(inside.any()) else white
    return Region(cells, region.size, region.evidence, region.separate)
