"""How far can a cheap look be trusted? Its order of the candidates against the full edit's."""

from __future__ import annotations

import argparse

import torch
from torch import Tensor
from tqdm import tqdm

from ..canvas import Canvas
from ..losses import LossWeights, RegionLoss
from ..propose import place_candidates
from ..report import write_json
from ..settings import SearchSettings
from .bench_report import bootstrap
from .models import ShapesModels, load_shapes_models, shapes_settings
from .painting import inpainter_of, picture_of
from .scenes import SIZE, Edit, Scene
from .worlds import held_out

SEED = 42
LOOKS = ((2, 1.0), (4, 1.0), (8, 1.0), (4, 3.0))  # (sampling steps, guidance)


def main(args: argparse.Namespace) -> int:
    """The `rank` command: args.scenes, .seed, .candidates, .json."""
    models, settings = load_shapes_models(), shapes_settings("standard")
    full = (settings.steps, settings.guidance_scale)
    ways = tuple(dict.fromkeys((*LOOKS, (settings.look_steps, settings.look_guidance))))
    rows = []
    for index in tqdm(range(args.scenes), unit="scene"):
        scene, edit = held_out(args.seed, index)
        losses = losses_of(scene, edit, models, settings, args.candidates, SEED + index,
                           (*ways, full))
        rows.append([spearman(losses[way], losses[full]) for way in ways])
    values = torch.tensor(rows, dtype=torch.float64)
    print(f"{args.scenes} replace scenes of seed {args.seed}, {args.candidates} candidates each, ranked "
          f"by their loss; the full edit has {full[0]} steps at guidance {full[1]:g}\n")
    print("| steps | guidance | UNet evaluations | rank correlation | 95 % interval |")
    print("|---" * 5 + "|")
    for number, (steps, guidance) in enumerate(ways):
        column = values[:, number]
        low, high = bootstrap(column, lambda drawn: drawn.mean(dim=1))
        print(f"| {steps} | {guidance:g} | {steps * (2 if guidance > 1 else 1)} | {column.mean():.2f} | "
              f"{low:.2f} to {high:.2f} |")
    if args.json:
        write_json(args.json, {"seed": args.seed, "scenes": args.scenes, "full": full, "looks": [
            {"steps": steps, "guidance": guidance, "per_scene": values[:, n].tolist()}
            for n, (steps, guidance) in enumerate(ways)]})
    return 0


def losses_of(scene: Scene, edit: Edit, models: ShapesModels, settings: SearchSettings, count: int,
              seed: int, ways: tuple[tuple[int, float], ...]) -> dict[tuple[int, float], Tensor]:
    """(steps, guidance) -> losses [n] of `count` candidates spread over all, from the same noise."""
    source = picture_of(scene)
    every = place_candidates(models.dino(source), SIZE, SIZE, settings).boxes
    boxes = every[torch.linspace(0, len(every) - 1, min(count, len(every))).round().long()]
    canvas = Canvas(source, inpainter_of(models, edit), seed=seed, grow=settings.grow)
    loss = RegionLoss(models.scorer, edit.caption, edit.prompt, LossWeights.of(settings),
                      views=settings.views, seed=seed).bind(source)
    return {(steps, guidance): loss(canvas.pictures(canvas.advance(
        canvas.begin(boxes, steps), steps, guidance)), boxes).total.cpu() for steps, guidance in ways}


def spearman(a: Tensor, b: Tensor) -> float:
    """Spearman's rank correlation of values [n]: that of their ranks, ties at their mean rank.

    NaN where all values of one are equal.
    """
    def ranks(values: Tensor) -> Tensor:
        below = (values[None] < values[:, None]).sum(dim=1)
        same = (values[None] == values[:, None]).sum(dim=1)
        return below + (same - 1) / 2

    both = torch.stack([ranks(a), ranks(b)]).double()
    return float(torch.corrcoef(both)[0, 1])
