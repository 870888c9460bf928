"""`python -m benchmark`: train the small models, make scenes, measure."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from region_core.cli.main import guarded
from region_core.demo.scenes import KINDS
from region_core.errors import InputError

from .options import PARTS, WORLD_PARTS, build_parser


def check_world(args: argparse.Namespace) -> None:
    """InputError where the number, the seed or the kind of scenes is none."""
    check_count("scenes", args.scenes)
    check_count("seed", args.seed, 0)
    if args.kind not in KINDS:
        raise InputError(f"kind is '{args.kind}'; choose one of {', '.join(KINDS)}.")


def check_count(name: str, value: int, least: int = 1) -> None:
    """Raise InputError where a number is below `least`."""
    if value < least:
        raise InputError(f"{name} is {value}; it must be at least {least}.")


def split_list(text: str) -> list[str]:
    """The names in a list with commas."""
    return [part.strip() for part in text.split(",") if part.strip()]


def train(args: argparse.Namespace) -> int:
    """The `train` command: each part in the order in which later ones need it."""
    parts = args.parts.split(",")
    known = (*PARTS, *WORLD_PARTS)
    unknown = [p for p in parts if p not in known]
    if unknown:
        raise InputError(f"parts names '{unknown[0]}'; choose from {', '.join(known)}.")
    if not args.minutes > 0:
        raise InputError(f"minutes is {args.minutes}; it must be above 0.")
    from region_core.checks import check_writable

    work: Path = args.work_dir
    weights: Path = args.output_dir or work / "weights"
    check_writable("work_dir", work)
    check_writable("output_dir", weights)
    work.mkdir(parents=True, exist_ok=True)
    weights.mkdir(parents=True, exist_ok=True)
    for part in known:
        if part in parts:
            print(f"training {part}", flush=True)
            scores = _train_part(part, weights, work, args.minutes)
            print(f"{part} done" + (f": {scores}" if scores else ""), flush=True)
    return 0


def _train_part(part: str, weights: Path, work: Path, minutes: float) -> dict | None:
    # each training has its own heavy imports
    if part == "tokenizer":
        from .training.vocabulary import write_tokenizer

        return {"tokens": write_tokenizer(weights / "tokenizer")}
    if part == "vae":
        from .training import train_vae

        return train_vae.train(weights / "inpaint" / "vae", work)
    if part == "dino":
        from .training import train_dino

        return train_dino.train(weights / "dino", work)
    if part == "judge":
        from .training import train_judge

        return train_judge.train(weights / "judge", work)
    if part == "things-dino":
        from .training import train_patches

        return train_patches.train(weights / part, work)
    if part in ("clip", *WORLD_PARTS):
        from .training.contrastive.recipes import RECIPES

        return RECIPES[part](weights / part, work)
    from .training import train_unet

    for need in ("tokenizer", "inpaint/vae"):
        if not (weights / need).is_dir():
            raise InputError(
                f"The UNet needs '{weights / need}', which is not there; train {need.rpartition('/')[2]} first."
            )
    train_unet.train(weights, work, minutes)
    return None


def scenes(args: argparse.Namespace) -> int:
    """The `scenes` command."""
    check_world(args)
    from PIL import Image

    from region_core.checks import check_writable
    from region_core.demo.worlds import held_out
    from region_core.files import write_json
    from region_core.picture import save_png

    folder: Path = args.output_dir
    check_writable("output_dir", folder)
    edits, truth = {}, {}
    for index in range(args.scenes):
        scene, edit = held_out(args.seed, index, args.kind)
        name = f"{index:04d}.png"
        save_png(Image.fromarray(scene.image), folder / name)
        edits[name] = [edit.caption, edit.prompt]
        truth[name] = {"target": edit.target, "objects": [{"name": o.name, "box": list(o.box)} for o in scene.objects]}
    write_json(folder / "edits.json", edits)
    write_json(folder / "truth.json", truth)
    print(f"{args.scenes} scenes, edits.json and truth.json written to {folder}")
    return 0


def run(args: argparse.Namespace) -> int:
    """The `run` command."""
    from .worlds.opening import open_world

    check_count("scenes", args.scenes)
    check_count("seed", args.seed, 0)
    check_count("first", args.first, 0)
    args.kinds = _kinds(args.kind, open_world(args.world, args.painter).kinds)
    args.clips = list(dict.fromkeys(split_list(args.clip))) or ["demo" if args.world == "shapes" else "conv"]
    args.methods, args.redo = split_list(args.methods), split_list(args.redo)
    if not args.methods:
        raise InputError("methods is empty; name at least one, such as standard.")
    from .methods import METHODS, chosen

    chosen([*args.methods, *args.redo], METHODS)
    _check_places(args, "json", "markdown", "curve", "sheets")
    from .run import main as run_methods

    return run_methods(args)


def _kinds(text: str, known: Sequence[str]) -> list[str]:
    """The kinds of a list without repeats, the first where it is empty; InputError where one is none."""
    kinds = list(dict.fromkeys(split_list(text))) or [known[0]]
    for kind in kinds:
        if kind not in known:
            raise InputError(f"kind is '{kind}'; choose from {', '.join(known)}.")
    return kinds


def settings(args: argparse.Namespace) -> int:
    """The `settings` command."""
    check_count("scenes", args.scenes)
    check_count("seed", args.seed, 0)
    check_count("steps", args.steps)
    from region_core.settings import preset

    from .settings_table import OTHER
    from .settings_table import main as run_settings

    for name in args.presets:
        preset(name)
    for name in args.names or ():
        if name not in OTHER:
            raise InputError(f"names has '{name}', which is no setting; choose from {', '.join(OTHER)}.")
    return run_settings(args)


def learn(args: argparse.Namespace) -> int:
    """The `learn` command."""
    from .worlds.opening import open_world

    check_count("scenes", args.scenes)
    check_count("teach", args.teach, 0)
    check_count("seed", args.seed, 0)
    args.kinds = _kinds(args.kind, open_world(args.world, args.painter).kinds)
    for kind in {"absent", "add"} & set(args.kinds):
        raise InputError(f"kind names '{kind}', where no one region is right; leave it out.")
    _check_places(args, "json")
    from .learn import main as run_learn

    return run_learn(args)


def rank(args: argparse.Namespace) -> int:
    """The `rank` command."""
    check_count("scenes", args.scenes, 2)
    check_count("seed", args.seed, 0)
    check_count("candidates", args.candidates, 3)
    _check_places(args, "json")
    from .rank import main as run_rank

    return run_rank(args)


def borders(args: argparse.Namespace) -> int:
    """The `borders` command."""
    check_world(args)
    check_count("side", args.side, 128)
    _check_places(args, "sheet")
    from .borders import main as run_borders

    return run_borders(args)


def cost(args: argparse.Namespace) -> int:
    """The `cost` command."""
    from .cost import AXES, FACTORS
    from .cost import main as run_cost

    check_count("seed", args.seed, 0)
    args.axes = split_list(args.axes)
    for axis in args.axes or [""]:
        if axis not in AXES:
            raise InputError(f"axes names '{axis}'; choose from {', '.join(AXES)}.")
    factors = split_list(args.factors)
    for factor in factors or [""]:
        if factor not in map(str, FACTORS):
            raise InputError(f"factors names '{factor}'; choose from {', '.join(map(str, FACTORS))}.")
    args.factors = sorted({int(f) for f in factors})
    _check_places(args, "json")
    return run_cost(args)


def currency(args: argparse.Namespace) -> int:
    """The `currency` command."""
    from .full_size import main as run_currency

    return run_currency(args)


def bend(args: argparse.Namespace) -> int:
    """The `bend` command."""
    from region_core.checks import check_writable

    from .bend import main as run_bend

    if not (args.folder / "open_clip_config.json").is_file():
        raise InputError(
            f"folder is '{args.folder}', which holds no open_clip_config.json; name a folder of open_clip weights."
        )
    check_writable("out", args.out.parent)
    return run_bend(args.folder, args.out, args.moments, args.world)


def _check_places(args: argparse.Namespace, *options: str) -> None:
    """Find out before hours of work whether their results can be written."""
    from region_core.checks import check_writable

    for option in options:
        place: Path | None = getattr(args, option)
        if place is not None:
            folder = place if option == "sheets" else place.parent
            check_writable(option, folder)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""

    def command() -> int:
        args = build_parser().parse_args(argv)
        return {
            "train": train,
            "bend": bend,
            "run": run,
            "scenes": scenes,
            "cost": cost,
            "rank": rank,
            "learn": learn,
            "borders": borders,
            "settings": settings,
            "currency": currency,
        }[args.command](args)

    return guarded(command)


if __name__ == "__main__":
    sys.exit(main())
