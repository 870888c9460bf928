"""The options of the command line: each described once, and the commands that take them.

A setting's option is made from its description in `region_core.settings`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import click

from .. import __version__
from ..errors import InputError
from ..settings import REMOVED, SETTINGS, EditSettings, preset

PROGRAM = "python -m region_core"

# what click.Option takes; `show_default` says what is done where an option has no value
OPTIONS: dict[str, dict[str, Any]] = {
    "image_file_path": {"metavar": "FILE", "required": True, "help": "picture to edit"},
    "image_caption": {"metavar": "TEXT", "required": True, "help": "what is in the picture now"},
    "editing_prompt": {"metavar": "TEXT", "required": True, "help": "what should be there"},
    "negative_prompt": {"metavar": "TEXT", "default": "", "help": "what the edit should not show"},
    "image_dir_path": {"metavar": "DIR", "required": True, "help": "folder of the pictures"},
    "json_file": {
        "metavar": "FILE",
        "required": True,
        "help": 'what to edit: {"1.png": ["what is there", "what should be there"]}, or a list of objects with image, '
        "image_caption, editing_prompt and, where an edit differs, name, negative_prompt, preset, seed or any setting",
    },
    "output_dir": {"metavar": "DIR", "required": True, "help": "where results go"},
    "draw_box": {"is_flag": True, "help": "also write the source with the boxes drawn, under output_dir/boxes/"},
    "pick": {"metavar": "N", "type": int, "help": "take the N-th of the regions that were found, 1 the likeliest"},
    "regions": {
        "metavar": "DIR",
        "help": "take the regions that find or edit left in this folder, and search nothing; they must be of the same "
        "picture and caption",
    },
    "out": {"metavar": "DIR", "help": "where mask, heat map, sheet and regions go; without it they are only told"},
    "json": {"is_flag": True, "help": "print what was found as JSON"},
    "models": {
        "metavar": "NAME",
        "help": "shapes: the small embedded models, no download, for whatever model is not named here",
    },
    "diffusion_model_path": {
        "metavar": "MODEL",
        "show_default": "sd2-community/stable-diffusion-2-inpainting",
        "help": "inpainting model: a hub id, a diffusers folder or a .safetensors file",
    },
    "clip_model": {"metavar": "NAME", "show_default": "ViT-B-16", "help": "open_clip model or local-dir:FOLDER"},
    "clip_pretrained": {"metavar": "NAME", "show_default": "openai", "help": "its weights, a tag or a file"},
    "dino_model": {"metavar": "MODEL", "show_default": "facebook/dino-vitb8", "help": "DINO ViT: a hub id or a folder"},
    "load_checkpoint_path": {
        "metavar": "FILE",
        "help": "with --preset paper: start from a saved region generator, a file, or a folder with "
        "generator.safetensors",
    },
    "save_path": {
        "metavar": "PATH",
        "help": "with --preset paper: save the learned region generator, as a .safetensors file, or in a folder as "
        "generator.safetensors",
    },
    "epochs": {
        "metavar": "N",
        "type": int,
        "show_default": "1",
        "help": "passes over the list with one shared generator",
    },
    "batch_size": {
        "metavar": "N",
        "type": int,
        "default": 8,
        "help": "pictures between two updates of the shared generator, by however many processes; no fewer than there "
        "are processes, or some wait. Nothing else hangs on it: a process edits one picture at a time",
    },
    "ckpt_interval": {
        "metavar": "N",
        "type": int,
        "default": 0,
        "show_default": "0, only the last",
        "help": "also keep the shared generator after every N updates, beside save_path",
    },
    "device": {
        "metavar": "NAME",
        "show_default": "an accelerator if there is one",
        "help": "where the models run, such as cpu",
    },
    "dtype": {
        "metavar": "TYPE",
        "show_default": "float32 on a CPU and with --models shapes, else float16",
        "help": "number type of the inpainting model: float32, float16 or bfloat16",
    },
    "quiet": {"is_flag": True, "help": "show no progress bar"},
    "num_workers": {
        "metavar": "N",
        "type": int,
        "default": 8,
        "help": "pictures that are read ahead, for each process; no more than there are cores; 0 reads when a "
        "picture's turn comes",
    },
    "pin_mem": {
        "default": True,
        "show_default": "on",
        "help": "with a device other than the CPU, read pictures into page-locked memory; it saves little",
    },
    "threads": {
        "metavar": "N",
        "type": int,
        "show_default": "1, and several processes for several cores; another number may change the last digits of a "
        "score",
        "help": "CPU threads of each process, where models run on the CPU",
    },
    "preset": {
        "metavar": "NAME",
        "default": "standard",
        "help": "fast, standard or quality: one, two or three regions are painted, to choose from; paper: the "
        "published method, which paints however small a region is, and also where nothing answers to the caption. "
        "The settings below change single values",
    },
}

_ENCODERS = "models clip_model clip_pretrained dino_model"
_MODELS = f"{_ENCODERS} diffusion_model_path"
_EDIT_SETTINGS = " ".join(name for name, one in SETTINGS.items() if one.option)
_FIND_SETTINGS = " ".join(name for name, one in SETTINGS.items() if "find" in one.stages)

# of each command: what it does, its options by heading, what is said `instead` of what is in OPTIONS, what is no option
# but `known` of it
COMMANDS: dict[str, dict[str, Any]] = {
    "demo": {
        "help": "Edit a made-up picture with the embedded models: one of a few coloured shapes is to become another, "
        "and what was found is shown beside the truth.",
        "headings": {"Options": "output_dir device dtype quiet preset seed"},
        "instead": {"output_dir": {"required": False, "default": "demo"}, "seed": {"default": 9, "show_default": True}},
        "known": {"models": "shapes"},
    },
    "find": {
        "help": "Find what captions name in a PICTURE, and paint nothing: each one's regions, best first, with its "
        "box, mask and heat map. The picture is encoded once.",
        "headings": {"Options": "out pick json", "Models": f"{_ENCODERS} device", "Settings": _FIND_SETTINGS},
        "instead": {"pick": {"default": 1, "help": "the region whose mask and box are shown, 1 the likeliest"}},
    },
    "edit": {
        "help": "Edit one picture: find the region, paint it, write the results.",
        "headings": {
            "The edit": "image_file_path image_caption editing_prompt negative_prompt output_dir draw_box pick regions",
            "Models": _MODELS,
            "The region generator": "load_checkpoint_path save_path",
            "Running": "device dtype quiet",
            "Settings": f"preset {_EDIT_SETTINGS}",
        },
        "ignored": "epochs batch_size num_workers pin_mem",  # guides have them on every command line
    },
    "batch": {
        "help": "Edit a list of pictures, in one process or, started by torchrun, in several. Stopped at any time, the "
        "same command goes on; what is finished is not done again.",
        "headings": {
            "The list": "image_dir_path json_file negative_prompt output_dir draw_box",
            "Models": _MODELS,
            "The region generator": "load_checkpoint_path save_path epochs batch_size ckpt_interval",
            "Running": "device dtype quiet num_workers pin_mem threads",
            "Settings": f"preset {_EDIT_SETTINGS}",
        },
    },
}


class Command(click.Command):
    """A command whose help has its options under headings."""

    def __init__(self, name: str, headings: dict[str, list[click.Option]], **more: Any) -> None:
        super().__init__(name, **more)
        self.headings = headings

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """As click's, heading by heading."""
        for heading, options in self.headings.items():
            with formatter.section(heading):
                formatter.write_dl([record for one in options if (record := one.get_help_record(ctx))])


