"""Does learning pay? Looks chosen by the taught generator against as many at random, paired."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import asdict

import torch
from tqdm import tqdm

from region_core.demo.models import load_shapes_models, shapes_settings
from region_core.demo.worlds import held_out
from region_core.encoders.loading import Models
from region_core.files import write_json
from region_core.generator.network import RegionGenerator, save_generator
from region_core.settings import SearchSettings

from .ledger import weights_digest
from .scored_scenes import Known, know, remembered
from .selection_policies import Found, at_random, by_learning, by_screen, learn_prior
from .tables import bootstrap

SEED = 42


def gather(args: argparse.Namespace, models: Models, settings: SearchSettings,
           first: int, count: int) -> list[Known]:
    """The scenes [first, first + count) with all looks, from args.cache where they are kept."""
    scenes = []
    for index in tqdm(range(first, first + count), unit="scene"):
        file = None if args.cache is None else args.cache / (
            f"{weights_digest()}_{args.painter}_{args.seed}_{index}.pt")
        known = remembered(file)
        if known is None:
            scene, edit = held_out(args.seed, index, "replace")
            known = remembered(file, know(scene, edit, models, settings, args.painter, SEED + index))
        if known is not None:
            scenes.append(known)
    return scenes


Policy = Callable[[Known, int], Found]


def policies(settings: SearchSettings, budget: int, priors: dict[bool, RegionGenerator],
             ) -> dict[str, tuple[int, Policy]]:
    """Name -> (how many looks, the way to choose them)."""
    half = max(1, budget // 2)

    def learned(reads_screen: bool, with_screen: bool = False, prior: bool = False) -> Policy:
        return lambda known, seed: by_learning(
            known, half if prior else budget, settings, reads_screen=reads_screen,
            with_screen=with_screen, prior=priors[reads_screen] if prior else None, seed=seed)

    table: dict[str, tuple[int, Policy]] = {
        "random": (budget, lambda known, _: at_random(known, budget)),
        "learned": (budget, learned(False)),
        "learned, reads screen": (budget, learned(True)),
        "screen": (budget, lambda known, _: by_screen(known, budget)),
        "screen + learned": (budget, learned(True, with_screen=True)),
        "random, half": (half, lambda known, _: at_random(known, half)),
        "screen, half": (half, lambda known, _: by_screen(known, half)),
    }
    if priors:
        table["prior, half"] = (half, learned(False, prior=True))
        table["prior, reads screen, half"] = (half, learned(True, prior=True))
    return table


PAIRS = (
    ("learned", "random"), ("learned, reads screen", "random"), ("screen + learned", "screen"),
    ("prior, half", "random, half"), ("prior, half", "random"), ("prior, half", "learned"),
    ("prior, reads screen, half", "screen, half"), ("prior, reads screen, half", "random"),
    ("prior, reads screen, half", "screen + learned"),
    ("prior, reads screen, half", "learned, reads screen"),
)


def main(args: argparse.Namespace) -> int:
    """The `learn` command: args as `__main__` reads them."""
    models, settings = load_shapes_models(), shapes_settings("standard")
    scenes = gather(args, models, settings, 0, args.scenes)
    priors: dict[bool, RegionGenerator] = {}
    if args.teach:
        others = gather(args, models, settings, args.scenes, args.teach)
        priors = {reads: learn_prior(others, settings, reads_screen=reads) for reads in (False, True)}
        if args.save_path is not None:
            save_generator(priors[True], args.save_path, asdict(settings))
            print(f"the generator that reads the screen is in {args.save_path}")
    results: dict[str, list[Found]] = {}
    ways = policies(settings, args.looks, priors)
    if args.ways:
        ways = {name: way for name, way in ways.items() if name in args.ways}
    for name, (_, play) in tqdm(ways.items(), unit="way"):
        results[name] = [play(known, index) for index, known in enumerate(scenes)]
    text = report(results, {name: looks for name, (looks, _) in ways.items()}, len(scenes[0].losses))
    print(f"{args.scenes} replace scenes of seed {args.seed}, {args.painter} painter, generator taught "
          f"on {args.teach} others\n\n{text}")
    if args.json:
        write_json(args.json, {"seed": args.seed, "scenes": args.scenes, "taught": args.teach,
                               "looks": {n: k for n, (k, _) in ways.items()},
                               "ways": {n: [asdict(f) for f in rows] for n, rows in results.items()}})
    return 0


def report(results: dict[str, list[Found]], looks: dict[str, int], candidates: int) -> str:
    """Means of each way, and paired differences with their intervals, as Markdown."""
    lines = [f"| way to choose | looks of {candidates} | regret | IoU of the best look |",
             "|---|---|---|---|"]
    for name, rows in results.items():
        regret = sum(f.regret for f in rows) / len(rows)
        overlap = sum(f.overlap for f in rows) / len(rows)
        lines.append(f"| {name} | {looks[name]} | {regret:.4f} | {overlap:.3f} |")
    lines += ["", "| difference | regret (less is better) | IoU |", "|---|---|---|"]
    for a, b in PAIRS:
        if a in results and b in results:
            cells = [difference([getattr(f, column) for f in results[a]],
                                [getattr(f, column) for f in results[b]])
                     for column in ("regret", "overlap")]
            lines.append(f"| {a} ({looks[a]}) less {b} ({looks[b]}) | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def difference(a: list[float], b: list[float]) -> str:
    """mean(a - b) with its paired 95 % bootstrap interval, as text."""
    gap = (torch.tensor(a, dtype=torch.float64) - torch.tensor(b, dtype=torch.float64))[:, None]
    low, high = bootstrap(gap, lambda x: x[..., 0].mean(dim=1))
    return f"{float(gap.mean()):+.4f} ({low:+.4f} to {high:+.4f})"
