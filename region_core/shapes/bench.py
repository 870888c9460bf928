"""Measuring: every method on the same held-out scenes, against the truth."""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from ..boxes import iou
from ..errors import InputError
from .judge import Judge, load_judge
from .methods import METHODS, Outcome, picture_of
from .models import load_shapes_models
from .scenes import BACKGROUND, Edit, Scene
from .worlds import held_out

PSNR_LIMIT = 60.0  # an untouched background counts as this many dB


@dataclass(frozen=True)
class Row:
    """One method on one scene. Where there is no object to find, iou and hit are None."""

    scene: int
    box: list[float] | None
    iou: float | None
    hit: float | None
    success: float
    background_psnr: float
    unet_evaluations: int
    seconds: float


def background_psnr(image: Tensor, source: Tensor, box: tuple[int, ...] | None) -> float:
    """PSNR in dB outside `box` of pictures [3, H, W] in 0..1, at most PSNR_LIMIT."""
    outside = torch.ones(image.shape[-2:], dtype=torch.bool)
    if box is not None:
        outside[box[1]:box[3], box[0]:box[2]] = False
    error = float((image - source)[:, outside].square().mean())
    return PSNR_LIMIT if error == 0 else min(PSNR_LIMIT, -10 * math.log10(error))


def succeeded(outcome: Outcome, scene: Scene, edit: Edit, judge: Judge) -> bool:
    """Whether the judge finds what was asked for where it belongs, and the rest still there."""
    if edit.kind == "absent":
        return outcome.box is None
    place = scene.objects[edit.target].box if edit.target is not None else outcome.box
    if place is None:
        return False
    color, shape = judge.read(outcome.image, torch.tensor([place]).float())[0]
    if edit.prompt == BACKGROUND:
        there = shape is None or color is None
    else:
        there = f"a {color} {shape}" == edit.prompt
    others = [o for i, o in enumerate(scene.objects) if i != edit.target]
    boxes = torch.tensor([o.box for o in others]).float().reshape(-1, 4)
    read = judge.read(outcome.image, boxes)
    return there and all(r == (o.color, o.shape) for r, o in zip(read, others, strict=True))


def measure(outcome: Outcome, scene: Scene, edit: Edit, judge: Judge, index: int,
            seconds: float) -> Row:
    """One row of the long table."""
    truth = scene.objects[edit.target].box if edit.target is not None else None
    overlap = None
    if truth is not None:
        overlap = 0.0 if outcome.box is None else float(
            iou(torch.tensor([outcome.box]).float(), torch.tensor([truth]).float()))
    return Row(
        scene=index, box=None if outcome.box is None else [float(v) for v in outcome.box],
        iou=overlap, hit=None if overlap is None else float(overlap >= 0.5),
        success=float(succeeded(outcome, scene, edit, judge)),
        background_psnr=background_psnr(outcome.image, picture_of(scene)[0], truth),
        unet_evaluations=outcome.unet_evaluations, seconds=seconds)


COLUMNS = ("iou", "hit", "success", "background_psnr", "unet_evaluations", "seconds")


def means(rows: list[Row]) -> dict[str, float | None]:
    """The mean of each column over the scenes that have it."""
    out: dict[str, float | None] = {}
    for column in COLUMNS:
        values = [getattr(r, column) for r in rows if getattr(r, column) is not None]
        out[column] = sum(values) / len(values) if values else None
    return out


def paired_interval(a: list[float], b: list[float], samples: int = 2000) -> tuple[float, float]:
    """95 % bootstrap interval of mean(a - b) over the same scenes."""
    difference = torch.tensor(a) - torch.tensor(b)
    generator = torch.Generator().manual_seed(0)
    picks = torch.randint(len(difference), (samples, len(difference)), generator=generator)
    low, high = difference[picks].mean(dim=1).quantile(torch.tensor([0.025, 0.975])).tolist()
    return low, high


def table(results: dict[str, list[Row]]) -> str:
    """The means as a Markdown table, and each method's difference in IoU and success to the first."""
    lines = ["| method | IoU | hit | success | background dB | UNet evaluations | seconds |",
             "|---|---|---|---|---|---|---|"]
    for name, rows in results.items():
        m = {k: "-" if v is None else f"{v:.2f}" for k, v in means(rows).items()}
        lines.append(f"| {name} | " + " | ".join(m[c] for c in COLUMNS) + " |")
    first, *others = results
    for name in others:
        for column in ("iou", "success"):
            pairs = [(getattr(a, column), getattr(b, column))
                     for a, b in zip(results[first], results[name], strict=True)]
            if any(v is None for pair in pairs for v in pair):
                continue
            a, b = [p[0] for p in pairs], [p[1] for p in pairs]
            low, high = paired_interval(a, b)
            lines.append(f"\n{column} of {first} less {name}: {sum(a) / len(a) - sum(b) / len(b):+.3f} "
                         f"(95 % interval {low:+.3f} to {high:+.3f}, paired, {len(a)} scenes)")
    return "\n".join(lines)


def main(args: argparse.Namespace) -> int:
    """The `bench` command: args.scenes, .seed, .kind, .methods, .first, .json."""
    names = list(args.methods)
    unknown = [n for n in names if n not in METHODS]
    if unknown:
        raise InputError(f"method {unknown[0]!r} is not known; choose from "
                         f"{', '.join(METHODS)}")
    models, judge = load_shapes_models(), load_judge()
    results: dict[str, list[Row]] = {name: [] for name in names}
    for index in tqdm(range(args.first, args.first + args.scenes), unit="scene"):
        scene, edit = held_out(args.seed, index, args.kind)
        for name in names:
            started = time.monotonic()
            outcome = METHODS[name](scene, edit, models, 42)
            seconds = time.monotonic() - started
            results[name].append(measure(outcome, scene, edit, judge, index, seconds))
        if args.json:  # after every scene: a run that is stopped leaves what it has measured
            _write(args.json, args.seed, args.kind, results)
    print(f"{args.scenes} {args.kind} scenes of seed {args.seed}\n\n{table(results)}")
    return 0


def _write(file: Path, seed: int, kind: str, results: dict[str, list[Row]]) -> None:
    report = {"scenes": len(next(iter(results.values()))), "seed": seed, "kind": kind,
              "methods": {name: {**means(rows), "per_scene": [asdict(r) for r in rows]}
                          for name, rows in results.items()}}
    temporary = file.with_suffix(".tmp")
    temporary.write_text(json.dumps(report, indent=1))
    os.replace(temporary, file)
