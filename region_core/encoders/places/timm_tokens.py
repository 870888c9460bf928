"""timm's vision transformers: those of SigLIP, SigLIP 2, EVA and others in open_clip."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import Tensor, nn

from ...errors import with_article
from .common import Affinity, NoPlaces, Reader, each_alone, laid_out, shared

_TRUNK = ("blocks", "patch_embed", "num_prefix_tokens", "forward_features", "forward_head")


def reader_of(visual: nn.Module) -> Reader | None:
    """`read` for open_clip's adapter of such a network; None for another tower."""
    trunk: Any = getattr(visual, "trunk", None)
    if not (hasattr(visual, "head") and all(hasattr(trunk, name) for name in _TRUNK)):
        return None
    pool = getattr(trunk, "attn_pool", None)
    if pool is not None and getattr(pool, "pos_embed", None) is not None:
        raise NoPlaces("its image tower pools by attention over places of its own positions")
    block = trunk.blocks[-1]
    if not (hasattr(block, "norm1") and hasattr(block, "attn")):
        raise NoPlaces(f"its image tower attends by {with_article(type(block).__name__)}, whose values cannot be read")
    return read


def read(visual: Any, pixels: Tensor, affinity: Affinity | None = None) -> tuple[Tensor, Tensor]:
    """See `Reader`. Pooled by attention (SigLIP) or by the mean, each place goes alone through pooling and head; with a
    class token (EVA) what it passes on in the last block does, for the last output of a place was never trained."""
    trunk, before = visual.trunk, []
    handle = trunk.blocks[-1].register_forward_pre_hook(lambda _, args: before.append(args[0]))
    try:
        tokens = trunk.forward_features(pixels)
    finally:
        handle.remove()
    prefix = trunk.num_prefix_tokens
    grid = _grid(pixels, tokens.shape[1] - prefix)
    if getattr(trunk, "attn_pool", None) is not None:
        cells = each_alone(lambda one: trunk.fc_norm(trunk.attn_pool(one)), tokens[:, prefix:])
    elif trunk.global_pool == "token":
        values = each_alone(partial(_value, trunk.blocks[-1]), before[0][:, prefix:])
        cells = trunk.fc_norm(trunk.norm(shared(values, grid, affinity)))
    else:
        cells = trunk.fc_norm(tokens[:, prefix:])
    places = visual.head(trunk.head(cells).flatten(0, 1)).unflatten(0, cells.shape[:2])
    return visual.head(trunk.forward_head(tokens)), laid_out(places, grid)


def _value(block: Any, token: Tensor) -> Tensor:
    """What attention adds to a token that is alone: no residual, no feed-forward."""
    if hasattr(block, "ls1"):
        return block.ls1(block.attn(block.norm1(token)))
    if not hasattr(block, "gamma_1"):  # EVA's largest: it normalises after attention
        return block.norm1(block.attn(token))
    value = block.attn(block.norm1(token))
    return value if block.gamma_1 is None else block.gamma_1 * value


def _grid(pixels: Tensor, count: int) -> tuple[int, int]:
    """Rows and columns of `count` places, as many for a pixel one way as the other."""
    rows = round((count * pixels.shape[-2] / pixels.shape[-1]) ** 0.5)
    if not rows or count % rows:
        raise NoPlaces(f"its image tower's {count} places are no grid")
    return rows, count // rows
