"""The shapes world: pictures of a few coloured shapes with every object's box known.

A scene is 128 x 128 pixels: one to four flat shapes on a smooth, dull background. Everything about
it follows from one integer seed, so two people who name the same seed look at the same picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from ..errors import InputError, with_article

SIZE = 128
COLORS: dict[str, tuple[int, int, int]] = {
    "red": (218, 40, 40),
    "green": (38, 150, 62),
    "blue": (40, 82, 220),
    "yellow": (240, 216, 40),
    "purple": (150, 52, 190),
    "orange": (246, 138, 30),
    "white": (250, 250, 250),
    "black": (18, 18, 18),
}
SHAPES = ("circle", "square", "triangle", "star", "cross", "ring")
KINDS = ("replace", "recolour", "remove", "add", "absent")
BACKGROUND = "background"

_SUPERSAMPLE = 3  # shapes are drawn larger and shrunk, which gives soft edges
_GAP = 5  # least distance between two objects, in pixels


def called(color: str, shape: str) -> str:
    """What a person calls a shape: "a red circle", "an orange star"."""
    return with_article(f"{color} {shape}")


@dataclass(frozen=True)
class SceneObject:
    """One shape: its colour and shape words and its box (x0, y0, x1, y1), half open, in pixels."""

    color: str
    shape: str
    box: tuple[int, int, int, int]

    @property
    def name(self) -> str:
        """What a person would call it: "a red circle"."""
        return called(self.color, self.shape)


@dataclass(frozen=True)
class Scene:
    """A picture (uint8, 128 x 128 x 3), its objects, and the same background without objects."""

    image: np.ndarray
    objects: tuple[SceneObject, ...]
    background: np.ndarray


@dataclass(frozen=True)
class Edit:
    """A wish on a scene: what is there (caption), what should be (prompt), and whose box it is.

    `target` is the index of the object meant, or None where there is none (add, absent).
    """

    kind: str
    caption: str
    prompt: str
    target: int | None


def _unit_outline(shape: str) -> list[tuple[float, float]] | None:
    """Corner points of a shape in the unit square; None where PIL draws an ellipse."""
    if shape == "square":
        return [(0, 0), (1, 0), (1, 1), (0, 1)]
    if shape == "triangle":
        return [(0.5, 0), (1, 1), (0, 1)]
    if shape == "cross":
        a, b = 0.33, 0.67
        return [(a, 0), (b, 0), (b, a), (1, a), (1, b), (b, b), (b, 1), (a, 1), (a, b), (0, b), (0, a), (a, a)]
    if shape == "star":
        points = []
        for k in range(10):
            radius = 1.0 if k % 2 == 0 else 0.42
            angle = -math.pi / 2 + k * math.pi / 5
            points.append((radius * math.cos(angle), radius * math.sin(angle)))
        xs, ys = [p[0] for p in points], [p[1] for p in points]
        return [((x - min(xs)) / (max(xs) - min(xs)), (y - min(ys)) / (max(ys) - min(ys))) for x, y in points]
    return None


def draw_shape(size: int, shape: str, box: tuple[int, int, int, int]) -> np.ndarray:
    """Coverage (float32, size x size, 0..1) of one shape stretched into `box`."""
    scale = _SUPERSAMPLE
    canvas = Image.new("L", (size * scale, size * scale))
    pen = ImageDraw.Draw(canvas)
    x0, y0, x1, y1 = (v * scale for v in box)
    outline = _unit_outline(shape)
    if outline is not None:
        pen.polygon([(x0 + px * (x1 - x0 - 1), y0 + py * (y1 - y0 - 1)) for px, py in outline], fill=255)
    else:
        pen.ellipse((x0, y0, x1 - 1, y1 - 1), fill=255)
        if shape == "ring":
            w, h = (x1 - x0) * 0.27, (y1 - y0) * 0.27
            pen.ellipse((x0 + w, y0 + h, x1 - 1 - w, y1 - 1 - h), fill=0)
    small = canvas.resize((size, size), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float32) / 255.0


def _background(rng: np.random.Generator) -> np.ndarray:
    """A smooth field of dull colours, float32 128 x 128 x 3 in 0..255."""
    base = rng.uniform(90, 190)
    tint = rng.uniform(-14, 14, size=3)
    light = rng.uniform(-30, 30, size=(3, 3, 1))
    knots = np.clip(base + tint + light + rng.uniform(-10, 10, size=(3, 3, 3)), 0, 255)
    field = Image.fromarray(knots.round().astype(np.uint8)).resize((SIZE, SIZE), Image.Resampling.BICUBIC)
    return np.asarray(field, dtype=np.float32)


def _place(rng: np.random.Generator, count: int) -> list[tuple[int, int, int, int]]:
    """`count` boxes that keep their distance; some touch the border, half are not square."""
    largest = {1: 62, 2: 56, 3: 46, 4: 42}[count]
    boxes: list[tuple[int, int, int, int]] = []
    for _ in range(400):
        if len(boxes) == count:
            break
        side = rng.uniform(28, largest)
        aspect = math.exp(rng.uniform(-0.5, 0.5)) if rng.random() < 0.5 else 1.0
        w = int(round(side * math.sqrt(aspect)))
        h = int(round(side / math.sqrt(aspect)))
        x, y = int(rng.integers(3, SIZE - w - 2)), int(rng.integers(3, SIZE - h - 2))
        if rng.random() < 0.2:
            edge = int(rng.integers(4))
            x, y = ((0, y), (SIZE - w, y), (x, 0), (x, SIZE - h))[edge]
        apart = all(
            x >= bx1 + _GAP or x + w + _GAP <= bx0 or y >= by1 + _GAP or y + h + _GAP <= by0
            for bx0, by0, bx1, by1 in boxes
        )
        if apart:
            boxes.append((x, y, x + w, y + h))
    return boxes


def make_scene(seed: int | np.random.Generator) -> Scene:
    """The scene of a seed: 1 to 4 objects, no two with both the same colour and shape."""
    rng = np.random.default_rng(seed)
    background = _background(rng)
    boxes = _place(rng, int(rng.integers(1, 5)))
    pairs = [(c, s) for c in COLORS for s in SHAPES]
    picked = [pairs[i] for i in rng.permutation(len(pairs))[: len(boxes)]]
    picture = background.copy()
    objects = []
    for (color, shape), box in zip(picked, boxes, strict=True):
        ink = np.clip(np.array(COLORS[color]) + rng.uniform(-12, 12, size=3), 0, 255)
        cover = draw_shape(SIZE, shape, box)[..., None]
        picture = picture * (1 - cover) + ink.astype(np.float32) * cover
        objects.append(SceneObject(color, shape, box))
    return Scene(picture.round().astype(np.uint8), tuple(objects), background.round().astype(np.uint8))


def make_edit(scene: Scene, kind: str, rng: np.random.Generator) -> Edit:
    """A wish of one kind (see `KINDS`) on a scene. What is asked for is never there already.

    Raises InputError on an unknown kind.
    """
    if kind not in KINDS:
        raise InputError(f"kind is {kind!r}; choose one of {', '.join(KINDS)}")
    there = {(o.color, o.shape) for o in scene.objects}
    new = [(c, s) for c in COLORS for s in SHAPES if (c, s) not in there]

    def pick(pairs: list[tuple[str, str]]) -> str:
        return called(*pairs[int(rng.integers(len(pairs)))])

    if kind == "add":
        return Edit(kind, BACKGROUND, pick(new), None)
    if kind == "absent":
        caption = pick(new)
        return Edit(kind, caption, pick([p for p in new if called(*p) != caption]), None)
    target = int(rng.integers(len(scene.objects)))
    old = scene.objects[target]
    if kind == "remove":
        return Edit(kind, old.name, BACKGROUND, target)
    if kind == "recolour":
        return Edit(kind, old.name, pick([p for p in new if p[1] == old.shape]), target)
    return Edit(kind, old.name, pick([p for p in new if p[0] != old.color and p[1] != old.shape]), target)
