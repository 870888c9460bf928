"""The options of the command line: what each is called, its type, its default, its help, see `options.json`."""

from __future__ import annotations

import argparse
import json
import re
import sys
from importlib.resources import files
from typing import Any, NoReturn

from .. import __version__
from ..errors import InputError
from ..settings import REMOVED, SETTINGS, SearchSettings, preset

# `options` as argparse takes them; of each of the `commands` the names in its groups ("settings" for all of these),
# what is said there `instead`, and defaults of what is no option there
_TEXTS: dict[str, Any] = json.loads(files(__package__).joinpath("options.json").read_text(encoding="utf-8"))
_METAVARS = {int: "N", float: "X", str: "NAME"}


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are InputErrors: one sentence and no usage text before it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)  # a typo is no other option

    def parse_args(self, *args: Any, **options: Any) -> Any:
        """As argparse's own, which before Python 3.13 makes nothing of the value in `--option=--`."""
        given = args[0] if args else options.get("args")
        for one in sys.argv[1:] if given is None else given:
            if re.fullmatch(r"--\w+=--", one):
                self.error(f"argument {one[:-3]}: expected another value than '--'")
        return super().parse_args(*args, **options)

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message} ('{self.prog} --help' lists the options)")


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


def suited(args: argparse.Namespace) -> dict[str, Any]:
    """The settings that suit the embedded model, where it is the one that paints."""
    if args.models != "shapes" or args.diffusion_model_path is not None:
        return {}
    from ..demo.models import SUITED

    return SUITED


def settings_from(args: argparse.Namespace) -> SearchSettings:
    """The preset with what suits the models and, before that, what was given on the command line; checked."""
    given = given_settings(args)
    settings = preset(args.preset).with_values(**{**suited(args), **given})
    settings.validate()
    for name in given:
        if args.preset in SETTINGS[name].not_in:
            print(f"--{name} does nothing in preset {args.preset}.", file=sys.stderr)
    return settings


def build_parser() -> Parser:
    """The parser of `python -m region_core`."""
    parser = Parser(prog="python -m region_core", description=_TEXTS["description"])
    parser.add_argument("--version", action="version", version=f"region_core {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, texts in _TEXTS["commands"].items():
        command = commands.add_parser(name, help=texts["help"], description=texts["description"])
        for title, names in texts["groups"].items():
            about = texts.get("of_groups", {}).get(title)
            group = command.add_argument_group(title, about) if title else command
            for option in names.split():
                if option == "settings":
                    _add_settings(group)
                elif option in SETTINGS:
                    _add_setting(group, option)
                else:
                    _add_option(group, option, texts.get("instead", {}).get(option, {}))
        command.set_defaults(**texts.get("defaults", {}))
    return parser


def _add_option(group: argparse._ActionsContainer, name: str, instead: dict[str, Any]) -> None:
    described = {**_TEXTS["options"][name], **instead}
    if described.pop("switch", False):
        described["action"] = argparse.BooleanOptionalAction
    elif described.get("metavar") == "N":
        described["type"] = int
    group.add_argument(f"--{name}", **described)


def _add_settings(group: argparse._ActionsContainer) -> None:
    """An option for each setting, and those that there were once."""
    for name, one in SETTINGS.items():
        if one.option:
            _add_setting(group, name)
    for name, kind in REMOVED.items():
        names = [f"--{name}", f"--no-{name}"] if kind is bool else [f"--{name}"]
        value: dict[str, Any] = {"nargs": 0} if kind is bool else {"type": kind}
        group.add_argument(*names, action=_Removed, dest=argparse.SUPPRESS, help=argparse.SUPPRESS, **value)


def _add_setting(group: argparse._ActionsContainer, name: str) -> None:
    """An option for a setting; left out, it is the preset's."""
    one = SETTINGS[name]
    text = one.help().replace("%", "%%")
    group.add_argument(f"--{name}", type=one.kind, help=text, metavar=_METAVARS[one.kind])
    for old in one.old_names:
        group.add_argument(f"--{old}", type=one.kind, dest=name, action=_OldName, help=argparse.SUPPRESS)
