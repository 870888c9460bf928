"""What readers of towers have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

Affinity = Callable[[tuple[int, int]], Tensor]  # grid (h, w) -> weights [B, h*w, h*w], rows summing to 1
# (tower, pixels [B, 3, H, W] normalised for it, affinity that transformers average their places by)
# -> embeddings [B, E] of the pictures and [B, E, h, w] of their places, in one forward, not of unit length
Reader = Callable[[Any, Tensor, Affinity | None], tuple[Tensor, Tensor]]


class NoPlaces(Exception):
    """A tower shows no places; the text says why, to follow "because"."""


def each_alone(work: Callable[[Tensor], Tensor], tokens: Tensor) -> Tensor:
    """What `work`, of sequences [n, 1, C], makes of each token [B, N, C] as if it were the only one: [B, N, E].

    Attention over one token gives its value, whatever the queries and the rotary positions.
    """
    batch, count, width = tokens.shape
    return work(tokens.reshape(batch * count, 1, width)).reshape(batch, count, -1)


def laid_out(cells: Tensor, grid: tuple[int, int]) -> Tensor:
    """Cells [B, h*w, E] as [B, E, h, w]."""
    return cells.transpose(1, 2).unflatten(2, grid)


def shared(cells: Tensor, grid: tuple[int, int], affinity: Affinity | None) -> Tensor:
    """Cells [B, h*w, C], averaged over those that belong together."""
    return cells if affinity is None else affinity(grid).to(cells) @ cells
