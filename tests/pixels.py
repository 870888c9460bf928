"""Made-up pixels."""

from __future__ import annotations

import numpy as np

HEIGHT, WIDTH = 40, 64


def noise(channels: int, dtype=np.uint8, seed: int = 0) -> np.ndarray:
    """Every value occurs: HEIGHT * WIDTH is far over 256."""
    generator = np.random.default_rng(seed)
    shape = (HEIGHT, WIDTH, channels) if channels > 1 else (HEIGHT, WIDTH)
    return generator.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)
