"""Things that no world has, for features that must serve any: recoloured, textured, without a name."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from ..worlds.things.names import LONG
from ..worlds.things.world import Scene, Wish, World

HELD_OUT = (
    "bicycle",
    "cake",
    "crab",
    "guitar",
    "owl",
    "pencil",
    "robot",
    "sailboat",
    "toothbrush",
    "tulip",
    "turtle",
    "whale",
)  # no training of features sees these drawings


class StrangeWorld(World):
    """The things world with drawings changed beyond a name, and with blobs of no kind at all."""

    def _sprite(self, rng: np.random.Generator, wish: Wish) -> Image.Image:
        kind = rng.random()
        drawing = super()._sprite(rng, wish)
        if kind < 0.25:
            return drawing
        if kind < 0.55:
            return recoloured(rng, drawing)
        mask = drawing.getchannel("A") if kind < 0.75 else blob(rng, 80)
        w, h = mask.size
        textured = rng.random() < 0.6
        filling = self.ground(rng, (w, h)) if textured else pattern(rng, w, h)
        made = filling.convert("RGBA")
        made.putalpha(mask)
        return recoloured(rng, made)


def recoloured(rng: np.random.Generator, drawing: Image.Image) -> Image.Image:
    """A drawing with its channels mixed at random, its cover as it was."""
    pixels = np.asarray(drawing, np.float32)
    mix = np.eye(3)[rng.permutation(3)] * 0.8 + rng.uniform(-0.25, 0.25, (3, 3))
    colour = (pixels[..., :3] - 128) @ mix.T * rng.uniform(0.6, 1.2) + 128 + rng.uniform(-40, 40)
    return Image.fromarray(np.dstack([colour.clip(0, 255), pixels[..., 3]]).astype(np.uint8))


def blob(rng: np.random.Generator, side: int) -> Image.Image:
    """A cover ("L", side x side) of some round or angular outline."""
    angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    radius = np.ones_like(angle)
    for k in range(1, 6):
        radius += rng.uniform(0, 0.5 / k) * np.cos(k * angle + rng.uniform(0, 6.3))
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    limit = np.interp(np.arctan2(y, x) % (2 * np.pi), angle, radius / radius.max(), period=2 * np.pi)
    inside = np.hypot(x, y) < 0.95 * limit
    return Image.fromarray((inside * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.7))


def pattern(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    """Two or three colours in patches or stripes, as drawings have them."""
    cells = int(rng.integers(1, 5)), int(rng.integers(1, 5))
    colours = rng.uniform(0, 255, (3, 3))
    few = colours[rng.integers(3, size=cells)].astype(np.uint8)
    way = Image.Resampling.BICUBIC if rng.random() < 0.5 else Image.Resampling.NEAREST
    return Image.fromarray(few).resize((width, height), way)


def strange_scene(world: World, rng: np.random.Generator, names: tuple[str, ...]) -> Scene:
    """One to six things of 0.5 to 45 % of the picture."""
    count = int(rng.integers(1, 7))
    wishes = []
    for k in rng.permutation(len(names))[:count]:
        name = names[k]
        large = rng.random() < 0.2
        long = rng.uniform(3, 8) if name in LONG and rng.random() < 0.4 else None
        most = 0.12 if long else 0.45 if large else 0.12
        wishes.append(
            Wish(
                name,
                (0.08 if large and not long else 0.005, most),
                cut=rng.uniform(0.1, 0.4) if rng.random() < 0.15 else 0.0,
                turn=90.0,
                length=long,
                upright=bool(rng.random() < 0.5),
            )
        )
    return world.compose(rng, wishes)


def instances(scene: Scene) -> np.ndarray:
    """uint8 [H, W]: 0 for the ground, else the number (from 1) of the thing in sight there."""
    labels = np.zeros(scene.image.shape[:2], np.uint8)
    for number, thing in enumerate(scene.things, 1):
        labels[thing.alpha > 0.5] = number
    return labels
