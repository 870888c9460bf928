"""What a CLIP of a small world learns from: whole pictures as photographers frame them, with captions.

A picture is a window of a scene: mostly about one thing, which then fills much of it, else nearly the
whole scene. A caption names some of the things in the picture, in one of several wordings. There is
nothing of a search here: no part of a picture is ever covered, and nobody says what is not there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

OPENINGS = ("a photo of", "a picture of", "an image of", "a high quality image of", "")
JOINS = (" and ", " with ", " next to ", ", ")
NOTHING = "background"
MOST_NAMED = 3
MARGIN = (1.05, 2.4)  # a window's side against the longest side of the thing it is about
NEARLY_ALL = (0.8, 1.0)  # the same against the scene's
ABOUT_ONE = 0.65  # of the pictures
IN_SIGHT = 0.6  # of a thing's box, for a caption to name it
WORDS = tuple(
    dict.fromkeys(
        " ".join(
            [
                *OPENINGS,
                *JOINS,
                NOTHING,
                "a an the . , : in on of photo picture image drawing at left right top big small two one some no",
            ]
        ).split()
    )
)


@dataclass
class Bank:
    """Square pictures (uint8 [N, 3, S, S]) and, for each, its things' names and boxes (pixels)."""

    pictures: torch.Tensor
    things: list[list[tuple[str, tuple[int, int, int, int]]]]

    @cached_property
    def halves(self) -> torch.Tensor:
        """The pictures at half their size: a wide window of few pixels would alias in the whole ones."""
        return torch.cat([F.avg_pool2d(p.float(), 2).round().to(torch.uint8) for p in self.pictures.split(512)])

    @property
    def side(self) -> int:
        """Pixels a side."""
        return int(self.pictures.shape[-1])


def kept_bank(file: Path, make: Callable[[int], tuple[np.ndarray, list]], count: int) -> Bank:
    """The bank of `file`, made with `make(index) -> (picture [S, S, 3], things)` where there is none."""
    if not file.exists():
        made = [make(i) for i in range(count)]
        pictures = torch.from_numpy(np.stack([p.transpose(2, 0, 1) for p, _ in made]))
        torch.save((pictures, [t for _, t in made]), file.with_suffix(".tmp"))
        file.with_suffix(".tmp").replace(file)
    return Bank(*torch.load(file, weights_only=True))


def window(rng: np.random.Generator, things: list, side: int) -> tuple[float, float, float]:
    """A square window (x, y, its side) of a scene of `side` pixels, as a photographer frames it."""
    if things and rng.random() < ABOUT_ONE:
        x0, y0, x1, y1 = things[int(rng.integers(len(things)))][1]
        extent = min(side, max(16.0, max(x1 - x0, y1 - y0) * rng.uniform(*MARGIN)))
        cx, cy = (x0 + x1) / 2, (y0 + y1) / 2
        shift = rng.uniform(-0.2, 0.2, 2) * extent
        x, y = cx + shift[0] - extent / 2, cy + shift[1] - extent / 2
    else:
        extent = side * rng.uniform(*NEARLY_ALL)
        x, y = rng.uniform(0, side - extent, 2)
    return float(np.clip(x, 0, side - extent)), float(np.clip(y, 0, side - extent)), float(extent)


def in_sight(things: list, frame: tuple[float, float, float]) -> list[str]:
    """Names of the things of which most lies in a window."""
    x, y, extent = frame

    def share(box: tuple[int, int, int, int]) -> float:
        w = min(box[2], x + extent) - max(box[0], x)
        h = min(box[3], y + extent) - max(box[1], y)
        return max(0.0, w) * max(0.0, h) / ((box[2] - box[0]) * (box[3] - box[1]))

    return list(dict.fromkeys(name for name, box in things if share(box) > IN_SIGHT))


def caption(rng: np.random.Generator, names: list[str]) -> tuple[str, tuple[str, ...]]:
    """A caption that names one to three of `names`, and the names it names."""
    opening = OPENINGS[int(rng.integers(len(OPENINGS)))]
    said: tuple[str, ...] = ()
    if not names:
        text = NOTHING if rng.random() < 0.5 else f"the {NOTHING}"
    else:
        count = int(rng.integers(1, min(MOST_NAMED, len(names)) + 1))
        said = tuple(names[i] for i in rng.permutation(len(names))[:count])
        join = JOINS[int(rng.integers(len(JOINS)))]
        text = join.join(_with_article(rng, name) for name in said)
    return f"{opening} {text}{'.' if rng.random() < 0.4 else ''}".strip(), tuple(sorted(said))


def _with_article(rng: np.random.Generator, name: str) -> str:
    kind = rng.random()
    if kind < 0.12:
        return name
    return f"an {name}" if name[0] in "aeiou" and kind < 0.6 else f"a {name}"


def batch(bank: Bank, count: int, size: int, rng: np.random.Generator) -> tuple[torch.Tensor, list[str], torch.Tensor]:
    """`count` pictures (0..1, [count, 3, size, size]), their captions, and who says the same.

    The last is bool [count, count]: True where two captions name the same things.
    """
    index = rng.integers(len(bank.pictures), size=count)
    frames = [window(rng, bank.things[i], bank.side) for i in index]
    said = [caption(rng, in_sight(bank.things[i], f)) for i, f in zip(index, frames, strict=True)]
    pictures = photographs(bank, index, np.array(frames), size, rng)
    ids = {named: k for k, named in enumerate(dict.fromkeys(n for _, n in said))}
    key = torch.tensor([ids[named] for _, named in said])
    return pictures, [text for text, _ in said], key[:, None] == key[None]


def photographs(bank: Bank, index: np.ndarray, frames: np.ndarray, size: int, rng: np.random.Generator) -> torch.Tensor:
    """Windows (x, y, side) [B, 3] of pictures, as they are: half of them mirrored, all lit a little
    differently. Gives [B, 3, size, size] in 0..1."""
    count, side = len(index), bank.side
    at = torch.as_tensor(frames, dtype=torch.float32) / side
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0] = at[:, 2] * torch.from_numpy(np.where(rng.random(count) < 0.5, -1.0, 1.0))
    theta[:, 1, 1] = at[:, 2]
    theta[:, :, 2] = (at[:, :2] + at[:, 2:] / 2) * 2 - 1
    out = torch.empty(count, 3, size, size)
    wide = at[:, 2] * side / size >= 1.4
    for chosen, source in ((~wide, bank.pictures), (wide, bank.halves)):
        if chosen.any():
            seen = source[torch.from_numpy(index)[chosen]].float()
            grid = F.affine_grid(theta[chosen], [len(seen), 3, size, size], align_corners=False)
            out[chosen] = F.grid_sample(seen, grid, padding_mode="border", align_corners=False)
    gain = torch.from_numpy(rng.uniform(0.85, 1.15, (count, 3, 1, 1))).float() / 255
    return (out * gain + torch.from_numpy(rng.uniform(-0.05, 0.05, (count, 1, 1, 1))).float()).clamp(0, 1)
