"""What learning is worth: the same scenes with no previews, some, always, and with a taught generator."""

from __future__ import annotations

import argparse
import copy
from collections.abc import Sequence

import torch
from tqdm import tqdm

from region_core.boxes import iou
from region_core.edit import EditResult
from region_core.encoders.loading import Models
from region_core.errors import InputError
from region_core.files import write_json
from region_core.find.regions import Finding, PictureEvidence
from region_core.paint.canvas import reduced
from region_core.paper.network import RegionGenerator

from .painting import edited
from .tables import FEWEST, interval
from .worlds.opening import load_models, open_world
from .worlds.task import MeasuredWorld, Task

SEED = 42  # of the noise of task 0; task i has that of 42 + i, whatever the arm
FRESH = ("never", "auto", "always")
TAUGHT = ("never, taught", "auto, taught")
Row = dict[str, float]
# (an arm, another, whether only scenes with previews count)
PAIRS = (
    ("auto", "never", True),
    ("auto", "never", False),
    ("always", "never", False),
    ("never, taught", "never", False),
    ("auto, taught", "auto", False),
)


def main(args: argparse.Namespace) -> int:
    """The `learn` command: args.world, .clip, .weights, .painter, .kinds, .scenes, .teach, .arms,
    .seed, .json."""
    arms = chosen(args.arms or [*FRESH, *(TAUGHT if args.teach else ())], args.teach > 0)
    world = open_world(args.world, args.painter)
    diffusion = args.world == "shapes" and args.painter != "faultless"
    models = load_models(args.world, args.clip, args.weights, diffusion=diffusion)
    taught: RegionGenerator | None = None
    for number in tqdm(range(args.teach), desc="teaching", unit="scene"):
        # scenes that no row is measured on
        task = world.task(args.kinds[number % len(args.kinds)], args.seed + 1, number)
        taught = _edit(task, world, models, "always", taught).generator or taught
    rows: dict[str, list[Row]] = {}
    for number in tqdm(range(args.scenes), unit="scene"):
        for kind in args.kinds:
            task = world.task(kind, args.seed, number)
            finding = _finding(task, world, models)
            for arm in arms:
                module = copy.deepcopy(taught) if arm in TAUGHT else None
                result = _edit(task, world, models, arm.partition(",")[0], module, finding)
                rows.setdefault(arm, []).append(_row(result, task))
        if args.json:
            write_json(args.json, {"seed": args.seed, "taught_on": args.teach, "rows": rows})
    print(
        f"{args.world}, CLIP {args.clip}, seed {args.seed}, {args.scenes} scenes of each of {', '.join(args.kinds)}; "
        f"the taught generator had {args.teach} other scenes\n"
    )
    print(table(rows))
    print("\n" + differences(rows))
    return 0


def chosen(arms: Sequence[str], taught: bool) -> list[str]:
    """The arms asked for; InputError where one is not known, or wants a generator that nothing taught."""
    for arm in arms:
        if arm not in (*FRESH, *TAUGHT):
            raise InputError(f"arms names '{arm}'; choose from {'; '.join((*FRESH, *TAUGHT))}.")
        if arm in TAUGHT and not taught:
            raise InputError(f"arms names '{arm}', and no scenes teach; give --teach a number above 0.")
    return list(dict.fromkeys(arms))


def _finding(task: Task, world: MeasuredWorld, models: Models) -> Finding:
    """The regions of a task, found once for all arms."""
    evidence = PictureEvidence(
        reduced(task.picture), task.caption, task.prompt, models.scorer, models.dino(task.picture)
    )
    return evidence.found(world.settings("standard"), None, lambda *_: None)


def _edit(
    task: Task,
    world: MeasuredWorld,
    models: Models,
    previews: str,
    generator: RegionGenerator | None,
    finding: Finding | None = None,
) -> EditResult:
    return edited(
        task,
        models,
        world.painter(task, models),
        settings=world.settings("standard").with_values(previews=previews),
        generator=generator,
        finding=finding,
        seed=SEED + task.number,
    )


def _row(result: EditResult, task: Task) -> Row:
    """One edit against the truth. `regret`: how much nearer the best of the proposed regions was."""
    truth = torch.tensor(task.boxes).float()
    met = 0.0 if result.box is None else float(iou(torch.tensor([result.box]).float(), truth).max())
    best = met
    if result.finding is not None:
        scale = task.picture.shape[-1] / reduced(task.picture).shape[-1]
        best = max(met, float(iou(result.finding.proposals.boxes * scale, truth).max()))
    return {
        "iou": met,
        "hit": float(met >= 0.5),
        "regret": best - met,
        "previews": float(len(result.rounds)),
        "cost": result.cost.total,
    }


def table(rows: dict[str, list[Row]]) -> str:
    """A line an arm: the share of scenes with previews, how many, hit, IoU, regret and cost, all means."""
    lines = [
        "| previews | scenes | with previews | previews each | hit | IoU | regret | cost after finding |",
        "|---" * 8 + "|",
    ]
    for arm, some in rows.items():
        mean = {name: sum(row[name] for row in some) / len(some) for name in some[0]}
        share = sum(row["previews"] > 0 for row in some) / len(some)
        lines.append(
            f"| {arm} | {len(some)} | {share:.2f} | {mean['previews']:.1f} | {mean['hit']:.2f} | {mean['iou']:.3f} | "
            f"{mean['regret']:.3f} | {mean['cost']:.1f} |"
        )
    return "\n".join(lines)


def differences(rows: dict[str, list[Row]]) -> str:
    """The pairs of arms on the same scenes, with 95 % bootstrap intervals; bold where 0 lies outside."""
    lines = ["| | against | on | scenes | hit | IoU | regret |", "|---" * 7 + "|"]
    for first, other, only in PAIRS:
        if first not in rows or other not in rows:
            continue
        pairs = [(a, b) for a, b in zip(rows[first], rows[other], strict=True) if a["previews"] or not only]
        cells = [_difference([a[name] - b[name] for a, b in pairs]) for name in ("hit", "iou", "regret")]
        where = "scenes with previews" if only else "all"
        lines.append(f"| {first} | {other} | {where} | {len(pairs)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _difference(values: Sequence[float]) -> str:
    if not values:
        return "-"
    mean = sum(values) / len(values)
    if len(values) < FEWEST:
        return f"{mean:+.3f}"
    low, high = interval(values)
    text = f"{mean:+.3f} ({low:+.3f} to {high:+.3f})"
    return f"**{text}**" if low > 0 or high < 0 else text
