"""Changed views of scenes for training: zooms, and the wear of a trip through a VAE.

Pictures are float [B, 3, H, W] in 0..1, boxes float [..., 4] as x0, y0, x1, y1 in pixels.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F


def uniform(low: float, high: float, shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    """Random numbers in low..high."""
    return low + (high - low) * torch.rand(shape, generator=generator)


def overlap(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """The common box of two boxes; of no area (x1 <= x0 or y1 <= y0) where they do not meet."""
    return torch.cat([torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])], dim=-1)


def area(boxes: torch.Tensor) -> torch.Tensor:
    """Square pixels, 0 for an empty box."""
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(dim=-1)


def zoom(pictures: torch.Tensor, windows: torch.Tensor, size: int, flip: torch.Tensor | None = None) -> torch.Tensor:
    """Cut a window [B, 4] out of each picture and resize it to size x size; flip [B] mirrors it."""
    full = pictures.shape[-1]
    scale = (windows[:, 2:] - windows[:, :2]) / full
    centre = (windows[:, 2:] + windows[:, :2]) / full - 1
    sign = torch.ones(len(windows)) if flip is None else 1 - 2 * flip.float()
    zero = torch.zeros(len(windows))
    theta = torch.stack(
        [
            torch.stack([scale[:, 0] * sign, zero, centre[:, 0]], dim=1),
            torch.stack([zero, scale[:, 1], centre[:, 1]], dim=1),
        ],
        dim=1,
    )
    grid = F.affine_grid(theta, [len(windows), 3, size, size], align_corners=False)
    return F.grid_sample(pictures, grid, mode="bilinear", padding_mode="border", align_corners=False)


def wear(pictures: torch.Tensor, generator: torch.Generator, share: float = 0.6) -> torch.Tensor:
    """Blur, blocks, noise and a shift of colour on a share of the pictures, as after a VAE."""
    chosen = torch.rand(len(pictures), generator=generator) < share
    before = pictures[chosen]
    count, _, size, _ = before.shape
    each = (count, 1, 1, 1)
    if count == 0:
        return pictures
    small = F.interpolate(before, scale_factor=float(uniform(0.35, 0.9, (1,), generator)), mode="bilinear")
    soft = F.interpolate(small, size=size, mode="bilinear")
    coarse = torch.randn((count, 3, size // 4, size // 4), generator=generator)
    coarse = uniform(0, 0.045, each, generator) * coarse
    keep = uniform(0, 1, each, generator)
    worn = torch.lerp(before, soft, keep)
    # blocks and noise share their 4-pixel grid, and so their way back to full size
    share_blocks = uniform(0, 0.35, each, generator)
    blocks = share_blocks * F.avg_pool2d(before, 4) + coarse
    worn = worn * (1 - share_blocks) + F.interpolate(blocks, size=size, mode="nearest")
    gain, shift = uniform(0.9, 1.1, each, generator), uniform(-0.05, 0.05, (count, 3, 1, 1), generator)
    result = pictures.clone()
    result[chosen] = worn.mul_(gain).add_(shift).clamp_(0, 1)
    return result
