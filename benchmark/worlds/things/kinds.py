"""Kinds of cases in the things world: each is one way in which photographs are hard."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from region_core.errors import with_article

from .names import LONG
from .world import SIDE, Scene, Thing, Wish, World, plain_wishes

TRIES = 300
LARGE_ENOUGH = 0.6  # of its box that a drawing covers, where it is to fill half of a picture
WIDE_SIZES = ((512, 128), (256, 64))


@dataclass(frozen=True)
class Case:
    """A scene, what of it a text names, and what is wanted in its place.

    `name` and `wanted` are names of the world, `wanted` not in the scene; `targets` are the indices of
    the things called `name` (none where it is absent, two where two are: either is right).
    """

    kind: str
    scene: Scene
    name: str
    wanted: str
    targets: tuple[int, ...]

    @property
    def caption(self) -> str:
        """What a person would write of the thing: "a dog"."""
        return with_article(self.name)

    @property
    def prompt(self) -> str:
        """What a person would ask for instead."""
        return with_article(self.wanted)

    @property
    def boxes(self) -> tuple[tuple[int, int, int, int], ...]:
        """The boxes of the targets (x0, y0, x1, y1), half open, in pixels."""
        return tuple(self.scene.things[i].box for i in self.targets)


def _turned(name: str, share: tuple[float, float], cut: float = 0.0) -> Wish:
    return Wish(name, share, cut, 180.0 if name in LONG else 25.0)


def _rest(world: World, rng: np.random.Generator, target: str, count: int, share: tuple[float, float]) -> list[Wish]:
    return [_turned(n, share) for n in world.pick(rng, count, (target,))]


def _somewhere(rng: np.random.Generator, wishes: list[Wish], target: Wish) -> list[Wish]:
    """The wishes with the target in any place of the order from back to front."""
    at = int(rng.integers(len(wishes) + 1))
    return [*wishes[:at], target, *wishes[at:]]


def _one(rng: np.random.Generator, names: tuple[str, ...]) -> str:
    return names[int(rng.integers(len(names)))]


def _plain(world: World, rng: np.random.Generator) -> tuple[Scene, str]:
    scene = world.compose(rng, plain_wishes(world, rng))
    fit = [t.name for t in scene.things if 0.01 <= t.share <= 0.3 and t.visible >= 0.6]
    return scene, _one(rng, tuple(fit)) if fit else ""


def _tiny(world: World, rng: np.random.Generator) -> tuple[Scene, str]:
    name = _one(rng, world.names)
    rest = _rest(world, rng, name, int(rng.integers(0, 4)), (0.01, 0.2))
    return world.compose(rng, [*rest, _turned(name, (0.004, 0.018))]), name


def _huge(world: World, rng: np.random.Generator) -> tuple[Scene, str]:
    name = _one(rng, tuple(n for n in world.compact_names if world.covered(n) > LARGE_ENOUGH))
    rest = _rest(world, rng, name, int(rng.integers(0, 3)), (0.01, 0.04))
    target = Wish(name, (0.55, 0.75), cut=rng.uniform(0.02, 0.15) if rng.random() < 0.5 else 0.0, turn=12.0)
    return world.compose(rng, [target, *rest], overlap=1.0), name


def _long(world: World, rng: np.random.Generator) -> tuple[Scene, str]:
    name = _one(rng, world.long_names)
    target = Wish(name, (0.02, 0.07), turn=0.0, length=rng.uniform(6, 7), upright=bool(rng.random() < 0.5))
    return world.compose(
        rng, _somewhere(rng, _rest(world, rng, name, int(rng.integers(0, 4)), (0.01, 0.15)), target), overlap=0.1
    ), name


def _wide(world: World, rng: np.random.Generator) -> tuple[Scene, str]:
    name = _one(rng, world.names)
    wishes = _somewhere(rng, _rest(world, rng, name, int(rng.integers(0, 5)), (0.01, 0.1)), _turned(name, (0.01, 0.12)))
    return world.compose(rng, wishes, WIDE_SIZES[int(rng.integers(len(WIDE_SIZES)))]), name


def _border(world: World, rng: np.random.Generator) -> tuple[Scene, str]:
    name = _one(rng, world.names)
    target = _turned(name, (0.03, 0.25), cut=rng.uniform(0.2, 0.5))
    return world.compose(
        rng, _somewhere(rng, _rest(world, rng, name, int(rng.integers(0, 4)), (0.01, 0.15)), target)
    ), name


def _two(world: World, rng: np.random.Generator) -> tuple[Scene, str]:
    name = _one(rng, world.names)
    wishes = _rest(world, rng, name, int(rng.integers(0, 3)), (0.01, 0.12))
    for _ in range(2):
        wishes = _somewhere(rng, wishes, _turned(name, (0.02, 0.15)))
    return world.compose(rng, wishes), name


def _many(world: World, rng: np.random.Generator) -> tuple[Scene, str]:
    name = _one(rng, world.names)
    wishes = _rest(world, rng, name, int(rng.integers(6, 10)), (0.012, 0.06))
    return world.compose(rng, _somewhere(rng, wishes, _turned(name, (0.015, 0.08)))), name


def _absent(world: World, rng: np.random.Generator) -> tuple[Scene, str]:
    scene = world.compose(rng, plain_wishes(world, rng))
    return scene, world.pick(rng, 1, tuple(t.name for t in scene.things))[0]


def _seen(targets: list[Thing], least: float = 0.6, share: tuple[float, float] = (0.0, 1.0)) -> bool:
    return all(t.visible >= least and share[0] <= t.share <= share[1] for t in targets)


def _at_border(scene: Scene, box: tuple[int, int, int, int]) -> bool:
    height, width = scene.image.shape[:2]
    return box[0] == 0 or box[1] == 0 or box[2] == width or box[3] == height


def _aspect(box: tuple[int, int, int, int]) -> float:
    width, height = box[2] - box[0], box[3] - box[1]
    return max(width, height) / min(width, height)


Make = Callable[[World, np.random.Generator], tuple[Scene, str]]
Holds = Callable[[Scene, list[Thing]], bool]
# kind -> (how a scene and the name of its target come about, whether the scene is what the kind says)
KINDS: dict[str, tuple[Make, Holds]] = {
    "plain": (_plain, lambda s, t: len(t) == 1 and _seen(t, share=(0.01, 0.3))),
    "tiny": (_tiny, lambda s, t: len(t) == 1 and _seen(t, share=(0.003, 0.02))),
    "huge": (_huge, lambda s, t: len(t) == 1 and _seen(t, share=(0.5, 1.0))),
    "long": (_long, lambda s, t: len(t) == 1 and _seen(t, 0.8) and _aspect(t[0].box) >= 5.9),
    "wide": (_wide, lambda s, t: len(t) == 1 and _seen(t, share=(0.01, 0.3))),
    "border": (
        _border,
        lambda s, t: len(t) == 1 and _seen(t, 0.3, (0.01, 0.3)) and t[0].visible <= 0.85 and _at_border(s, t[0].box),
    ),
    "two": (_two, lambda s, t: len(t) == 2 and _seen(t, 0.6, (0.01, 0.3))),
    "many": (_many, lambda s, t: len(t) == 1 and _seen(t, 0.6, (0.01, 0.3)) and len(s.things) >= 7),
    "absent": (_absent, lambda s, t: not t and bool(s.things)),
}


def make_case(world: World, kind: str, seed: int, index: int) -> Case:
    """Case number `index` of a kind and a seed: the same for the same assets, whoever asks.

    Raises ValueError on an unknown kind or a negative number.
    """
    if kind not in KINDS:
        raise ValueError(f"kind is '{kind}'; choose one of {', '.join(KINDS)}")
    make, holds = KINDS[kind]
    for attempt in range(TRIES):
        # a training's scenes come from shorter lists of numbers: they never meet
        rng = np.random.default_rng([seed, index, list(KINDS).index(kind), attempt, 1])
        scene, name = make(world, rng)
        targets = tuple(i for i, t in enumerate(scene.things) if t.name == name)
        if name and holds(scene, [scene.things[i] for i in targets]):
            there = tuple(t.name for t in scene.things)
            return Case(kind, scene, name, world.pick(rng, 1, (*there, name))[0], targets)
    raise RuntimeError(f"no scene of kind '{kind}' came about in {TRIES} tries with these assets")


__all__ = ["KINDS", "SIDE", "Case", "make_case", "with_article"]
