"""Pictures and boxes for tests of windows and masks."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from region_core.paint import windows as way

NATIVE = 128
SIZES = [(333, 451), (768, 1024), (64, 64), (300, 2000)]  # H, W


def boxes_for(height: int, width: int) -> torch.Tensor:
    """Small, odd, at each corner's edge, wide, and the whole picture."""
    return torch.tensor(
        [
            [width / 2 - 7, height / 2 - 9, width / 2 + 8, height / 2 + 4],
            [0, 0, 11, 13],
            [width - 12, height - 5, width, height],
            [width * 0.1, height * 0.3, width * 0.9, height * 0.45],
            [0, 0, width, height],
        ]
    )


def crop_masks(masks: torch.Tensor, windows: torch.Tensor, native: int) -> torch.Tensor:
    """Masks [N,1,H,W] as the model needs them: hard 0/1 at [N,1,native,native].

    A native pixel is masked where any masked source pixel falls in it; padding never is.
    """
    out = []
    for mask, window in zip(masks, windows.tolist(), strict=True):
        inside, pads = way._inside(window, mask.shape[-2], mask.shape[-1])
        hard = F.pad((mask[(slice(None), *inside)] > 0).float(), pads)
        # Bin i runs from floor(i * side / native) to ceil((i + 1) * side / native): all it touches.
        out.append(F.adaptive_max_pool2d(hard, native))
    return torch.stack(out) if out else masks.new_zeros(0, 1, native, native)
