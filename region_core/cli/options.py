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

_LOADING = {"num_workers": int, "pin_mem": bool}  # of pictures, which takes no time beside an edit
PROGRAM = "python -m region_core"


def _told(help: str, metavar: str | None = None, shown: object = True, **more: Any) -> dict[str, Any]:
    """What click.Option takes; `shown` as a text says what is done where the option is left out."""
    return {"help": help, "metavar": metavar, "show_default": shown, **more}


_SHAPES = "shapes: the small embedded models, no download, for whatever model is not named here"
_LIST = (
    'what to edit: {"1.png": ["what is there", "what should be there"]}, or a list of objects with image, '
    "image_caption, editing_prompt (or edits, as edit takes them) and, where an edit differs, name, negative_prompt, "
    "preset, seed or any setting"
)
_PICKS = "of the edit that the list calls so take the N-th region, 1 the likeliest; more than once for several"
_PRESETS = (
    "standard: one region is painted; fast: with half the steps; quality: three are painted, to choose from; "
    "paper: the published method, which paints however small a region is, and also where nothing answers to the "
    "caption. Settings change single values"
)
_KEPT = (
    "take the regions that find or edit left in this folder, and search nothing; they must be of the same picture and "
    "caption"
)
_GROUP = (
    "pictures between two updates of the shared generator, by however many processes; no fewer than there are "
    "processes, or some wait. Nothing else hangs on it: a process edits one picture at a time"
)
_EDITS = (
    'in the place of the two, and more than once: "coffee -> soft drink"; of several things "star | largest -> moon" '
    '(best, all, largest, smallest, leftmost, rightmost, topmost, bottommost, 2nd), "cup | not: a red cup -> vase"'
)
_START = "with --preset paper: start from a saved region generator, a file, or a folder with generator.safetensors"
_SAVE = (
    "with --preset paper: save the learned region generator, as a .safetensors file, or in a folder as "
    "generator.safetensors"
)
_PIPELINE = "inpainting model: a hub id, a diffusers folder or a .safetensors file"
_INTERVAL = "also keep the shared generator after every N updates, beside save_path"
_DTYPE = "number type of the inpainting model: float32, float16 or bfloat16"
_THREADS = "1, and several processes for several cores; another number may change the last digits of a score"
OPTIONS: dict[str, dict[str, Any]] = {
    "image_file_path": _told("picture to edit", "FILE", required=True),
    "image_caption": _told("what is in the picture now", "TEXT"),
    "editing_prompt": _told("what should be there", "TEXT"),
    "edit": _told(_EDITS, "EDIT", multiple=True),
    "negative_prompt": _told("what the edit should not show", "TEXT", default=""),
    "image_dir_path": _told("folder of the pictures", "DIR", required=True),
    "json_file": _told(_LIST, "FILE", required=True),
    "output_dir": _told("where results go", "DIR", required=True),
    "out": _told("where mask, heat map, sheet and regions go; without it they are only told", "DIR"),
    "json": _told("print what was found as JSON", is_flag=True),
    "draw_box": _told("also write the source with the boxes drawn, under output_dir/boxes/", is_flag=True),
    "pick": _told("take the N-th of the regions that were found, 1 the likeliest", "N", kind=int),
    "regions": _told(_KEPT, "DIR"),
    "models": _told(_SHAPES, "NAME"),
    "diffusion_model_path": _told(_PIPELINE, "MODEL", "sd2-community/stable-diffusion-2-inpainting"),
    "clip_model": _told("open_clip model or local-dir:FOLDER", "NAME", "ViT-B-16"),
    "clip_pretrained": _told("its weights, a tag or a file", "NAME", "openai"),
    "dino_model": _told("DINO ViT: a hub id or a folder", "MODEL", "facebook/dino-vitb8"),
    "load_checkpoint_path": _told(_START, "FILE"),
    "save_path": _told(_SAVE, "PATH"),
    "epochs": _told("passes over the list with one shared generator", "N", "1", kind=int),
    "batch_size": _told(_GROUP, "N", kind=int, default=8),
    "ckpt_interval": _told(_INTERVAL, "N", "0, only the last", kind=int, default=0),
    "device": _told("where the models run, such as cpu", "NAME", "an accelerator if there is one"),
    "dtype": _told(_DTYPE, "TYPE", "float32 on a CPU and with --models shapes, else float16"),
    "quiet": _told("show no progress bar", is_flag=True),
    "threads": _told("CPU threads of each process, where models run on the CPU", "N", _THREADS, kind=int),
    "preset": _told(_PRESETS, "NAME", default="standard"),
}

