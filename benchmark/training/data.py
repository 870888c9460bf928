"""Scenes drawn once and kept, so that training steps do not wait for the pen."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import torch

from region_core.demo.scenes import Scene, SceneObject, make_scene


def scene_bank(
    cache_dir: Path | None, count: int, first_seed: int = 0
) -> tuple[torch.Tensor, list[tuple[SceneObject, ...]]]:
    """Pictures (uint8 [count, 3, 128, 128]) and objects of the scenes `first_seed` and on.

    Kept in `cache_dir` between runs where one is given.
    """
    name = f"scenes_{first_seed}_{count}"
    if cache_dir is not None and (cache_dir / f"{name}.json").exists():
        pictures = torch.from_numpy(np.load(cache_dir / f"{name}.npy"))
        rows = json.loads((cache_dir / f"{name}.json").read_text())
        return pictures, [tuple(SceneObject(c, s, tuple(b)) for c, s, b in row) for row in rows]
    scenes: list[Scene] = [make_scene(first_seed + i) for i in range(count)]
    stack = np.stack([s.image for s in scenes]).transpose(0, 3, 1, 2).copy()
    if cache_dir is not None:
        cache_dir.mkdir(parents=True, exist_ok=True)
        np.save(cache_dir / f"{name}.npy", stack)
        rows = [[[o.color, o.shape, list(o.box)] for o in s.objects] for s in scenes]
        temporary = cache_dir / f"{name}.json.tmp"
        temporary.write_text(json.dumps(rows))
        os.replace(temporary, cache_dir / f"{name}.json")
    return torch.from_numpy(stack), [s.objects for s in scenes]
