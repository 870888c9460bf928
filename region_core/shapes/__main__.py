"""`python -m region_core.shapes`: train the small models, make scenes, measure methods."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ..cli import guarded
from ..errors import InputError
from ..options import Parser
from .scenes import KINDS

PARTS = ("tokenizer", "vae", "clip", "dino", "judge", "unet")


def build_parser() -> Parser:
    """The parser of `python -m region_core.shapes`."""
    parser = Parser(prog="python -m region_core.shapes",
                    description="A small world of coloured shapes with the truth known.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    train = commands.add_parser("train", help="train all models from scratch, or go on",
                                description="Train all models of the shapes world one after the "
                                "other. Stopped at any time, the same command goes on.")
    train.add_argument("--work_dir", type=Path, default=Path("work"), metavar="DIR",
                       help="scenes and unfinished trainings (default: work)")
    train.add_argument("--output_dir", type=Path, default=None, metavar="DIR",
                       help="where the weights go (default: weights in the work_dir); the embedded "
                       "ones are in region_core/shapes/weights")
    train.add_argument("--minutes", type=float, default=180.0, metavar="X",
                       help="for the inpainting UNet, over all runs together (default: 180)")
    train.add_argument("--parts", default=",".join(PARTS), metavar="LIST",
                       help=f"which models (default: {','.join(PARTS)})")

    bench = commands.add_parser("bench", help="measure methods on held-out scenes",
                                description="Edit the same fresh scenes with each method and "
                                "compare with the truth.")
    _add_world(bench)
    bench.add_argument("--methods", default="standard,random", metavar="LIST",
                       help="names separated by commas (default: standard,random)")
    bench.add_argument("--first", type=int, default=0, metavar="I",
                       help="number of the first scene, to share a seed between runs (default: 0)")
    bench.add_argument("--json", type=Path, default=None, metavar="FILE",
                       help="also write the numbers here")

    scenes = commands.add_parser("scenes", help="write held-out scenes as pictures",
                                 description="Write pictures, edits.json (picture -> [caption, "
                                 "prompt]) and truth.json (all boxes, the target's index).")
    _add_world(scenes)
    scenes.add_argument("--output_dir", type=Path, required=True, metavar="DIR",
                        help="where they go")
    return parser


def _add_world(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--scenes", type=int, required=True, metavar="N", help="how many scenes")
    parser.add_argument("--seed", type=int, required=True, metavar="S",
                        help="which scenes; the same seed gives the same ones")
    parser.add_argument("--kind", default="replace", metavar="NAME",
                        help=f"what is asked for: {', '.join(KINDS)} (default: replace)")


def check_world(args: argparse.Namespace) -> None:
    """Raise InputError where the number, the seed or the kind of scenes is none."""
    if args.scenes < 1:
        raise InputError(f"scenes is {args.scenes}; it must be at least 1.")
    if args.seed < 0:
        raise InputError(f"seed is {args.seed}; it must be at least 0.")
    if args.kind not in KINDS:
        raise InputError(f"kind is '{args.kind}'; choose one of {', '.join(KINDS)}.")


def train(args: argparse.Namespace) -> int:
    """The `train` command: each part in the order in which later ones need it."""
    parts = args.parts.split(",")
    unknown = [p for p in parts if p not in PARTS]
    if unknown:
        raise InputError(f"parts names '{unknown[0]}'; choose from {', '.join(PARTS)}.")
    if not args.minutes > 0:
        raise InputError(f"minutes is {args.minutes}; it must be above 0.")
    from ..checks import check_writable

    work: Path = args.work_dir
    weights: Path = args.output_dir or work / "weights"
    check_writable("work_dir", work)
    check_writable("output_dir", weights)
    work.mkdir(parents=True, exist_ok=True)
    weights.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        if part in parts:
            print(f"training {part}", flush=True)
            scores = _train_part(part, weights, work, args.minutes)
            print(f"{part} done" + (f": {scores}" if scores else ""), flush=True)
    return 0


def _train_part(part: str, weights: Path, work: Path, minutes: float) -> dict | None:
    # each training has its own heavy imports
    if part == "tokenizer":
        from .vocabulary import write_tokenizer

        return {"tokens": write_tokenizer(weights / "tokenizer")}
    if part == "vae":
        from . import train_vae

        return train_vae.train(weights / "inpaint" / "vae", work)
    if part == "clip":
        from . import train_clip

        return train_clip.train(weights / "clip", work)
    if part == "dino":
        from . import train_dino

        return train_dino.train(weights / "dino", work)
    if part == "judge":
        from . import train_judge

        return train_judge.train(weights / "judge", work)
    from . import train_unet

    for need in ("tokenizer", "inpaint/vae"):
        if not (weights / need).is_dir():
            raise InputError(f"The UNet needs '{weights / need}', which is not there; train "
                             f"{need.rpartition('/')[2]} first.")
    train_unet.train(weights, work, minutes)
    return None


def scenes(args: argparse.Namespace) -> int:
    """The `scenes` command."""
    check_world(args)
    from PIL import Image

    from ..checks import check_writable
    from ..images import save_png
    from ..report import write_json
    from .worlds import held_out

    folder: Path = args.output_dir
    check_writable("output_dir", folder)
    edits, truth = {}, {}
    for index in range(args.scenes):
        scene, edit = held_out(args.seed, index, args.kind)
        name = f"{index:04d}.png"
        save_png(Image.fromarray(scene.image), folder / name)
        edits[name] = [edit.caption, edit.prompt]
        truth[name] = {"target": edit.target, "objects": [
            {"name": o.name, "box": list(o.box)} for o in scene.objects]}
    write_json(folder / "edits.json", edits)
    write_json(folder / "truth.json", truth)
    print(f"{args.scenes} scenes, edits.json and truth.json written to {folder}")
    return 0


def bench(args: argparse.Namespace) -> int:
    """The `bench` command."""
    check_world(args)
    args.methods = [m.strip() for m in args.methods.split(",") if m.strip()]
    if not args.methods:
        raise InputError("methods is empty; name at least one, such as standard.")
    if args.json is not None:
        from ..checks import check_writable

        check_writable("json", args.json.parent)
    from .bench import main as run_bench

    return run_bench(args) or 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    def command() -> int:
        args = build_parser().parse_args(argv)
        return {"train": train, "bench": bench, "scenes": scenes}[args.command](args)

    return guarded(command)


if __name__ == "__main__":
    sys.exit(main())
