"""open_clip's own vision transformer: the values of its last attention block."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import with_article
from .common import Affinity, NoPlaces, Reader

_NAMES = ("conv1", "class_embedding", "positional_embedding", "transformer", "ln_post")


def reader_of(visual: nn.Module) -> Reader | None:
    """`read` for a transformer whose class token is the embedding; None for another tower."""
    if not all(hasattr(visual, name) for name in _NAMES):
        return None
    if getattr(visual, "attn_pool", None) is not None:
        raise NoPlaces("its image tower pools its places by learned queries, as CoCa's does")
    last: Any = visual.transformer.resblocks[-1]  # type: ignore[union-attr,index]
    if not (hasattr(last, "ln_1") and hasattr(last.attn, "in_proj_weight")):
        raise NoPlaces(
            f"its image tower attends by {with_article(type(last.attn).__name__)}, whose values cannot be read"
        )
    return read


def read(visual: Any, pixels: Tensor, affinity: Affinity | None = None) -> tuple[Tensor, Tensor]:
    """See `Reader`."""
    x = visual.conv1(pixels)
    grid = (int(x.shape[-2]), int(x.shape[-1]))
    x = x.flatten(2).transpose(1, 2)
    position = visual.positional_embedding.to(x.dtype)
    first = (visual.class_embedding.to(x.dtype) + position[0]).expand(len(x), 1, -1)
    x = visual.ln_pre(torch.cat([first, x + _positions(position[1:], grid)], dim=1))
    blocks = visual.transformer.resblocks
    for block in blocks[:-1]:
        x = block(x)
    last, width = blocks[-1], x.shape[-1]
    normed = last.ln_1(x)[:, 1:]
    bias = last.attn.in_proj_bias
    values = F.linear(normed, last.attn.in_proj_weight[2 * width :], None if bias is None else bias[2 * width :])
    if affinity is not None:
        values = affinity(grid).to(values) @ values
    # no residual and no feed-forward: what a place passes on is its value
    places = visual.ln_post(last.attn.out_proj(values))
    pooled, _ = visual._pool(last(x))
    if visual.proj is not None:
        places, pooled = places @ visual.proj, pooled @ visual.proj
    return pooled, places.transpose(1, 2).unflatten(2, grid)


def _positions(position: Tensor, grid: tuple[int, int]) -> Tensor:
    """Position embeddings [n*n, C] of a square grid, brought to another one: [h*w, C]."""
    side = round(len(position) ** 0.5)
    if grid == (side, side):
        return position
    square = position.float().T.reshape(1, -1, side, side)
    return F.interpolate(square, grid, mode="bicubic", align_corners=False)[0].flatten(1).T.to(position)
