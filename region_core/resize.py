"""One way to bring pictures to another size, on every device, and to tell them apart."""

from __future__ import annotations

import hashlib

import torch
import torch.nn.functional as F
from torch import Tensor

SMALL_SIDE = 512  # a picture as a whole is seen at this size at most; CLIP sees less still


def resize(images: Tensor, height: int, width: int) -> Tensor:
    """images [B,C,H,W] at [height, width]: bicubic, smoothed where smaller, which may overshoot 0..1.

    Where a device has no such operation (Apple's before torch 2.8), the same sums are written as two
    products of matrices, which every device has.
    """
    if images.shape[-2:] == (height, width):
        return images
    try:
        return F.interpolate(images, (height, width), mode="bicubic", antialias=True, align_corners=False)
    except NotImplementedError:
        down = _weights(images.shape[-2], height).to(images)
        across = _weights(images.shape[-1], width).to(images)
        return down @ images @ across.mT


def reduced(source: Tensor, side: int = SMALL_SIDE) -> Tensor:
    """The copy of source [1, 3, H, W] in which no side is longer than `side`."""
    height, width = source.shape[-2:]
    scale = min(1.0, side / max(height, width))
    if scale == 1:
        return source
    return resize(source, max(1, round(height * scale)), max(1, round(width * scale))).clamp(0, 1)


def fingerprint(source: Tensor) -> str:
    """Of a picture's [1, 3, H, W] size, and the values of its small copy in 8 bits, which are the same on every
    device."""
    values = reduced(source.detach().float().clamp(0, 1)).cpu().mul(255).round().to(torch.uint8).numpy().tobytes()
    return hashlib.blake2b(repr(tuple(source.shape)).encode() + values, digest_size=16).hexdigest()


def covered(mask: Tensor, height: int, width: int) -> Tensor:
    """mask [B,1,H,W] at [height, width]: each pixel the most of all that fall into it, however thin.

    On the CPU, for Apple's device has this for sizes that divide each other only; masks are small.
    """
    return F.adaptive_max_pool2d(mask.float().cpu(), (height, width)).to(mask.device)


def _weights(length: int, count: int) -> Tensor:
    """[count, length]: how much each of `length` pixels has in each of `count`, as torch weighs them."""
    scale = length / count
    wide = max(scale, 1.0)  # enlarged, a pixel looks at four
    # on the CPU, for not every device knows double precision
    centre = (torch.arange(count, dtype=torch.float64)[:, None] + 0.5) * scale
    away = ((torch.arange(length, dtype=torch.float64)[None] + 0.5 - centre) / wide).abs()
    a = -0.5
    near = (a + 2) * away**3 - (a + 3) * away**2 + 1
    far = a * away**3 - 5 * a * away**2 + 8 * a * away - 4 * a
    weights = torch.where(away < 1, near, torch.where(away < 2, far, torch.zeros_like(far)))
    return (weights / weights.sum(1, keepdim=True)).float()
