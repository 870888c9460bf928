"""The things world's pictures for training, and its CLIPs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...worlds.things.names import LONG
from ...worlds.things.world import Scene, Wish, World, plain_wishes
from . import framing
from .judging import scores as judged

BANK_SEED, HELD_SEED = 11, 99


def truth(scene: Scene) -> list[tuple[str, tuple[int, int, int, int]]]:
    """Names and boxes."""
    return [(t.name, t.box) for t in scene.things]


def photographed(world: World, rng: np.random.Generator) -> Scene:
    """Half of them scenes of the world, half with one subject that fills much of the picture."""
    if rng.random() < 0.5:
        return world.compose(rng, plain_wishes(world, rng))
    count = 1 + (rng.random() < 0.35) + (rng.random() < 0.15)
    names = world.pick(rng, count)
    turn = [180.0 if n in LONG else 30.0 for n in names]
    rest = [Wish(n, (0.02, 0.15), turn=t) for n, t in zip(names[1:], turn[1:], strict=True)]
    most = 0.25 if names[0] in LONG else 0.75
    cut = rng.uniform(0.05, 0.3) if rng.random() < 0.25 else 0.0
    long = rng.uniform(4, 8) if names[0] in LONG and rng.random() < 0.3 else None
    subject = Wish(names[0], (0.1, most if long is None else 0.14), cut, turn[0], long, bool(rng.random() < 0.5))
    if rng.random() < 0.03:
        return world.compose(rng, [])
    return world.compose(rng, [*rest, subject], overlap=0.5)


def bank(work: Path, count: int) -> framing.Bank:
    """Pictures for training, made once."""
    world = World()

    def make(index: int) -> tuple[np.ndarray, list]:
        scene = photographed(world, np.random.default_rng([BANK_SEED, index, 7]))
        return scene.image, truth(scene)

    return framing.kept_bank(work / f"things-{count}.pt", make, count)


def words() -> tuple[str, ...]:
    """Every word of the world's captions."""
    return tuple(dict.fromkeys([*framing.WORDS, *" ".join(World().names).split()]))


def judge(model, tokenizer) -> dict[str, float]:
    """Scores on unseen scenes."""
    world = World()

    def scene(index: int) -> tuple:
        made = world.compose(rng := np.random.default_rng([HELD_SEED, index]), plain_wishes(world, rng))
        return made.image, truth(made)

    return judged(model, tokenizer, world.names, scene)