_ENCODERS = "models clip_model clip_pretrained dino_model"
_EDIT = " ".join(name for name, one in SETTINGS.items() if one.option)
_FIND = " ".join(name for name, one in SETTINGS.items() if one.option and "find" in one.stages)

# of each command: what it does, and its options by heading
COMMANDS: dict[str, tuple[str, dict[str, str]]] = {
    "demo": (
        "Edit a made-up picture with the embedded models: one of a few coloured shapes is to become another, and what "
        "was found is shown beside the truth.",
        {"Options": "output_dir device dtype quiet preset seed"},
    ),
    "find": (
        "Find what captions name in a PICTURE, and paint nothing: each one's regions, best first, with box, mask and "
        "heat map. The picture is encoded once.",
        {"Options": "out pick json", "Models": f"{_ENCODERS} device", "Settings": _FIND},
    ),
    "edit": (
        "Edit one picture: find the region, paint it, write the results.",
        {
            "The edit": "image_file_path image_caption editing_prompt edit negative_prompt output_dir draw_box pick "
            "regions",
            "Models": f"{_ENCODERS} diffusion_model_path",
            "The region generator": "load_checkpoint_path save_path",
            "Running": "device dtype quiet",
            "Settings": f"preset {_EDIT}",
        },
    ),
    "batch": (
        "Edit a list of pictures, in one process or, started by torchrun, in several. Stopped at any time, the same "
        "command goes on; what is finished is not done again.",
        {
            "The list": "image_dir_path json_file negative_prompt output_dir draw_box pick",
            "Models": f"{_ENCODERS} diffusion_model_path",
            "The region generator": "load_checkpoint_path save_path epochs batch_size ckpt_interval",
            "Running": "device dtype quiet threads",
            "Settings": f"preset {_EDIT}",
        },
    ),
}
_OTHERWISE: dict[tuple[str, str], dict[str, Any]] = {
    ("demo", "output_dir"): {"required": False, "default": "demo"},
    ("demo", "seed"): {"default": 9, "show_default": True},
    ("find", "pick"): {"default": 1, "help": "the region whose mask and box are shown, 1 the likeliest"},
    ("batch", "pick"): {"kind": str, "multiple": True, "metavar": "NAME=N", "help": _PICKS},
}


class Command(click.Command):
    """A command whose help has its options under headings."""

    headings: dict[str, list[click.Option]]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """As click's, heading by heading."""
        for heading, options in self.headings.items():
            with formatter.section(heading):
                formatter.write_dl([record for one in options if (record := one.get_help_record(ctx))])


def parse(argv: Sequence[str] | None) -> SimpleNamespace | None:
    """What the command line asks for: its `command`, and a value for each known option, None where it has none. None
    where only help was asked for; raises InputError for what cannot be understood."""
    given = None if argv is None else list(argv)
    try:
        asked = program().main(given, PROGRAM, standalone_mode=False, windows_expand_args=False)
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else PROGRAM
        raise InputError(f"{error.format_message().rstrip('.')} ('{where} --help' lists the options).") from None
    return asked if isinstance(asked, SimpleNamespace) else None


