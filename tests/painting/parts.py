"""Pictures and boxes for tests of windows and masks."""

from __future__ import annotations

import torch

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
