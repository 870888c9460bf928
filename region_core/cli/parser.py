"""The options of the command line: what each is called, its type, its default, its help."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Container
from importlib.resources import files
from typing import Any, NoReturn

from .. import __version__
from ..errors import InputError
from ..settings import REMOVED, SETTINGS, SearchSettings, preset

DINO_MODEL = "facebook/dino-vitb8"
CLIP_MODEL, CLIP_PRETRAINED = "ViT-B-16", "openai"

LIST_ONLY: dict[str, str | None] = {"epochs": "N", "batch_size": "N", "num_workers": "N", "pin_mem": None}

DEMO_SEED = 9  # a picture on which all goes well

# help by an option's name, of commands (short, long) and of what is said elsewhere
_HELP: dict[str, Any] = json.loads(files(__package__).joinpath("options.json").read_text(encoding="utf-8"))
_SWITCH: dict[str, Any] = {"action": argparse.BooleanOptionalAction, "default": None}


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are InputErrors: one sentence and no usage text before it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)  # a typo is no other option

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message} ('{self.prog} --help' lists the options)")


def add_settings(parser: argparse._ActionsContainer, *, all_of_them: bool = True) -> None:
    """Add `--preset` and an option for each setting; left out, a setting is the preset's."""
    _options(parser, preset={"default": "standard", "metavar": "NAME"})
    metavars = {int: "N", float: "X", str: "NAME"}
    for name, one in SETTINGS.items():
        if not one.option or not (all_of_them or name == "seed"):
            continue
        text = one.help().replace("%", "%%")
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


def _options(group: argparse._ActionsContainer, **options: dict[str, Any]) -> None:
    """Add options by name, each with its help from `options.json`."""
    for name, more in options.items():
        group.add_argument(f"--{name}", **{"help": _HELP[name], **more})


def _add_run(parser: argparse._ActionsContainer) -> None:
    _options(parser, device={}, dtype={"metavar": "TYPE"}, quiet={"action": "store_true"})


def _add_shared(group: argparse._ArgumentGroup) -> None:
    _options(
        group,
        negative_prompt={"default": "", "metavar": "TEXT"},
        output_dir={"required": True, "metavar": "DIR"},
        draw_box={"action": "store_true"},
    )


def _add_models(models: argparse._ArgumentGroup) -> None:
    names = {"models": "NAME", "diffusion_model_path": "MODEL", "clip_model": "NAME"}
    names |= {"clip_pretrained": "NAME", "dino_model": "MODEL"}
    for name, metavar in names.items():
        told = _HELP[name].format(CLIP_MODEL, CLIP_PRETRAINED, DINO_MODEL)
        _options(models, **{name: {"metavar": metavar, "help": told}})


def _add_checkpoints(group: argparse._ArgumentGroup) -> None:
    _options(group, load_checkpoint_path={"metavar": "FILE"}, save_path={"metavar": "PATH"})


def _add_edit(edit: argparse.ArgumentParser) -> None:
    needed = edit.add_argument_group("the edit")
    _options(
        needed,
        image_file_path={"required": True, "metavar": "FILE"},
        image_caption={"required": True, "metavar": "TEXT"},
        editing_prompt={"required": True, "metavar": "TEXT"},
    )
    _add_shared(needed)
    _add_models(edit.add_argument_group("models"))
    _add_checkpoints(edit.add_argument_group("the region generator"))
    running = edit.add_argument_group("running")
    _add_run(running)
    for name, metavar in LIST_ONLY.items():  # guides have them on every command line
        more = _SWITCH if metavar is None else {"type": int, "metavar": metavar}
        _options(running, **{name: {**more, "help": _HELP["list_only"]}})
    add_settings(edit.add_argument_group("settings"))


def _add_batch(batch: argparse.ArgumentParser) -> None:
    needed = batch.add_argument_group("the list")
    _options(
        needed, image_dir_path={"required": True, "metavar": "DIR"}, json_file={"required": True, "metavar": "FILE"}
    )
    _add_shared(needed)
    _add_models(batch.add_argument_group("models"))
    learning = batch.add_argument_group("the region generator", _HELP["shared_generator"])
    _add_checkpoints(learning)
    number = {"type": int, "metavar": "N"}
    _options(learning, epochs=number, batch_size={**number, "default": 8}, ckpt_interval={**number, "default": 0})
    running = batch.add_argument_group("running")
    _add_run(running)
    _options(running, num_workers={**number, "default": 8}, pin_mem={**_SWITCH, "default": True}, threads=number)
    add_settings(batch.add_argument_group("settings"))


def _add_demo(demo: argparse.ArgumentParser) -> None:
    _options(demo, output_dir={"default": "demo", "metavar": "DIR", "help": _HELP["demo_output_dir"]})
    _add_run(demo)
    add_settings(demo, all_of_them=False)
    demo.set_defaults(seed=DEMO_SEED)


def _add_verify(verify: argparse.ArgumentParser) -> None:
    _options(
        verify,
        output_dir={"default": "verify", "metavar": "DIR", "help": _HELP["verify_output_dir"]},
        only={"default": "", "metavar": "LIST"},
        paint={"action": "store_true"},
    )
    _add_models(verify.add_argument_group("models"))
    _add_run(verify.add_argument_group("running"))
    add_settings(verify, all_of_them=False)


def build_parser() -> Parser:
    """The parser of `python -m region_core`."""
    parser = Parser(prog="python -m region_core", description=_HELP["region_core"])
    parser.add_argument("--version", action="version", version=f"region_core {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, add in (("demo", _add_demo), ("edit", _add_edit), ("batch", _add_batch), ("verify", _add_verify)):
        short, long = _HELP[f"command {name}"]
        add(commands.add_parser(name, help=short, description=long))
    return parser
