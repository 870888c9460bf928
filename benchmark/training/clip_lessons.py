"""What the shapes world's CLIP learns from: views of scenes, captions, and what is true of what."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from region_core.demo.scenes import BACKGROUND, COLORS, SHAPES, SIZE, SceneObject, make_scene

from .data import scene_bank
from .views import area, cover, overlap, uniform, wear, zoom

NAMES = tuple(f"a {c} {s}" for c in COLORS for s in SHAPES)
TEMPLATE = "a high quality image of {}."
PAIRS = 40  # captions a step that name two objects
MOST_OBJECTS = 4


def object_table(objects: list[tuple[SceneObject, ...]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Indices into NAMES [N, 4] (-1: no object) and boxes [N, 4, 4] (empty: no object)."""
    kinds = torch.full((len(objects), MOST_OBJECTS), -1)
    boxes = torch.zeros(len(objects), MOST_OBJECTS, 4)
    for i, row in enumerate(objects):
        for j, thing in enumerate(row):
            kinds[i, j] = NAMES.index(thing.name)
            boxes[i, j] = torch.tensor(thing.box, dtype=torch.float32)
    return kinds, boxes


class Lessons:
    """Batches of pictures with the truth about each of the 48 names and "background"."""

    def __init__(self, work_dir: Path, scenes: int, blanks: int, first_seed: int = 0) -> None:
        pictures, objects = scene_bank(work_dir, scenes, first_seed)
        empty = [make_scene(first_seed + i).background.transpose(2, 0, 1) for i in range(blanks)]
        self.pictures = torch.cat([pictures, torch.from_numpy(np.stack(empty))])
        self.kinds, self.boxes = object_table([*objects, *[()] * blanks])

    def _windows(self, boxes: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Square windows [B, 4] in the picture, at least 1.3 of their first object's side."""
        count = len(boxes)
        side = (boxes[:, 0, 2:] - boxes[:, 0, :2]).amax(dim=1).clamp(min=24) * 1.3
        side = (side + (SIZE - side) * uniform(0, 1, (count,), generator) ** 2).clamp(max=SIZE)
        side = torch.where(torch.rand(count, generator=generator) < 0.5, side, float(SIZE))[:, None]
        centre = (boxes[:, 0, :2] + boxes[:, 0, 2:]) / 2
        anywhere = (torch.rand((count, 1), generator=generator) < 0.15) | (centre[:, :1] == 0)
        shift = uniform(-0.3, 0.3, (count, 2), generator) * side
        corner = torch.where(anywhere, uniform(0, 1, (count, 2), generator) * SIZE, centre + shift) - side / 2
        corner = torch.minimum(corner.clamp(min=0), SIZE - side)
        return torch.cat([corner, corner + side], dim=1)

    def _covers(self, boxes: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Boxes [B, 4] to hide: none for half, else about an object's box or anywhere."""
        count = len(boxes)
        anywhere = uniform(0, SIZE, (count, 2), generator)
        extent = uniform(15, 70, (count, 2), generator)
        free = torch.cat([anywhere - extent / 2, anywhere + extent / 2], dim=1)
        margin = uniform(-4, 12, (count, 4), generator) * torch.tensor([-1.0, -1.0, 1.0, 1.0])
        near = boxes[:, 1] + margin  # the second object: the zoom aims at the first
        near = torch.where((boxes[:, 1, 2:3] > 0) & (torch.rand((count, 1), generator=generator) < 0.7), near, free)
        hidden = torch.rand((count, 1), generator=generator) < 0.45
        return torch.where(hidden, near.clamp(0, SIZE), torch.zeros(1))

    def draw(self, count: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Pictures (0..1) and the truth [count, 49]: 1 there, 0 not, nan where one may argue."""
        index = torch.randint(len(self.pictures), (count,), generator=generator)
        order = torch.rand((count, MOST_OBJECTS), generator=generator)
        order = (order + (self.kinds[index] < 0) * 2).argsort(dim=1)  # real objects first
        kinds = self.kinds[index].gather(1, order)
        boxes = self.boxes[index].gather(1, order[..., None].expand(-1, -1, 4))
        if torch.rand((), generator=generator) < 0.5:  # hide what the zoom aims at, too
            boxes, kinds = boxes[:, [1, 0, 2, 3]], kinds[:, [1, 0, 2, 3]]
        windows, covers = self._windows(boxes, generator), self._covers(boxes, generator)
        pictures = cover(self.pictures[index].float() / 255, covers, generator)
        flip = torch.rand(count, generator=generator) < 0.5
        pictures = wear(zoom(pictures, windows, SIZE, flip), generator)
        seen = overlap(boxes, windows[:, None])
        lost = area(overlap(seen, covers[:, None])) * (area(seen) > 0)
        share = (area(seen) - lost) / area(boxes).clamp(min=1)
        value = torch.where(share >= 0.72, 1.0, torch.where(share <= 0.22, 0.0, torch.nan))
        truth = torch.zeros(count, len(NAMES) + 2)  # the last column takes the objects that are not
        truth.scatter_(1, torch.where(kinds < 0, len(NAMES) + 1, kinds), value)
        visible = (share * (kinds >= 0)).amax(dim=1)
        truth[:, len(NAMES)] = torch.where(visible <= 0.03, 1.0, torch.where(visible > 0.22, 0.0, torch.nan))
        return pictures, truth[:, :-1]


def any_of(truth: torch.Tensor, dim: int) -> torch.Tensor:
    """Whether any is there: 1 if one is, nan if one may be, else 0."""
    value = torch.where((truth == 1).any(dim=dim), 1.0, 0.0)
    return torch.where((value == 0) & truth.isnan().any(dim=dim), torch.nan, value)


def shapes_and_colors(truth: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Truth of "a circle" and so on [B, 6], and of each colour [B, 8], from that of the names."""
    table = truth[:, : len(NAMES)].reshape(len(truth), len(COLORS), len(SHAPES))
    return any_of(table, 1), any_of(table, 2)


def caption_step(truth: torch.Tensor, generator: torch.Generator) -> tuple[list[str], torch.Tensor]:
    """Captions of a step and their truth [B, T]: names, "background", shapes, pairs of names.

    Half of the pairs are true of some picture; half of the rest have one attribute swapped.
    """
    names = [*NAMES, BACKGROUND, *(f"a {shape}" for shape in SHAPES)]
    columns = [truth, shapes_and_colors(truth)[0]]
    for k in range(PAIRS):
        row = int(torch.randint(len(truth), (), generator=generator))
        there = (truth[row, : len(NAMES)] == 1).nonzero()[:, 0]
        pair = torch.randint(len(NAMES), (2,), generator=generator)
        if len(there):
            order = torch.randperm(len(there), generator=generator)[:2]
            pair[: len(order)] = there[order]
        a, b = pair.tolist()
        if k % 4 == 3:  # the two swap colours or shapes
            a, b = a - a % len(SHAPES) + b % len(SHAPES), b - b % len(SHAPES) + a % len(SHAPES)
        names.append(f"{NAMES[a]} and {NAMES[b]}")
        both = truth[:, a] * truth[:, b]
        both[(truth[:, a] == 0) | (truth[:, b] == 0)] = 0.0  # 0 * nan would be nan
        columns.append(both[:, None])
    bare = torch.rand(len(names), generator=generator) < 0.2
    return (
        [n if plain else TEMPLATE.format(n) for n, plain in zip(names, bare, strict=True)],
        torch.cat(columns, dim=1),
    )
