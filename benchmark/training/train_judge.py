"""Training the judge on crops of objects, of background, and of pieces of objects ("none").

Seeds of its own and no model in common with the search, so that it is nobody's accomplice.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from region_core.demo.scenes import COLORS, SHAPES, SIZE, SceneObject

from ..judge import CROP, Judge, load_judge
from .data import scene_bank
from .loop import Training
from .views import area, overlap, uniform, wear, zoom

FIRST_SEED, HELD_OUT_SEED = 500_000, 1_200_000
BATCH = 128
RATE = 3e-3
NOTHING = (len(COLORS), len(SHAPES))  # the class numbers of "none"


def jitter(boxes: torch.Tensor, share: float, generator: torch.Generator) -> torch.Tensor:
    """Move every side of boxes [N, 4] by up to `share` of the box's width or height."""
    extent = (boxes[:, 2:] - boxes[:, :2]).repeat(1, 2)
    moved = boxes + uniform(-share, share, tuple(boxes.shape), generator) * extent
    return moved.clamp(0, SIZE)


class Lessons:
    """Crops with their colour and shape class, from scenes whose boxes are known."""

    def __init__(self, work_dir: Path, scenes: int, first_seed: int) -> None:
        pictures, objects = scene_bank(work_dir, scenes, first_seed)
        self.pictures = pictures
        colors, shapes = list(COLORS), list(SHAPES)
        flat: list[tuple[int, SceneObject]] = [(i, o) for i, row in enumerate(objects) for o in row]
        self.owner = torch.tensor([i for i, _ in flat])
        self.kinds = torch.tensor([[colors.index(o.color), shapes.index(o.shape)] for _, o in flat])
        self.boxes = torch.tensor([o.box for _, o in flat], dtype=torch.float32)
        self.of_scene = torch.zeros(scenes, 4, 4)
        for i, row in enumerate(objects):
            for j, thing in enumerate(row):
                self.of_scene[i, j] = torch.tensor(thing.box, dtype=torch.float32)

    def draw(self, count: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Crops [n, 3, 48, 48] and classes [n, 2], n <= count; a third of them "none".

        A "none" box is random and shows less than 30 % of every object, with objects on less than
        30 % of it: a sliver of something is not a thing, and anything between is left out.
        """
        index = torch.randint(len(self.boxes), (count,), generator=generator)
        owner = self.owner[index]
        boxes = jitter(self.boxes[index], 0.15, generator)
        corner = uniform(0, SIZE - 24, (count, 2), generator)
        opposite = (corner + uniform(20, 64, (count, 2), generator)).clamp(max=SIZE)
        free = torch.cat([corner, opposite], dim=1)
        others = self.of_scene[owner]
        common = area(overlap(others, free[:, None]))
        piece = (common / area(others).clamp(min=1)).amax(dim=1)
        filled = common.sum(dim=1) / area(free)
        empty = torch.rand(count, generator=generator) < 0.34
        usable = ~empty | ((piece < 0.3) & (filled < 0.3))
        boxes = torch.where(empty[:, None], free, boxes)
        kinds = torch.where(empty[:, None], torch.tensor(NOTHING), self.kinds[index])
        pictures = self.pictures[owner[usable]].float() / 255
        crops = wear(zoom(pictures, boxes[usable], 64), generator)  # about an object's own pixels
        crops = F.interpolate(crops, size=(CROP, CROP), mode="bilinear", antialias=True)
        return crops, kinds[usable]


def evaluate(judge: Judge, work_dir: Path) -> dict[str, float]:
    """Shares of held-out crops read right: objects (colour and shape both) and "none"."""
    lessons = Lessons(work_dir, 600, HELD_OUT_SEED)
    clean = 0
    for owner, box, kind in zip(lessons.owner, lessons.boxes, lessons.kinds, strict=True):
        said = judge.read(lessons.pictures[owner].float() / 255, box[None])[0]
        clean += said == (list(COLORS)[kind[0]], list(SHAPES)[kind[1]])
    generator = torch.Generator().manual_seed(7)
    hits: dict[bool, list[torch.Tensor]] = {True: [], False: []}
    with torch.no_grad():
        for _ in range(12):
            crops, kinds = lessons.draw(256, generator)
            color, shape = judge(crops)
            right = (color.argmax(1) == kinds[:, 0]) & (shape.argmax(1) == kinds[:, 1])
            nothing = kinds[:, 0] == NOTHING[0]
            hits[True].append(right[nothing])
            hits[False].append(right[~nothing])
    return {
        "object_exact_box": clean / len(lessons.boxes),
        "object_jittered_worn": torch.cat(hits[False]).float().mean().item(),
        "none_worn": torch.cat(hits[True]).float().mean().item(),
    }


def train(
    output_dir: Path, work_dir: Path, steps: int = 350, threads: int | None = None, scenes: int = 4000
) -> dict[str, float]:
    """Train (or go on from `work_dir`), save to `output_dir`, return the held-out scores."""
    if threads is not None:
        torch.set_num_threads(threads)
    torch.manual_seed(99)
    judge = Judge()
    optimizer = torch.optim.AdamW(judge.parameters(), lr=RATE, weight_decay=0.01)
    training = Training(work_dir / "judge.pt", optimizer, 50, steps, model=judge)
    lessons = Lessons(work_dir, scenes, FIRST_SEED)
    generator = torch.Generator().manual_seed(training.start + 3)
    for step in range(training.start, steps):
        crops, kinds = lessons.draw(BATCH, generator)
        color, shape = judge(crops)
        loss = F.cross_entropy(color, kinds[:, 0]) + F.cross_entropy(shape, kinds[:, 1])
        training.step(loss)
        if (step + 1) % 100 == 0:
            print(f"judge step {step + 1} loss {loss.item():.4f}", flush=True)
            training.keep(step + 1)
    output_dir.mkdir(parents=True, exist_ok=True)
    weights = output_dir / "judge.safetensors"
    save_file({k: v.half() if v.is_floating_point() else v for k, v in judge.state_dict().items()}, weights)
    scores = {"steps": steps, **{k: round(v, 4) for k, v in evaluate(load_judge(weights=weights), work_dir).items()}}
    (output_dir / "scores.json").write_text(json.dumps(scores, indent=1) + "\n")
    return scores
