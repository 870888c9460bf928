"""The things world: named drawings on photographs, with the truth known.

Nearer to life than coloured shapes: things of several styles lie small or large on crops of
photographs, turned, lit, shadowed, cut by the border, on top of one another. Everything about a
scene follows from the random generator it is drawn with.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from .names import LONG

ASSETS = Path(__file__).parent / "assets"
SIDE = 128  # pixels a side of a scene unless asked otherwise
LEAST = 24  # pixels of a thing in sight below which it is no part of the truth
_FLIP = Image.Transpose.FLIP_LEFT_RIGHT
_LANCZOS = Image.Resampling.LANCZOS


@dataclass(frozen=True)
class Thing:
    """One thing of a scene.

    `box` (x0, y0, x1, y1), half open, in pixels, holds what is in sight of it; `alpha` [H, W] 0..1 is
    its cover, hidden parts included; `share` is the part of the picture where it is in sight, `visible`
    the part of the whole thing (what the border cuts off included) that is in sight.
    """

    name: str
    box: tuple[int, int, int, int]
    alpha: np.ndarray
    share: float
    visible: float


@dataclass(frozen=True)
class Scene:
    """A picture (uint8 [H, W, 3]), the same without its things, and its things, back to front."""

    image: np.ndarray
    ground: np.ndarray
    things: tuple[Thing, ...]

    def in_sight(self, index: int) -> np.ndarray:
        """Where a thing is in sight, bool [H, W]: what of it no later one hides."""
        seen = self.things[index].alpha > 0.5
        for later in self.things[index + 1 :]:
            seen = seen & ~(later.alpha > 0.5)
        return seen


@dataclass(frozen=True)
class Wish:
    """How a thing is to lie: its share of the picture (least, most; drawn evenly in the logarithm).

    `cut` is the part of its extent that is pushed over the border (0: all of it inside). `turn` is the
    most it is turned, in degrees. `length` lays it along the picture's x or y axis (by `upright`), that
    many times as long as wide.
    """

    name: str
    share: tuple[float, float] = (0.01, 0.3)
    cut: float = 0.0
    turn: float = 25.0
    length: float | None = None
    upright: bool = False


def principal_angle(alpha: np.ndarray) -> float:
    """Degrees by which to turn a drawing (anticlockwise) so that its longest axis lies along x."""
    ys, xs = np.nonzero(alpha > 127)
    spread = np.cov(np.stack([xs, -ys]))
    axis = np.linalg.eigh(spread)[1][:, 1]
    return -math.degrees(math.atan2(axis[1], axis[0]))


def _trim(drawing: Image.Image) -> Image.Image:
    box = drawing.getchannel("A").point(lambda v: 255 * (v > 127)).getbbox()
    return drawing.crop(box) if box else drawing


class World:
    """`sprites/STYLE/NAME.png` and `photos/*.jpg` under `assets` (else THINGS_ASSETS, else our own).

    Raises ValueError where the folder holds none of either.
    """

    def __init__(self, assets: Path | None = None) -> None:
        self.root = Path(assets or os.environ.get("THINGS_ASSETS") or ASSETS)
        self.sprites: dict[str, list[Image.Image]] = {}
        for file in sorted(self.root.glob("sprites/*/*.png")):
            name = file.stem.replace("_", " ")
            self.sprites.setdefault(name, []).append(Image.open(file).convert("RGBA"))
        self._straight: dict[tuple[str, int], Image.Image] = {}
        self.names = tuple(sorted(self.sprites))
        self.photos = [Image.open(f).convert("RGB") for f in sorted(self.root.glob("photos/*.jpg"))]
        if not self.names or not self.photos:
            raise ValueError(
                f"{self.root} holds no sprites/STYLE/NAME.png or no photos/*.jpg; give the "
                "folder that benchmark/worlds/things/make_assets.py wrote"
            )

    @cached_property
    def long_names(self) -> tuple[str, ...]:
        """Names of things several times as long as wide."""
        return tuple(n for n in self.names if n in LONG)

    @cached_property
    def compact_names(self) -> tuple[str, ...]:
        """All other names."""
        return tuple(n for n in self.names if n not in LONG)

    def straight(self, name: str, style: int) -> Image.Image:
        """A drawing laid along x, trimmed."""
        if (name, style) not in self._straight:
            drawing = self.sprites[name][style]
            angle = principal_angle(np.asarray(drawing.getchannel("A")))
            self._straight[name, style] = _trim(drawing.rotate(angle, Image.Resampling.BICUBIC, expand=True))
        return self._straight[name, style]

    def ground(self, rng: np.random.Generator, size: tuple[int, int] = (SIDE, SIDE)) -> Image.Image:
        """A crop of a photograph at `size` (width, height)."""
        photo = self.photos[int(rng.integers(len(self.photos)))]
        scale = min(photo.width / size[0], photo.height / size[1]) * rng.uniform(0.35, 1.0)
        w, h = max(1, int(size[0] * scale)), max(1, int(size[1] * scale))
        x, y = int(rng.integers(photo.width - w + 1)), int(rng.integers(photo.height - h + 1))
        ground = photo.resize(size, _LANCZOS, box=(x, y, x + w, y + h))
        if rng.random() < 0.5:
            ground = ground.transpose(_FLIP)
        return ImageEnhance.Brightness(ground).enhance(rng.uniform(0.7, 1.2))

    def _sprite(self, rng: np.random.Generator, wish: Wish) -> Image.Image:
        style = int(rng.integers(len(self.sprites[wish.name])))
        if wish.length is None:
            return self.sprites[wish.name][style]
        drawing = self.straight(wish.name, style)
        drawing = drawing.resize((drawing.width, max(1, round(drawing.width / wish.length))), _LANCZOS)
        return drawing.transpose(Image.Transpose.ROTATE_90) if wish.upright else drawing

    def _drawing(self, rng: np.random.Generator, wish: Wish, size: tuple[int, int]) -> Image.Image:
        drawing = self._sprite(rng, wish)
        if rng.random() < 0.5:
            drawing = drawing.transpose(_FLIP)
        aspect = 1.0 if wish.length is not None else rng.uniform(0.87, 1.15)
        full = float((np.asarray(drawing.getchannel("A")) > 127).sum())
        share = math.exp(rng.uniform(math.log(wish.share[0]), math.log(wish.share[1])))
        zoom = math.sqrt(share * size[0] * size[1] / max(1.0, full))
        w = max(3, round(drawing.width * zoom * math.sqrt(aspect)))
        h = max(3, round(drawing.height * zoom / math.sqrt(aspect)))
        turned = wish.turn if wish.length is None else min(wish.turn, 2.0)
        drawing = drawing.resize((w, h), _LANCZOS)
        return _trim(drawing.rotate(rng.uniform(-turned, turned), Image.Resampling.BICUBIC, expand=True))

    def _corner(
        self, rng: np.random.Generator, drawing: Image.Image, wish: Wish, size: tuple[int, int]
    ) -> tuple[int, int] | None:
        room = size[0] - drawing.width, size[1] - drawing.height
        if wish.cut > 0:
            x = int(rng.uniform(min(0, room[0]), max(0, room[0])))
            y = int(rng.uniform(min(0, room[1]), max(0, room[1])))
            side = int(rng.integers(4))
            out_x, out_y = int(wish.cut * drawing.width), int(wish.cut * drawing.height)
            return ((-out_x, y), (room[0] + out_x, y), (x, -out_y), (x, room[1] + out_y))[side]
        if min(room) < 0:
            return None
        return int(rng.integers(room[0] + 1)), int(rng.integers(room[1] + 1))

    def compose(
        self, rng: np.random.Generator, wishes: list[Wish], size: tuple[int, int] = (SIDE, SIDE), overlap: float = 0.25
    ) -> Scene:
        """A scene of `size` (width, height) with the wished things in this order, back to front.

        A thing for which 30 tries find no place (inside, and hiding or hidden by at most `overlap` of
        another) is left out, and so is one of which too little stays in sight: read `things`.
        """
        ground = self.ground(rng, size)
        picture = ground.copy()
        placed: list[tuple[str, np.ndarray, int, np.ndarray]] = []
        for wish in wishes:
            for _ in range(30):
                drawing = self._drawing(rng, wish, size)
                corner = self._corner(rng, drawing, wish, size)
                if corner is None:
                    continue
                cover = Image.new("L", size)
                cover.paste(drawing.getchannel("A"), corner)
                solid = np.asarray(cover) > 127
                area = solid.sum()
                if area >= LEAST and all(
                    (solid & other).sum() <= overlap * min(area, other.sum()) for *_, other in placed
                ):
                    break
            else:
                continue
            whole = int((np.asarray(drawing.getchannel("A")) > 127).sum())
            picture = _painted(rng, picture, drawing, corner, cover)
            placed.append((wish.name, np.asarray(cover, np.float32) / 255, whole, solid))
        noisy = np.asarray(picture, np.float32) + rng.normal(0, rng.uniform(0, 5), (size[1], size[0], 3))
        things = []
        for i, (name, alpha, whole, solid) in enumerate(placed):
            seen = solid.copy()
            for *_, later in placed[i + 1 :]:
                seen &= ~later
            ys, xs = np.nonzero(seen)
            if len(xs) >= LEAST:
                box = int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1
                things.append(Thing(name, box, alpha, float(seen.mean()), len(xs) / max(1, whole)))
        return Scene(noisy.clip(0, 255).astype(np.uint8), np.asarray(ground), tuple(things))

    def pick(self, rng: np.random.Generator, count: int, without: tuple[str, ...] = ()) -> list[str]:
        """`count` different names, none of `without`."""
        names = [n for n in self.names if n not in without]
        return [names[i] for i in rng.permutation(len(names))[:count]]

    def covered(self, name: str) -> float:
        """Which part of its box a thing's drawings cover at least."""
        return min(float(np.mean(np.asarray(d.getchannel("A")) > 127)) for d in self.sprites[name])

    def draw(self, rng: np.random.Generator, name: str, scene: Scene, box: tuple[int, int, int, int]) -> np.ndarray:
        """What a faultless painter makes of a box (pixels, half open): the thing, on the ground.

        Gives uint8 [H, W, 3]; nothing outside the box changes.
        """
        x0, y0, x1, y1 = box
        style = int(rng.integers(len(self.sprites[name])))
        drawing = self.sprites[name][style]
        if max(x1 - x0, y1 - y0) > 2.5 * min(x1 - x0, y1 - y0) and name in LONG:
            drawing = self.straight(name, style)
            if y1 - y0 > x1 - x0:
                drawing = drawing.transpose(Image.Transpose.ROTATE_90)
        drawing = drawing.resize((x1 - x0, y1 - y0), _LANCZOS)
        picture = Image.fromarray(scene.image)
        picture.paste(Image.fromarray(scene.ground[y0:y1, x0:x1]), (x0, y0))
        picture.paste(drawing.convert("RGB"), (x0, y0), drawing.getchannel("A"))
        return np.asarray(picture)


