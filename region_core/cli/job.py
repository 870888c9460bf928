"""One edit as asked for on the command line, checked as far as can be without its models."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from .. import checks
from ..demo import models
from ..errors import InputError, first_line
from ..files import path_of
from ..find import Regions
from ..memory import is_out_of_memory
from ..paint.diffusers_painter import DEFAULT_MODEL, MIRRORS
from ..paper.checkpoint import check_replaceable
from ..paper.network import RegionGenerator, load_generator
from ..picture import Picture
from ..picture_file import load_picture
from ..quiet import without_warnings
from ..requests import Request, check_evidence, parse_request
from ..settings import EditSettings
from .options import settings_from
from .report import RESULTS
from .saved_regions import FOLDER, load_regions, picked

DINO_MODEL = "facebook/dino-vitb8"
CLIP_MODEL, CLIP_PRETRAINED = "ViT-B-16", "openai"
DTYPES = ("float32", "float16", "bfloat16")
_OF_ONE = ("image_caption", "editing_prompt", "pick", "regions", "save_path", "load_checkpoint_path")
_ANOTHER = "and another preset is asked for; give --preset paper, or leave it out."
_LONGEST_STEM = 200  # bytes


@dataclass(frozen=True)
class ModelChoice:
    """Which models, where they run and in which number type; none is loaded yet."""

    device: torch.device
    dtype: torch.dtype
    pipeline: str
    clip: tuple[str, str]
    dino: str


@dataclass(frozen=True)
class Job:
    """What to edit, with what, and where to. `pick` is the place of the region to paint, from 1, None for the best;
    `regions` are those of a search that was kept, the picked one alone. With `requests` these are the edits, and
    caption and prompt are empty."""

    choice: ModelChoice
    picture: Picture
    stem: str
    caption: str
    prompt: str
    output_dir: Path
    settings: EditSettings
    requests: tuple[Request, ...] = ()
    negative_prompt: str = ""
    draw_box: bool = False
    shown: bool = True
    pick: int | None = None
    regions: Regions | None = None
    generator: RegionGenerator | None = None
    save_path: Path | None = None

    @property
    def image(self) -> Any:
        """The picture as `edit_image` takes it, alpha included."""
        return self.picture.rgb if self.picture.source is None else self.picture.source


def choose_device(name: str | None) -> torch.device:
    """The device of that name, or the machine's accelerator; InputError where it cannot be used."""
    if name is None:
        # `current_accelerator` asks by itself whether there is one only since torch 2.7
        found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
        return found if found is not None else torch.device("cpu")
    try:
        with without_warnings():
            device = torch.device(name)
            torch.zeros(1, dtype=torch.float32, device=device).item()  # of torch's "meta" nothing can be had
    except Exception as error:  # each kind has its own, ModuleNotFoundError among them
        why = "whose memory is full" if is_out_of_memory(error) else "which cannot be used here"
        raise InputError(f"device is '{name}', {why} ({first_line(error)}); choose another, such as cpu.") from error
    return device


def choose_dtype(name: str | None, device: torch.device, *, small: bool) -> torch.dtype:
    """The type of that name; by default float32 on a CPU and for small models, else float16."""
    if name is None:
        name = "float32" if small or device.type == "cpu" else "float16"
    if name not in DTYPES:
        raise InputError(f"dtype is '{name}'; choose one of {', '.join(DTYPES)}.")
    return getattr(torch, name)


def choose_models(asked: SimpleNamespace, *, painting: bool = True) -> ModelChoice:
    """The models that the command line names; InputError where one is not to be had or not usable. The
    inpainting model matters only where there is `painting`."""
    if asked.models not in (None, "shapes"):
        raise InputError(f"models is '{asked.models}'; choose shapes, or leave it out.")
    small = asked.models == "shapes"
    usual = (DEFAULT_MODEL, (CLIP_MODEL, CLIP_PRETRAINED), DINO_MODEL)
    pipeline, clip, dino = (models.PIPELINE, models.CLIP, models.DINO) if small else usual
    pipeline = asked.diffusion_model_path or pipeline
    if pipeline in MIRRORS and not Path(pipeline).exists():
        print(f"{pipeline} was withdrawn from the hub; its mirror {MIRRORS[pipeline]} is used.", file=sys.stderr)
        pipeline = MIRRORS[pipeline]
    clip = (asked.clip_model or clip[0], asked.clip_pretrained or clip[1])
    dino = asked.dino_model or dino
    if painting:
        checks.check_inpainting_model("diffusion_model_path", pipeline)
    checks.check_clip(*clip)
    checks.check_dino(dino)
    device = choose_device(asked.device)
    return ModelChoice(device, choose_dtype(asked.dtype, device, small=small), pipeline, clip, dino)


def output_folder(text: str, names: Iterable[str], option: str = "output_dir") -> Path:
    """The folder for results of these names; InputError where they could not be written."""
    checks.check_named(option, text)
    folder = path_of(text)
    checks.check_writable(option, folder)
    checks.check_free(option, folder, names)
    return folder


