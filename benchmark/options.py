"""The options of `python -m benchmark`."""

from __future__ import annotations

import argparse
from pathlib import Path

from region_core.cli.parser import Parser
from region_core.demo.scenes import KINDS
from region_core.settings import PRESETS
from region_core.settings.search import PREVIEWS

from .worlds import WEIGHTS

PARTS = ("tokenizer", "vae", "clip", "dino", "judge", "unet")
WORLD_PARTS = ("things-conv", "things-dino", "things-vit")  # not of what is embedded


def build_parser() -> Parser:
    """The parser of `python -m benchmark`."""
    parser = Parser(prog="python -m benchmark", description="A small world of coloured shapes with the truth known.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    train = commands.add_parser(
        "train",
        help="train all models from scratch, or go on",
        description="Train all models of the shapes world one after the "
        "other. Stopped at any time, the same command goes on.",
    )
    train.add_argument(
        "--work_dir",
        type=Path,
        default=Path("work"),
        metavar="DIR",
        help="scenes and unfinished trainings (default: work)",
    )
    train.add_argument(
        "--output_dir",
        type=Path,
        default=None,
        metavar="DIR",
        help="where the weights go (default: weights in the work_dir); the embedded "
        "ones are in region_core/demo/weights",
    )
    train.add_argument(
        "--minutes",
        type=float,
        default=180.0,
        metavar="X",
        help="for the inpainting UNet, over all runs together (default: 180)",
    )
    train.add_argument(
        "--parts",
        default=",".join(PARTS),
        metavar="LIST",
        help=f"which models (default: {','.join(PARTS)}); also {', '.join(WORLD_PARTS)}",
    )

    bench = commands.add_parser(
        "run",
        help="measure methods on fresh scenes of a world",
        description="Edit the same fresh scenes with each method and "
        "compare with the truth. With a --json FILE that is there already "
        "the run goes on: what was measured is not measured again.",
    )
    bench.add_argument(
        "--world",
        default="shapes",
        metavar="NAME",
        help="shapes, painted by a small diffusion model, or things on photographs, painted "
        "without fault (default: shapes)",
    )
    bench.add_argument(
        "--clip",
        default="",
        metavar="LIST",
        help="conv, vit or bent:NAME, trained by python -m benchmark train and bent by "
        "python -m benchmark bend; for shapes also demo, the embedded one (default: demo "
        "for shapes, conv for things)",
    )
    bench.add_argument(
        "--weights",
        type=Path,
        default=WEIGHTS,
        metavar="DIR",
        help="where WORLD-CLIP and WORLD-dino are (default: benchmark/weights)",
    )
    bench.add_argument(
        "--painter", default="", metavar="NAME", help="faultless: shapes too are painted without diffusion"
    )
    bench.add_argument("--scenes", type=int, required=True, metavar="N", help="how many of each kind")
    bench.add_argument(
        "--seed", type=int, required=True, metavar="S", help="which scenes; the same seed gives the same ones"
    )
    bench.add_argument(
        "--kind",
        default="",
        metavar="LIST",
        help="of shapes replace, recolour, remove, add, absent; of things plain, tiny, huge, "
        "long, wide, border, two, many, absent (default: the first)",
    )
    bench.add_argument(
        "--methods",
        default="standard,random",
        metavar="LIST",
        help="names separated by commas; the first is compared with each other one (default: standard,random)",
    )
    bench.add_argument(
        "--ablate", action="store_true", help="also the standard search without each of its parts, or with one more"
    )
    bench.add_argument(
        "--limits",
        default="",
        metavar="LIST",
        help="dear methods on the first scenes only, such as exhaustive=50,paper=100",
    )
    bench.add_argument(
        "--first",
        type=int,
        default=0,
        metavar="I",
        help="number of the first scene, to share a seed between runs (default: 0)",
    )
    bench.add_argument("--json", type=Path, default=None, metavar="FILE", help="the numbers, scene by scene")
    bench.add_argument(
        "--redo", default="", metavar="LIST", help="methods whose rows in the --json FILE are measured again"
    )
    bench.add_argument("--markdown", type=Path, default=None, metavar="FILE", help="also write the tables here")
    bench.add_argument(
        "--sheets",
        type=Path,
        default=None,
        metavar="DIR",
        help="keep every edit, and write sheets of wins and failures of each method",
    )
    bench.add_argument(
        "--curve",
        type=Path,
        default=None,
        metavar="FILE",
        help="a picture of success, or hits, against the whole cost (PNG)",
    )

    cost = commands.add_parser(
        "cost",
        help="evaluations, seconds and memory against work",
        description="One edit at 1, 2, 4 and 8 times the anchors, windows, "
        "regions, previews and the picture's side, each in a process of its own.",
    )
    cost.add_argument(
        "--axes",
        default="anchors,windows,regions,previews,side",
        metavar="LIST",
        help="which (default: anchors,windows,regions,previews,side)",
    )
    cost.add_argument("--factors", default="1,2,4,8", metavar="LIST", help="default: 1,2,4,8")
    cost.add_argument("--seed", type=int, default=7, metavar="S", help="of the scene (default: 7)")
    cost.add_argument("--json", type=Path, default=None, metavar="FILE", help="the numbers")

    currency = commands.add_parser(
        "currency",
        help="what one pass of each full-size model costs",
        description="Builds the full-size models without weights and counts the "
        "operations of one pass: the prices of region_core/cost.py.",
    )
    currency.add_argument("--seconds", action="store_true", help="also run each pass on this CPU, by the clock")

    bend = commands.add_parser(
        "bend",
        help="write a CLIP of another scale of cosines",
        description="Copies a folder of open_clip weights so that its cosines "
        "have given moments: every cosine becomes the same increasing straight "
        "line of what it was.",
    )
    bend.add_argument("folder", type=Path, metavar="FOLDER", help="the weights")
    bend.add_argument("out", type=Path, metavar="OUT", help="where the bent ones go")
    bend.add_argument(
        "--moments",
        default="vit-b-16",
        metavar="NAME",
        help="vit-b-16, two-thirds or about-zero, or two mean cosines, with its own and with "
        "another's caption: 0.31,0.162 (default: vit-b-16)",
    )
    bend.add_argument(
        "--world",
        default="things",
        metavar="NAME",
        help="things or shapes, whose pictures the weights are for (default: things)",
    )

    table = commands.add_parser(
        "settings",
        help="does every setting do something?",
        description="Changes each setting alone in each preset, on a few scenes of "
        "shapes, and tells what became different.",
    )
    table.add_argument("--scenes", type=int, default=3, metavar="N", help="how many (default: 3)")
    table.add_argument("--seed", type=int, default=7, metavar="S", help="which scenes (default: 7)")
    table.add_argument("--clip", default="demo", metavar="NAME", help="as of run (default: demo)")
    table.add_argument("--steps", type=int, default=6, metavar="N", help="sampling steps of the edits (default: 6)")
    table.add_argument(
        "--previews", default="auto", choices=PREVIEWS, help="what the unchanged edits have (default: auto)"
    )
    table.add_argument("--presets", nargs="+", default=list(PRESETS), metavar="NAME", help="which (default: all)")
    table.add_argument("--names", nargs="+", default=None, metavar="NAME", help="only these settings (default: all)")

    borders = commands.add_parser(
        "borders",
        help="is a seam seen, and does anything of the old thing remain?",
        description="Edits scenes of shapes where the search finds the region, with several widths of growth "
        "and fade, and reads the borders.",
    )
    borders.add_argument("--scenes", type=int, default=50, metavar="N", help="how many (default: 50)")
    borders.add_argument("--seed", type=int, default=7, metavar="S", help="which scenes (default: 7)")
    borders.add_argument("--kind", default="replace", metavar="NAME", help="replace, recolour or remove")
    borders.add_argument("--side", type=int, default=128, metavar="N", help="enlarge pictures to this (default: 128)")
    borders.add_argument("--sheet", type=Path, default=None, metavar="FILE", help="a picture of all edits (PNG)")

    learn = commands.add_parser(
        "learn",
        help="what is learning from previews worth?",
        description="The same scenes edited with no previews, with those that the rule asks for and with one in "
        "every round, and from a generator that other scenes have taught.",
    )
    learn.add_argument("--world", default="things", metavar="NAME", help="as of run (default: things)")
    learn.add_argument("--clip", default="conv", metavar="NAME", help="as of run (default: conv)")
    learn.add_argument("--weights", type=Path, default=WEIGHTS, metavar="DIR", help="as of run")
    learn.add_argument("--painter", default="", metavar="NAME", help="as of run")
    learn.add_argument("--kind", default="", metavar="LIST", help="as of run, not absent (default: the first)")
    learn.add_argument("--scenes", type=int, required=True, metavar="N", help="how many of each kind")
    learn.add_argument("--teach", type=int, default=0, metavar="N", help="how many other scenes teach (default: 0)")
    learn.add_argument(
        "--arms",
        type=lambda text: [part.strip() for part in text.split(";") if part.strip()],
        default=[],
        metavar="LIST",
        help="which of never; auto; always; never, taught; auto, taught, with ; between them (default: all)",
    )
    learn.add_argument(
        "--seed", type=int, required=True, metavar="S", help="which scenes; the teaching ones are S + 1's"
    )
    learn.add_argument("--json", type=Path, default=None, metavar="FILE", help="the numbers, scene by scene")

    rank = commands.add_parser(
        "rank",
        help="does a cheap look rank boxes as the full edit does?",
        description="Spearman's rank correlation of the candidates' losses after "
        "few sampling steps with those after all, scene by scene.",
    )
    rank.add_argument("--scenes", type=int, default=12, metavar="N", help="how many (default: 12)")
    rank.add_argument("--seed", type=int, required=True, metavar="S", help="which scenes")
    rank.add_argument(
        "--candidates", type=int, default=24, metavar="K", help="how many of a scene's candidates (default: 24)"
    )
    rank.add_argument("--json", type=Path, default=None, metavar="FILE", help="the numbers")

    scenes = commands.add_parser(
        "scenes",
        help="write held-out scenes as pictures",
        description="Write pictures, edits.json (picture -> [caption, "
        "prompt]) and truth.json (all boxes, the target's index).",
    )
    _add_world(scenes)
    scenes.add_argument("--output_dir", type=Path, required=True, metavar="DIR", help="where they go")
    return parser


def _add_world(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--scenes", type=int, required=True, metavar="N", help="how many scenes")
    parser.add_argument(
        "--seed", type=int, required=True, metavar="S", help="which scenes; the same seed gives the same ones"
    )
    parser.add_argument(
        "--kind", default="replace", metavar="NAME", help=f"what is asked for: {', '.join(KINDS)} (default: replace)"
    )
