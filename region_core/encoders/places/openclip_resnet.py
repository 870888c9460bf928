"""open_clip's ModifiedResNet: a place attended alone by its attention pooling."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from .common import Affinity, Reader


def reader_of(visual: nn.Module) -> Reader | None:
    """`read` for such a network; None for another tower."""
    return read if hasattr(visual, "attnpool") and hasattr(visual, "layer4") else None


def read(visual: Any, pixels: Tensor, affinity: Affinity | None = None) -> tuple[Tensor, Tensor]:
    """See `Reader`; its places need no affinity."""
    x = visual.stem(pixels)
    for layer in (visual.layer1, visual.layer2, visual.layer3, visual.layer4):
        x = layer(x)
    grid = (int(x.shape[-2]), int(x.shape[-1]))
    pool = visual.attnpool  # a place attended alone passes on its value
    seen = pool.c_proj(pool.v_proj(x.flatten(2).transpose(1, 2)))
    return pool(x), seen.transpose(1, 2).unflatten(2, grid)