def stem_of(path: Path) -> str:
    """The name of a picture's results: its own, or its beginning where that leaves no room for an ending."""
    return path.stem if len(os.fsencode(path.stem)) <= _LONGEST_STEM else path.stem[: _LONGEST_STEM // 4]


def generator_file(save_path: str, *, existing: bool = False) -> Path:
    """The file of a learned generator: `save_path`, or in it where it names a folder; one that is read from, with
    `existing`, may have any name."""
    path = path_of(save_path)
    if path.suffix == ".safetensors" or existing and not os.path.isdir(path):
        return path
    return path / "generator.safetensors"


def place_to_save(save_path: str) -> Path:
    """`generator_file`; InputError where it cannot be written, or something else is there that would be lost."""
    checks.check_named("save_path", save_path)
    path = generator_file(save_path)
    checks.check_writable("save_path", path.parent)
    checks.check_free("save_path", path.parent, [path.name])
    check_replaceable(path)
    return path


def starting_generator(path: str | None, settings: Iterable[EditSettings]) -> RegionGenerator | None:
    """The saved generator that is named, if any; InputError where one of these settings cannot start from it."""
    if path is None:
        return None
    checks.check_named("load_checkpoint_path", path)
    settings = list(settings)
    for sizes in sorted({one.paper.max_window_size for one in settings}):
        # not to the device: it reads what DINO saw where the picture is, as a fresh one does
        generator, _ = load_generator(generator_file(path, existing=True), sizes=sizes)
    if any(one.method != "paper" for one in settings):
        raise InputError(f"load_checkpoint_path is read by preset paper alone, {_ANOTHER}")
    return generator


def check_learning(settings: Iterable[EditSettings], names: str) -> None:
    """Raise InputError where one of these settings learns nothing, though the options `names` are about it."""
    for one in settings:
        if one.method != "paper":
            raise InputError(f"{names} is about the region generator that preset paper learns, {_ANOTHER}")
        if not one.paper.learns:
            off = "learning is off" if one.paper.learning == "off" else "generator_steps is 0"
            raise InputError(f"{off}, and {names} is about what is learned; leave one of them out.")


def check_pick(pick: int | None) -> None:
    """Raise InputError for a number that no region has."""
    if pick is not None and pick < 1:
        raise InputError(f"pick is {pick}; it must be at least 1, the likeliest region.")


def _requests(asked: SimpleNamespace, settings: EditSettings) -> tuple[Request, ...]:
    """The edits of --edit, if any; InputError where one is wrong, or what is of one edit is given beside them."""
    if not asked.edit:
        for name in ("image_caption", "editing_prompt"):
            if getattr(asked, name) is None:
                raise InputError(
                    f"Missing option '--{name}'; say what is there and what should be there, or use --edit."
                )
        return ()
    beside = [name for name in _OF_ONE if getattr(asked, name) is not None]
    if beside:
        raise InputError(f"{' and '.join(beside)} is of one edit, and edit says all of each; leave one of them out.")
    if problem := checks.broken_text("negative_prompt", asked.negative_prompt):
        raise InputError(problem)
    check_evidence(settings, "edit")
    return tuple(parse_request(line) for line in asked.edit)


def check_edit(asked: SimpleNamespace) -> Job:
    """The job of an `edit` command; raises InputError for all that can be known to be wrong now."""
    settings = settings_from(asked)
    requests = _requests(asked, settings)
    if not requests:
        checks.check_texts(asked.image_caption, asked.editing_prompt, asked.negative_prompt)
    path = path_of(asked.image_file_path)
    picture = load_picture(path)
    check_pick(asked.pick)
    if settings.method == "paper" and (asked.pick is not None or asked.regions is not None):
        raise InputError("pick and regions are of what is found, and preset paper learns its region; leave them out.")
    regions = None
    if asked.regions is not None:
        regions = load_regions(path_of(asked.regions), picture, asked.image_caption)
        regions = regions if asked.pick is None else picked(regions, asked.pick)
    choice = choose_models(asked)
    stem = stem_of(path)
    names = (*RESULTS, f"{FOLDER}/-", *([f"boxes/{stem}.png"] if asked.draw_box else []))
    output_dir = output_folder(asked.output_dir, names)
    checks.check_not_overwritten(path, output_dir, names)
    save_path = None if asked.save_path is None else place_to_save(asked.save_path)
    if save_path is not None:
        check_learning([settings], "save_path")
    return Job(
        choice=choice,
        picture=picture,
        stem=stem,
        caption=asked.image_caption or "",
        prompt=asked.editing_prompt or "",
        requests=requests,
        negative_prompt=asked.negative_prompt,
        output_dir=output_dir,
        settings=settings,
        draw_box=asked.draw_box,
        shown=not asked.quiet,
        pick=asked.pick,
        regions=regions,
        generator=starting_generator(asked.load_checkpoint_path, [settings]),
        save_path=save_path,
    )
