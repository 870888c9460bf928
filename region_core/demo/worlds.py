"""Held-out scenes with their edits, by a seed that anyone may choose."""

from __future__ import annotations

import itertools

import numpy as np

from .scenes import Edit, Scene, make_edit, make_scene


def held_out(seed: int, index: int, kind: str = "replace") -> tuple[Scene, Edit]:
    """Scene number `index` of a seed and the wish on it; what comes out depends on these alone.

    Training draws its scenes from plain integers, these come from pairs: they never meet.
    Raises ValueError on an unknown kind or a negative number.
    """
    # a last number of 0 is not heard: [seed, 0] would draw training's own scene number `seed`
    entropy = [seed, index] if index else [seed, 0, 1]
    rng = np.random.default_rng(np.random.SeedSequence(entropy))
    scene = make_scene(rng)
    return scene, make_edit(scene, kind, rng)


def with_company(seed: int, kind: str = "replace") -> tuple[Scene, Edit]:
    """The seed's first held-out scene of two objects or more, so that there is one to miss."""
    drawn = (held_out(seed, index, kind) for index in itertools.count())
    return next((scene, edit) for scene, edit in drawn if len(scene.objects) > 1)