def _painted(
    rng: np.random.Generator, picture: Image.Image, drawing: Image.Image, corner: tuple[int, int], cover: Image.Image
) -> Image.Image:
    """The picture with a drawing at a corner, lit and coloured at random, often with a shadow."""
    ink = ImageEnhance.Brightness(drawing.convert("RGB")).enhance(rng.uniform(0.65, 1.15))
    ink = ImageEnhance.Color(ink).enhance(rng.uniform(0.6, 1.2))
    if rng.random() < 0.5:
        shadow = Image.new("L", picture.size)
        shadow.paste(cover.point(lambda v: v // 2), (2, 3))
        shadow = shadow.filter(ImageFilter.GaussianBlur(2))
        picture = Image.composite(Image.new("RGB", picture.size), picture, shadow)
    picture.paste(ink, corner, drawing.getchannel("A"))
    return picture


def plain_wishes(world: World, rng: np.random.Generator) -> list[Wish]:
    """One to five things of 1 to 30 % of the picture; one in seven is cut by the border."""
    count = int(rng.choice([1, 2, 3, 4, 5], p=[0.15, 0.25, 0.25, 0.2, 0.15]))
    wishes = []
    for name in world.pick(rng, count):
        wish = Wish(name, turn=180.0 if name in LONG else 25.0)
        wishes.append(replace(wish, cut=rng.uniform(0.1, 0.35)) if rng.random() < 0.14 else wish)
    return wishes
