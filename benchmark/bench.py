"""Measuring: every method on the same held-out scenes, against the truth."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from PIL import Image
from torch import Tensor
from tqdm import tqdm

from region_core.demo.models import load_shapes_models, shapes_settings
from region_core.demo.worlds import held_out
from region_core.errors import InputError
from region_core.images import save_png, to_pil

from .judge import load_judge
from .ledger import Ledger
from .methods import METHODS, NOTES, SETTINGS, chosen
from .pictures import success_curve, write_sheets
from .rows import measure
from .tables import report

SEED = 42  # of the noise of scene 0; scene i has that of 42 + i, the same for every method


def read_limits(text: str, names: list[str]) -> dict[str, int]:
    """"a=5,b=20" as {"a": 5, "b": 20}; InputError where a name is not measured or a number wrong."""
    limits = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        name, _, number = part.partition("=")
        if name not in names:
            raise InputError(f"limits names '{name}', which is none of the methods: "
                             f"{', '.join(names)}.")
        if not number.isdecimal() or int(number) < 1:
            raise InputError(f"limits gives '{name}' the number '{number}'; give a whole number of "
                             f"at least 1, such as {name}=50.")
        limits[name] = int(number)
    return limits


def main(args: argparse.Namespace) -> int:
    """The `bench` command: args as `__main__` reads them."""
    names = list(args.methods)
    if args.ablate:
        names += [name for name in METHODS if name.startswith(("standard-", "standard+"))]
    names = chosen(names, METHODS)
    limits = read_limits(args.limits, names)
    ledger = Ledger(args.json, args.seed, {n: SETTINGS[n] for n in names if n in SETTINGS})
    ledger.forget(args.redo)
    ledger.check(names)
    models, judge = load_shapes_models(), load_judge()
    pictures = args.sheets / "pictures" if args.sheets else None
    for index in tqdm(range(args.first, args.first + args.scenes), unit="scene"):
        for kind in args.kinds:
            scene, edit = held_out(args.seed, index, kind)
            for name in names:
                if ledger.has(name, kind, index) or index - args.first >= limits.get(name, args.scenes):
                    continue
                started = time.monotonic()
                outcome = METHODS[name](scene, edit, models, SEED + index)
                seconds = time.monotonic() - started
                ledger.add(name, measure(outcome, scene, edit, judge, index, seconds))
                if pictures is not None:
                    _keep(pictures, name, kind, index, outcome.image)
        ledger.write(names)  # after every scene: a run that is stopped leaves what it has measured
    ledger.write(names)
    results = ledger.results(names)
    standard = shapes_settings("standard")
    text = report(results, args.seed, 2 * standard.steps, NOTES)
    print(text)
    if args.markdown:
        args.markdown.write_text(text, encoding="utf-8")
    if args.sheets:
        write_sheets(results, args.seed, args.sheets)
    if args.curve:
        save_png(success_curve(results), args.curve)
    return 0


def _keep(folder: Path, name: str, kind: str, index: int, image: Tensor) -> None:
    picture: Image.Image = to_pil(image[None])
    save_png(picture, folder / name / f"{kind}_{index:04d}.png")