def program() -> click.Group:
    """`python -m region_core` with all its commands."""
    about = "Edit a picture from text alone: the region to change is found, no mask is drawn."
    group = click.Group("region_core", help=about, no_args_is_help=False)
    click.version_option(__version__, prog_name="region_core")(group)
    for name in COMMANDS:
        group.add_command(_command(name))
    return group


def _command(name: str) -> Command:
    about, headings = COMMANDS[name]
    options = {heading: [_option(name, one) for one in names.split()] for heading, names in headings.items()}
    params: list[click.Parameter] = [one for under in options.values() for one in under]
    if name == "find":
        params.append(click.Argument(["picture"]))
        params.append(click.Argument(["captions"], metavar="CAPTION...", nargs=-1, required=True))
    hidden = _hidden(name)
    params += [_switch(one, kind, hidden=True) for one, (kind, _says, _now) in hidden.items()]

    def asked(**values: Any) -> SimpleNamespace:
        for old, (_kind, says, now) in hidden.items():
            if (value := values.pop(old)) is not None:
                print(f"--{old} {says}.", file=sys.stderr)
                values |= {now: value} if now else {}
        known = {"models": "shapes"} if name == "demo" else {}
        return SimpleNamespace(**{**dict.fromkeys(OPTIONS), **known, **values, "command": name})

    command = Command(name, params=params, callback=asked, help=about)
    command.headings = options
    return command


def _hidden(command: str) -> dict[str, tuple[type, str, str]]:
    """Options that are read and not shown: (type, what is said of it, what it is called now)."""
    if command not in ("edit", "batch"):
        return {}
    settings = [(old, one) for one in SETTINGS.values() for old in one.old_names]
    hidden = {old: (one.kind, f"is called --{one.name} now", one.name) for old, one in settings}
    # guides have these on every command line
    hidden |= {name: (kind, "does nothing any more; leave it out", "") for name, kind in (REMOVED | _LOADING).items()}
    if command == "edit":
        says = "does nothing for one picture; a list is edited by the command batch"
        hidden |= dict.fromkeys(("epochs", "batch_size"), (int, says, ""))
    return hidden


def _option(command: str, name: str) -> click.Option:
    described = OPTIONS.get(name) or _of_setting(name)
    return _switch(name, **{"kind": None, **described, **_OTHERWISE.get((command, name), {})})


def _switch(name: str, kind: type | None, **described: Any) -> click.Option:
    """An option; of a truth both ways."""
    if kind is bool:
        return click.Option([f"--{name}/--no-{name}"], **{"default": None, **described, "type": bool})
    return click.Option([f"--{name}"], **{**described, "type": kind})


def _of_setting(name: str) -> dict[str, Any]:
    one = SETTINGS[name]
    text = f"with --preset paper: {one.en}" if one.only_paper else one.en
    metavar = {int: "N", float: "X", str: "NAME", bool: None}[one.kind]
    return _told(text, metavar, one.values_by_preset() or str(one.default), kind=one.kind)


def given_settings(asked: SimpleNamespace) -> dict[str, Any]:
    """What suits the embedded model, where it is the one that paints, and the single settings that were given."""
    suited: dict[str, Any] = {}
    if asked.models == "shapes" and asked.diffusion_model_path is None:
        from ..demo.models import SUITED as suited
    values = {name: getattr(asked, name, None) for name in SETTINGS}
    return suited | {name: value for name, value in values.items() if value is not None}


def settings_from(asked: SimpleNamespace) -> EditSettings:
    """The preset with what suits the models and, before that, what was given on the command line; checked."""
    name = asked.preset or "standard"
    settings = preset(name).with_values(**given_settings(asked))
    settings.validate()
    unread = ("find",) if settings.method == "paper" else ("paper",)
    idle = [
        f"--{key}" for key, one in SETTINGS.items() if one.stages == unread and getattr(asked, key, None) is not None
    ]
    if idle:
        print(f"{', '.join(idle)} do{'es' * (len(idle) == 1)} nothing in preset {name}.", file=sys.stderr)
    return settings
