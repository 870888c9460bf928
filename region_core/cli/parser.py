"""The options of the command line: what each is called, its type, its default, its help."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Container
from typing import Any, NoReturn

from .. import __version__
from ..errors import InputError
from ..settings import REMOVED, SETTINGS, SearchSettings, preset

DINO_MODEL = "facebook/dino-vitb8"
CLIP_MODEL, CLIP_PRETRAINED = "ViT-B-16", "openai"

LIST_ONLY: dict[str, str | None] = {"epochs": "N", "batch_size": "N", "num_workers": "N", "pin_mem": None}

DEMO_SEED = 9  # a picture on which all goes well


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are InputErrors: one sentence and no usage text before it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)  # a typo is no other option

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message} ('{self.prog} --help' lists the options)")


def add_settings(parser: argparse.ArgumentParser, *, all_of_them: bool = True) -> None:
    """Add `--preset` and an option for each setting; left out, a setting is the preset's."""
    parser.add_argument(
        "--preset",
        default="standard",
        metavar="NAME",
        help="fast, standard or quality: regions painted, anchors, largest window "
        "and rounds at once; paper: the published method (default: standard). The "
        "options below change single settings",
    )
    metavars = {int: "N", float: "X", str: "NAME"}
    for name, one in SETTINGS.items():
        if not one.option or not (all_of_them or name == "seed"):
            continue
        text = one.help().replace("%", "%%")
        if one.kind is bool:
            parser.add_argument(f"--{name}", action=argparse.BooleanOptionalAction, default=None, help=text)
            continue
        parser.add_argument(f"--{name}", type=one.kind, default=None, help=text, metavar=metavars[one.kind])
        for old in one.old_names:
            parser.add_argument(f"--{old}", type=one.kind, dest=name, action=_OldName, help=argparse.SUPPRESS)
    if all_of_them:
        for name, kind in REMOVED.items():
            options: dict[str, Any] = {"nargs": 0} if kind is bool else {"type": kind}
            names = [f"--{name}", *([f"--no-{name}"] if kind is bool else [])]
            parser.add_argument(*names, action=_Removed, dest=argparse.SUPPRESS, help=argparse.SUPPRESS, **options)


class _Removed(argparse.Action):
    """An option that there was once."""

    def __call__(
        self, _parser: argparse.ArgumentParser, _args: argparse.Namespace, _value: Any, option: str | None = None
    ) -> None:
        print(f"{option} does nothing any more; leave it out.", file=sys.stderr)


class _OldName(argparse.Action):
    """An option under a name it had before."""

    def __call__(
        self, _parser: argparse.ArgumentParser, args: argparse.Namespace, value: Any, option: str | None = None
    ) -> None:
        print(f"{option} is called --{self.dest} now.", file=sys.stderr)
        setattr(args, self.dest, value)


def given_settings(args: argparse.Namespace) -> dict[str, Any]:
    """The single settings that were given on the command line."""
    values = {name: getattr(args, name, None) for name in SETTINGS}
    return {name: value for name, value in values.items() if value is not None}


def suited(settings: SearchSettings, args: argparse.Namespace, given: Container[str]) -> SearchSettings:
    """Settings with the guidance that suits the embedded model, where it is the one that
    paints and it is not among the names `given`."""
    if args.models != "shapes" or args.diffusion_model_path is not None:
        return settings
    from ..demo.models import SUITED

    return settings.with_values(**{k: v for k, v in SUITED.items() if k not in given})


def settings_from(args: argparse.Namespace) -> SearchSettings:
    """The preset with what was given on the command line, checked."""
    given = given_settings(args)
    settings = preset(args.preset).with_values(**given)
    settings.validate()
    for name in given:
        if args.preset in SETTINGS[name].not_in:
            print(f"--{name} does nothing in preset {args.preset}.", file=sys.stderr)
    return settings


def _add_run(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--device", default=None, help="where the models run, such as cpu (default: an accelerator if there is one)"
    )
    parser.add_argument(
        "--dtype",
        default=None,
        metavar="TYPE",
        help="number type of the inpainting model: float32, float16 or bfloat16 "
        "(default: float32 on a CPU and with --models shapes, else float16)",
    )
    parser.add_argument("--quiet", action="store_true", help="show no progress bar")


def _add_edit(commands: argparse._SubParsersAction) -> None:
    edit = commands.add_parser(
        "edit", help="edit one picture", description="Find the region to change, edit it, write the results."
    )
    needed = edit.add_argument_group("the edit")
    needed.add_argument("--image_file_path", required=True, metavar="FILE", help="picture to edit")
    needed.add_argument("--image_caption", required=True, metavar="TEXT", help="what is in the picture now")
    needed.add_argument("--editing_prompt", required=True, metavar="TEXT", help="what should be there")
    _add_shared(needed)
    _add_models(edit.add_argument_group("models"))
    learning = edit.add_argument_group("the region generator")
    _add_checkpoints(learning)
    running = edit.add_argument_group("running")
    _add_run(running)
    for name, metavar in LIST_ONLY.items():  # guides have them on every command line
        action: Any = argparse.BooleanOptionalAction if metavar is None else "store"
        more = {} if metavar is None else {"type": int, "metavar": metavar}
        running.add_argument(
            f"--{name}", action=action, default=None, **more, help="of the command batch; does nothing for one picture"
        )
    add_settings(edit.add_argument_group("settings"))  # type: ignore[arg-type]