def parse(argv: Sequence[str] | None) -> SimpleNamespace | None:
    """What the command line asks for: its `command`, and a value for each known option, None where it has none. None
    where only help was asked for; raises InputError for what cannot be understood."""
    try:
        asked = program().main(
            None if argv is None else list(argv), PROGRAM, standalone_mode=False, windows_expand_args=False
        )
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else PROGRAM
        raise InputError(f"{error.format_message().rstrip('.')} ('{where} --help' lists the options).") from None
    return asked if isinstance(asked, SimpleNamespace) else None


def program() -> click.Group:
    """`python -m region_core` with all its commands."""
    group = click.Group(
        "region_core",
        help="Edit a picture from text alone: the region to change is found, no mask is drawn.",
        no_args_is_help=False,
    )
    click.version_option(__version__, prog_name="region_core")(group)
    for name, texts in COMMANDS.items():
        group.add_command(_command(name, texts))
    return group


def _command(name: str, texts: dict[str, Any]) -> Command:
    headings = {
        heading: [_option(one, texts.get("instead", {}).get(one, {})) for one in names.split()]
        for heading, names in texts["headings"].items()
    }
    params: list[click.Parameter] = [one for options in headings.values() for one in options]
    mine = {one.name for one in params}
    old_names = {old: one.name for one in SETTINGS.values() for old in one.old_names if one.name in mine}
    for old, current in old_names.items():
        params.append(click.Option([f"--{old}"], type=SETTINGS[current].kind, hidden=True))
    if "Settings" in headings:
        params += [_gone(one, kind, "does nothing any more; leave it out") for one, kind in REMOVED.items()]
    for one in texts.get("ignored", "").split():
        kind = bool if one == "pin_mem" else int
        params.append(_gone(one, kind, "does nothing for one picture; a list is edited by the command batch"))
    if name == "find":
        params.insert(0, click.Argument(["captions"], metavar="CAPTION...", nargs=-1, required=True))
        params.insert(0, click.Argument(["picture"], metavar="PICTURE"))

    def asked(**values: Any) -> SimpleNamespace:
        for old, current in old_names.items():
            if (value := values.pop(old)) is not None:
                print(f"--{old} is called --{current} now.", file=sys.stderr)
                values[current] = value
        return SimpleNamespace(**{**dict.fromkeys(OPTIONS), **texts.get("known", {}), **values, "command": name})

    return Command(name, headings, params=params, callback=asked, help=texts["help"])


