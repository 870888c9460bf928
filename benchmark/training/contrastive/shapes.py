"""The demo's shapes as CLIP's training sees them: pictures with the names of what is in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from region_core.demo.scenes import COLORS, SHAPES, make_scene

from . import framing
from .judging import scores as judged

NAMES = tuple(f"{color} {shape}" for color in COLORS for shape in SHAPES)
HELD_SEED = 1_000_000


def _scene(seed: int) -> tuple[np.ndarray, list]:
    scene = make_scene(seed)
    return scene.image, [(f"{o.color} {o.shape}", o.box) for o in scene.objects]


def bank(work: Path, count: int) -> framing.Bank:
    """Pictures for training, made once; one in 25 is of the ground alone."""

    def make(index: int) -> tuple[np.ndarray, list]:
        return (make_scene(index).background, []) if index % 25 == 0 else _scene(index)

    return framing.kept_bank(work / f"shapes-{count}.pt", make, count)


def words() -> tuple[str, ...]:
    """Every word of the world's captions."""
    return tuple(dict.fromkeys([*framing.WORDS, *COLORS, *SHAPES]))


def judge(model, tokenizer) -> dict[str, float]:
    """Scores on unseen scenes."""
    return judged(model, tokenizer, NAMES, lambda index: _scene(HELD_SEED + index))