def _add_batch(commands: argparse._SubParsersAction) -> None:
    batch = commands.add_parser(
        "batch",
        help="edit a list of pictures",
        description="Edit a list of pictures, in one process or, started by torchrun, in several. "
        "Stopped at any time, the same command goes on; what is finished is not done again.",
    )
    needed = batch.add_argument_group("the list")
    needed.add_argument("--image_dir_path", required=True, metavar="DIR", help="folder of the pictures")
    needed.add_argument(
        "--json_file",
        required=True,
        metavar="FILE",
        help='what to edit: {"1.png": ["what is there", "what should be there"]}, '
        "or a list of objects with image, image_caption, editing_prompt and, where "
        "an edit differs, name, negative_prompt, preset, seed or any setting",
    )
    _add_shared(needed)
    _add_models(batch.add_argument_group("models"))
    learning = batch.add_argument_group(
        "the region generator",
        "By default each picture has one of its own. With --epochs or --save_path all pictures teach one together.",
    )
    _add_checkpoints(learning)
    learning.add_argument(
        "--epochs",
        type=int,
        default=None,
        metavar="N",
        help="passes over the list with one shared generator (default: 1)",
    )
    learning.add_argument(
        "--batch_size",
        type=int,
        default=8,
        metavar="N",
        help="pictures between two updates of the shared generator, by however "
        "many processes (default: 8); no fewer than there are processes, or some "
        "wait. Nothing else hangs on it: a process edits one picture at a time",
    )
    learning.add_argument(
        "--ckpt_interval",
        type=int,
        default=0,
        metavar="N",
        help="also keep the shared generator after every N updates, beside save_path (default: 0, only the last)",
    )
    running = batch.add_argument_group("running")
    _add_run(running)
    running.add_argument(
        "--num_workers",
        type=int,
        default=8,
        metavar="N",
        help="processes that read pictures ahead, for each process that edits; no "
        "more than there are cores (default: 8; 0 reads when a picture's turn "
        "comes)",
    )
    running.add_argument(
        "--pin_mem",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="with a device other than the CPU, read pictures into page-locked "
        "memory; a picture is copied once more before the models see it, so it "
        "saves little (default: on)",
    )
    running.add_argument(
        "--threads",
        type=int,
        default=None,
        metavar="N",
        help="CPU threads of each process, where models run on the CPU (default: "
        "1, and several processes for several cores; another number may change "
        "the last digits of a score)",
    )
    add_settings(batch.add_argument_group("settings"))  # type: ignore[arg-type]


def _add_shared(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--negative_prompt", default="", metavar="TEXT", help="what the edit should not show")
    group.add_argument("--output_dir", required=True, metavar="DIR", help="where results go")
    group.add_argument(
        "--draw_box", action="store_true", help="also write the source with the boxes drawn, under output_dir/boxes/"
    )


def _add_models(models: argparse._ArgumentGroup) -> None:
    models.add_argument(
        "--models",
        default=None,
        metavar="NAME",
        help="shapes: the small embedded models, no download, for whatever model is not named here",
    )
    models.add_argument(
        "--diffusion_model_path",
        default=None,
        metavar="MODEL",
        help="inpainting model: a hub id, a diffusers folder or a .safetensors "
        "file (default: sd2-community/stable-diffusion-2-inpainting)",
    )
    models.add_argument(
        "--clip_model",
        default=None,
        metavar="NAME",
        help=f"open_clip model (default: {CLIP_MODEL}) or local-dir:FOLDER",
    )
    models.add_argument(
        "--clip_pretrained",
        default=None,
        metavar="NAME",
        help=f"its weights, a tag or a file (default: {CLIP_PRETRAINED})",
    )
    models.add_argument(
        "--dino_model", default=None, metavar="MODEL", help=f"DINO ViT: a hub id or a folder (default: {DINO_MODEL})"
    )


def _add_checkpoints(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--load_checkpoint_path",
        default=None,
        metavar="FILE",
        help="start from a saved region generator: a file, or a folder with generator.safetensors",
    )
    group.add_argument(
        "--save_path",
        default=None,
        metavar="PATH",
        help="save the learned region generator: a .safetensors file, or a folder that gets generator.safetensors",
    )


def build_parser() -> Parser:
    """The parser of `python -m region_core`."""
    parser = Parser(
        prog="python -m region_core",
        description="Edit a picture from text alone: the region to change is found, no mask is drawn.",
    )
    parser.add_argument("--version", action="version", version=f"region_core {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    demo = commands.add_parser(
        "demo",
        help="edit a made-up picture with the embedded models",
        description="Make a picture of coloured shapes, ask for another "
        "shape in the place of one, and show what was found and made.",
    )
    demo.add_argument("--output_dir", default="demo", metavar="DIR", help="where results go (default: demo)")
    _add_run(demo)
    add_settings(demo, all_of_them=False)
    demo.set_defaults(seed=DEMO_SEED)
    _add_edit(commands)
    _add_batch(commands)
    verify = commands.add_parser(
        "verify",
        help="are the right regions found on photographs?",
        description="Find what captions name in a dozen photographs that other packages ship "
        "(scikit-image, scikit-learn, matplotlib, gradio), and compare with boxes measured by eye.",
    )
    verify.add_argument(
        "--output_dir", default="verify", metavar="DIR", help="where sheet.png and report.json go (default: verify)"
    )
    verify.add_argument(
        "--only",
        default="",
        metavar="LIST",
        help="only these photographs, by name with commas between, such as coffee,rocket",
    )
    verify.add_argument(
        "--paint", action="store_true", help="also edit each photograph; without it no diffusion model is loaded"
    )
    _add_models(verify.add_argument_group("models"))
    _add_run(verify.add_argument_group("running"))
    add_settings(verify, all_of_them=False)
    return parser