def _option(name: str, instead: dict[str, Any]) -> click.Option:
    if name in SETTINGS:
        one = SETTINGS[name]
        metavar = {int: "N", float: "X", str: "NAME"}[one.kind]
        text = f"with --preset paper: {one.en}" if one.only_paper else one.en
        described: dict[str, Any] = {"type": one.kind, "metavar": metavar, "help": text}
        described["show_default"] = one.values_by_preset() or str(one.default)
    else:
        described = {"show_default": True, **OPTIONS[name]}
    switch = f"--{name}/--no-{name}" if name == "pin_mem" else f"--{name}"
    return click.Option([switch], **{**described, **instead})


def _gone(name: str, kind: type, why: str) -> click.Option:
    """An option that is read and does nothing."""

    def told(_ctx: click.Context, _param: click.Parameter, value: Any) -> None:
        if value is not None:
            print(f"--{name} {why}.", file=sys.stderr)

    switch = f"--{name}/--no-{name}" if kind is bool else f"--{name}"
    return click.Option([switch], type=kind, default=None, hidden=True, expose_value=False, callback=told)


def given_settings(asked: SimpleNamespace) -> dict[str, Any]:
    """The single settings that were given on the command line."""
    values = {name: getattr(asked, name, None) for name in SETTINGS}
    return {name: value for name, value in values.items() if value is not None}


def suited(asked: SimpleNamespace) -> dict[str, Any]:
    """The settings that suit the embedded model, where it is the one that paints."""
    if asked.models != "shapes" or asked.diffusion_model_path is not None:
        return {}
    from ..demo.models import SUITED

    return SUITED


def settings_from(asked: SimpleNamespace) -> EditSettings:
    """The preset with what suits the models and, before that, what was given on the command line; checked."""
    given, name = given_settings(asked), asked.preset or "standard"
    settings = preset(name).with_values(**{**suited(asked), **given})
    settings.validate()
    idle = [f"--{one}" for one in given if not _is_read(one, settings)]
    if idle:
        print(f"{', '.join(idle)} do{'es' * (len(idle) == 1)} nothing in preset {name}.", file=sys.stderr)
    return settings


def _is_read(name: str, settings: EditSettings) -> bool:
    """Whether the settings' method reads a setting."""
    stages = SETTINGS[name].stages
    return not stages or stages != (("find",) if settings.method == "paper" else ("paper",))
