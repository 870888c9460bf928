"""Measuring: every method on the same tasks of a world, with each CLIP, against the truth."""

from __future__ import annotations

import argparse
import time

from tqdm import tqdm

from region_core.cost import cost_so_far
from region_core.errors import InputError
from region_core.picture import save_png, to_pil

from .ledger import Ledger, digest_of
from .methods import ABLATED, METHODS, NOTES, chosen, settings_of
from .painting import Setup
from .pictures import kept_name, success_curve, write_sheets
from .rows import measure
from .tables import report
from .worlds.opening import clip_folder, load_models, open_world

SEED = 42  # of the noise of task 0; task i has that of 42 + i, the same for every method


def read_limits(text: str, names: list[str]) -> dict[str, int]:
    """ "a=5,b=20" as {"a": 5, "b": 20}; InputError where a name is not measured or a number wrong."""
    limits = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        name, _, number = part.partition("=")
        if name not in names:
            raise InputError(f"limits names '{name}', which is none of the methods: {', '.join(names)}.")
        if not number.isdecimal() or int(number) < 1:
            raise InputError(
                f"limits gives '{name}' the number '{number}'; give a whole number of at least 1, such as {name}=50."
            )
        limits[name] = int(number)
    return limits


def main(args: argparse.Namespace) -> int:
    """The `run` command: args as `__main__` reads them."""
    world = open_world(args.world, args.painter)
    names = list(args.methods)
    if args.ablate:
        names += [*ABLATED, "standard-anchors"]
    names = chosen(names, METHODS)
    limits = read_limits(args.limits, names)
    folders = {clip: clip_folder(args.world, clip, args.weights) for clip in args.clips}
    ledger = Ledger(args.json, args.world, args.painter, args.seed, settings_of(names, world))
    ledger.forget(args.redo)
    ledger.check(names)
    diffusion = args.world == "shapes" and args.painter != "faultless"
    pictures = args.sheets / "pictures" if args.sheets else None
    for clip in args.clips:
        ledger.use_weights(clip, digest_of(folders[clip]))
        models = load_models(args.world, clip, args.weights, diffusion=diffusion)
        for number in tqdm(range(args.first, args.first + args.scenes), unit="scene", desc=clip):
            asked = [
                (kind, name)
                for kind in args.kinds
                for name in names
                if not ledger.has(name, clip, kind, number) and number - args.first < limits.get(name, args.scenes)
            ]
            for kind, name in asked:
                task = world.task(kind, args.seed, number)
                setup = Setup(models, world.painter(task, models), world.settings, SEED + number)
                parts = setup.inpainter, models.dino, models.scorer
                before, started = cost_so_far(*parts), time.monotonic()
                outcome = METHODS[name](task, setup)
                seconds, cost = time.monotonic() - started, cost_so_far(*parts) - before
                ledger.add(name, measure(outcome, task, world, clip, cost, seconds))
                if pictures is not None:
                    save_png(to_pil(outcome.image[None]), pictures / name / kept_name(clip, kind, number))
            if asked:
                ledger.write(names)  # after every scene: a stopped run leaves what it has measured
    ledger.write(names)
    results = ledger.results(names)
    text = report(results, args.world, args.seed, NOTES)
    print(text)
    if args.markdown:
        args.markdown.write_text(text, encoding="utf-8")
    if args.sheets:
        write_sheets(results, world, args.seed, args.sheets)
    if args.curve:
        save_png(success_curve(results), args.curve)
    return 0
