"""Three edits of one picture, and another of its regions: where they are, what stays, and the passes by count."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass, fields, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from region_core import EditSettings, Painter, edit_image, encode_picture, find_regions
from region_core.boxes import overlap
from region_core.cost import Cost, cost_so_far
from region_core.demo.scenes import COLORS, SHAPES, called
from region_core.encode import EncodedPicture
from region_core.encoders.loading import Models
from region_core.errors import with_article
from region_core.find.texts import distractors
from region_core.paint.diffusers_painter import DiffusersPainter
from region_core.requests import Request
from region_core.several import SeveralEdits, edit_several

from .worlds.faultless import FaultlessPainter
from .worlds.opening import clips_of, load_models, open_world
from .worlds.task import Box, MeasuredWorld, Task

EDITS = 3
KIND = {"shapes": "replace", "things": "many"}
HIT = 0.5  # IoU from which a region is the thing's


@dataclass(frozen=True)
class Wish:
    """An edit of a scene, the box of the thing that it names, and what paints it."""

    request: Request
    box: Box
    painter: Callable[[], Painter]


def measured(name: str, scenes: int, seed: int) -> str:
    """A table of `scenes` scenes with three things or more; see the command."""
    world = open_world(name)
    models = load_models(name, clips_of(name, [])[0], diffusion=name == "shapes")
    distractors(models.scorer)  # asked once, whatever is edited
    several, encodings, others = [], [], []
    for task, wishes in tqdm(_scenes(world, models, scenes, seed), total=scenes, unit="scene"):
        settings = world.settings("standard")
        painters = {wish.request.prompt: wish.painter() for wish in wishes}
        requests = [wish.request for wish in wishes]
        parts: dict[str, Any] = {"dino": models.dino, "scorer": models.scorer}
        before = cost_so_far(None, *parts.values())
        encoded = encode_picture(task.picture, **parts)
        encodings.append(cost_so_far(None, *parts.values()) - before)
        done = edit_several(task.picture, requests, painter_of=painters.__getitem__, settings=settings, **parts)
        several.append((done, wishes))
        if other := _another(task, wishes[0], encoded, models, settings):
            others.append(other)
    return _told(several, encodings, others)


def _another(task: Task, wish: Wish, encoded: EncodedPicture, models: Models, settings: EditSettings) -> Cost | None:
    """What the second region of a wish costs, where all was found before; counted on the models themselves."""
    regions = find_regions(encoded, wish.request.caption, scorer=models.scorer, settings=settings.find)
    if len(regions) < 2:
        return None
    painter = wish.painter()
    before = cost_so_far(painter, models.dino, models.scorer)
    edit_image(
        task.picture,
        wish.request.caption,
        wish.request.prompt,
        painter=painter,
        dino=models.dino,
        scorer=models.scorer,
        settings=settings,
        encoded=encoded,
        regions=regions.pick(1),
    )
    return cost_so_far(painter, models.dino, models.scorer) - before


def _scenes(world: MeasuredWorld, models: Models, count: int, seed: int) -> Iterator[tuple[Task, list[Wish]]]:
    """The first scenes of a seed that have three things of names of their own in sight."""
    number = 0
    while count:
        task = world.task(KIND[world.name], seed, number)
        wishes = (_of_shapes if world.name == "shapes" else _of_things)(task, world, models, seed)
        number += 1
        if len(wishes) == EDITS:
            count -= 1
            yield task, wishes


def _of_shapes(task: Task, world: Any, models: Models, seed: int) -> list[Wish]:
    there, rng = task.case[0].objects[:EDITS], np.random.default_rng([seed, task.number])
    taken = {one.name for one in task.case[0].objects}
    free = [name for color in COLORS for shape in SHAPES if (name := called(color, shape)) not in taken]
    prompts = rng.choice(free, EDITS, replace=False)
    return [
        Wish(Request(one.name, str(prompt)), one.box, partial(DiffusersPainter, models.pipe, str(prompt)))
        for one, prompt in zip(there, prompts, strict=False)
    ]


def _of_things(task: Task, world: Any, models: Models, seed: int) -> list[Wish]:
    scene, rng = task.case.scene, np.random.default_rng([seed, task.number])
    names = [one.name for one in scene.things]
    clear = [one for one in scene.things if one.visible >= 0.6 and one.share >= 0.01 and names.count(one.name) == 1]
    wanted = world.world.pick(rng, EDITS, tuple(names))

    def draw(name: str, box: tuple[int, int, int, int], noise: int) -> np.ndarray:
        return world.world.draw(np.random.default_rng([noise, task.number]), name, scene, box)

    return [
        Wish(
            Request(with_article(one.name), with_article(name)),
            one.box,
            partial(FaultlessPainter, replace(task, draw=partial(draw, name))),
        )
        for one, name in zip(clear[:EDITS], wanted, strict=False)
    ]


def _told(several: list[tuple[SeveralEdits, list[Wish]]], encodings: list[Cost], others: list[Cost]) -> str:
    ious, made, exact = [], 0, 0
    for done, wishes in several:
        source = done.encoded.picture.rgb.float()
        exact += torch.equal(done.image[(done.mask == 0).expand_as(source)], source[(done.mask == 0).expand_as(source)])
        for answer, wish in zip(done.answers, wishes, strict=True):
            ious.append(overlap(answer.regions[0].box, wish.box) if answer.regions.found else 0.0)
            made += bool(answer.edits)
    hits = sum(iou >= HIT for iou in ious)
    lines = [
        f"{len(several)} pictures with {EDITS} edits each: IoU {np.mean(ious):.2f}, hit {hits / len(ious):.2f}, put in "
        f"{made} of {len(ious)}; outside all of them bit for bit the source in {exact} of {len(several)}",
        "| least to most | " + " | ".join(field.name.replace("_", " ") for field in fields(Cost)) + " | whole cost |",
        "|---" * (2 + len(fields(Cost))) + "|",
    ]
    costs = {"one encoding": encodings, "three edits, encoding included": [done.cost for done, _ in several]}
    for name, rows in (costs | {f"another region ({len(others)} pictures)": others}).items():
        columns = zip(*((*astuple(row), round(row.total, 1)) for row in rows), strict=True)
        lines.append(f"| {name} | " + " | ".join(_range(column) for column in columns) + " |")
    return "\n".join(lines)


def _range(values: tuple[float, ...]) -> str:
    low, high = min(values), max(values)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"
