"""What CLIP's image tower says of each place of a picture, in the space of its texts.

The pooled embedding of a picture mixes all that is in it. Before pooling the tower still knows where:
of a vision transformer the values of the last attention block are read, averaged over the places that
another network's features hold to be alike (Lan et al., "ProxyCLIP", ECCV 2024), of a convolutional
tower the last feature map.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SHIFT, SCALE = 1.2, 3.0
Affinity = Callable[[tuple[int, int]], Tensor]  # grid (h, w) -> weights [B, h*w, h*w], rows summing to 1


def proxy_affinity(features: Tensor, grid: tuple[int, int]) -> Tensor:
    """How alike the cells of a grid are: weights [B, N, N] for N = h*w cells, rows summing to 1.

    features: [B, D, h', w'] of any grid. Cosines less `SHIFT` times their mean, times `SCALE`, then a
    softmax over what is left above 0; both constants are ProxyCLIP's. A cell is always its own
    neighbour, so no row is empty.
    """
    cells = F.interpolate(features.float(), grid, mode="bilinear", align_corners=False)
    unit = F.normalize(cells.flatten(2), dim=1)
    similarity = unit.transpose(1, 2) @ unit
    weights = (similarity - similarity.mean(dim=(1, 2), keepdim=True) * SHIFT) * SCALE
    own = torch.eye(weights.shape[-1], dtype=torch.bool, device=weights.device)
    return weights.masked_fill((weights < 0) & ~own, -torch.inf).softmax(dim=-1)


def local_embeddings(
    visual: nn.Module, pixels: Tensor, affinity: Affinity | None = None
) -> tuple[Tensor, Tensor] | None:
    """The pictures' embeddings [B, E] and those of their places [B, E, h, w], in one forward.

    pixels [B, 3, H, W], normalised for the tower. Nothing is of unit length: of a tower with mean pooling
    the mean over the places is the picture's embedding. `affinity` is used by transformers alone. None
    where the tower's places cannot be read.
    """
    if _is_vit(visual):
        return _of_vit(visual, pixels, affinity)
    if _is_resnet(visual):
        return _of_resnet(visual, pixels)
    trunk: Any = getattr(visual, "trunk", None)
    if trunk is None or not hasattr(trunk, "forward_head"):
        return None
    maps = trunk.forward_features(pixels)
    if maps.ndim != 4:
        return None
    batch, channels, height, width = maps.shape
    # each place alone through the pooling and what follows it: the pool of one is itself
    cells = maps.permute(0, 2, 3, 1).reshape(-1, channels, 1, 1)
    head: Any = visual.head
    seen = head(trunk.forward_head(cells)).reshape(batch, height, width, -1).permute(0, 3, 1, 2)
    return head(trunk.forward_head(maps)), seen


def _is_vit(visual: nn.Module) -> bool:
    """Whether it is open_clip's own vision transformer, whose class token is the embedding."""
    names = ("conv1", "class_embedding", "positional_embedding", "transformer", "ln_post")
    if not all(hasattr(visual, name) for name in names) or getattr(visual, "attn_pool", None) is not None:
        return False
    last: Any = visual.transformer.resblocks[-1]  # type: ignore[union-attr,index]
    return hasattr(last, "ln_1") and hasattr(last.attn, "in_proj_weight")


def _is_resnet(visual: nn.Module) -> bool:
    """Whether it is open_clip's ModifiedResNet, which pools by attention."""
    return hasattr(visual, "attnpool") and hasattr(visual, "layer4")


def _of_vit(visual: Any, pixels: Tensor, affinity: Affinity | None) -> tuple[Tensor, Tensor]:
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


def _of_resnet(visual: Any, pixels: Tensor) -> tuple[Tensor, Tensor]:
    x = visual.stem(pixels)
    for layer in (visual.layer1, visual.layer2, visual.layer3, visual.layer4):
        x = layer(x)
    grid = (int(x.shape[-2]), int(x.shape[-1]))
    pool = visual.attnpool  # a place attended alone passes on its value
    seen = pool.c_proj(pool.v_proj(x.flatten(2).transpose(1, 2)))
    return pool(x), seen.transpose(1, 2).unflatten(2, grid)
