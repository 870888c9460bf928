"""One edit as asked for on the command line, checked as far as can be without its models."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from .. import checks
from ..demo import models
from ..errors import InputError, first_line
from ..files import path_of
from ..memory import is_out_of_memory
from ..paint.diffusers_painter import DEFAULT_MODEL, MIRRORS
from ..paper.checkpoint import check_replaceable
from ..paper.network import RegionGenerator, generator_shape, load_generator
from ..picture import Picture, load_picture
from ..quiet import without_warnings
from ..settings import SearchSettings
from .parser import settings_from
from .report import RESULTS

DINO_MODEL = "facebook/dino-vitb8"
CLIP_MODEL, CLIP_PRETRAINED = "ViT-B-16", "openai"
DTYPES = ("float32", "float16", "bfloat16")
_LONGEST_STEM = 200  # bytes
LIST_ONLY = ("epochs", "batch_size", "num_workers", "pin_mem")  # guides have them on every command line


@dataclass(frozen=True)
class ModelChoice:
    """Which models, where they run and in which number type; none is loaded yet."""

    device: torch.device
    dtype: torch.dtype
    pipeline: str
    clip: tuple[str, str]
    dino: str


@dataclass(frozen=True)
class Job(ModelChoice):
    """What to edit, with what, and where to."""

    picture: Picture
    stem: str
    caption: str
    prompt: str
    negative_prompt: str
    output_dir: Path
    settings: SearchSettings
    draw_box: bool = False
    shown: bool = True
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
            torch.zeros(1, device=device).item()  # of torch's "meta" nothing can be had
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


def choose_models(args: argparse.Namespace, *, painting: bool = True) -> ModelChoice:
    """The models that the command line names; InputError where one is not to be had or not usable. The
    inpainting model matters only where there is `painting`."""
    if args.models not in (None, "shapes"):
        raise InputError(f"models is '{args.models}'; choose shapes, or leave it out.")
    small = args.models == "shapes"
    pipeline, clip, dino = (
        (models.PIPELINE, models.CLIP, models.DINO)
        if small
        else (DEFAULT_MODEL, (CLIP_MODEL, CLIP_PRETRAINED), DINO_MODEL)
    )
    pipeline = args.diffusion_model_path or pipeline
    if pipeline in MIRRORS and not Path(pipeline).exists():
        print(f"{pipeline} was withdrawn from the hub; its mirror {MIRRORS[pipeline]} is used.", file=sys.stderr)
        pipeline = MIRRORS[pipeline]
    clip = (args.clip_model or clip[0], args.clip_pretrained or clip[1])
    dino = args.dino_model or dino
    if painting:
        checks.check_inpainting_model("diffusion_model_path", pipeline)
    checks.check_clip(*clip)
    checks.check_dino(dino)
    device = choose_device(args.device)
    return ModelChoice(device, choose_dtype(args.dtype, device, small=small), pipeline, clip, dino)


def output_folder(text: str, names: Iterable[str]) -> Path:
    """The folder for results of these names; InputError where they could not be written."""
    checks.check_named("output_dir", text)
    folder = path_of(text)
    checks.check_writable("output_dir", folder)
    checks.check_free("output_dir", folder, names)
    return folder


def generator_file(save_path: str, *, existing: bool = False) -> Path:
    """Where a learned generator goes: `save_path` itself, or in it where it names a folder; with
    `existing` where one is read from, and a file may have any name."""
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


def starting_generator(path: str | None, settings: Iterable[SearchSettings]) -> RegionGenerator | None:
    """The saved generator that is named, if any; InputError where one of these settings needs another shape."""
    if path is None:
        return None
    checks.check_named("load_checkpoint_path", path)
    generator = None
    for sizes, numbers in sorted({generator_shape(one) for one in settings}):
        # not to the device: it reads what DINO saw where the picture is, as a fresh one does
        generator, _ = load_generator(generator_file(path, existing=True), sizes=sizes, extra_dim=numbers)
    return generator


def check_edit(args: argparse.Namespace) -> Job:
    """The job of an `edit` command; raises InputError for all that can be known to be wrong now."""
    settings = settings_from(args)
    checks.check_texts(args.image_caption, args.editing_prompt, args.negative_prompt)
    idle = [f"--{name}" for name in LIST_ONLY if getattr(args, name) is not None]
    if idle:
        print(
            f"{', '.join(idle)} do{'es' * (len(idle) == 1)} nothing for one picture; a list is edited by "
            "the command batch.",
            file=sys.stderr,
        )
    path = path_of(args.image_file_path)
    picture = load_picture(path)
    choice = choose_models(args)
    # some names leave no room for an ending of another kind
    stem = path.stem if len(os.fsencode(path.stem)) <= _LONGEST_STEM else path.stem[: _LONGEST_STEM // 4]
    names = (*RESULTS, *([f"boxes/{stem}.png"] if args.draw_box else []))
    output_dir = output_folder(args.output_dir, names)
    checks.check_not_overwritten(path, output_dir, names)
    save_path = None
    if args.save_path is not None:
        save_path = place_to_save(args.save_path)
        if not settings.max_previews or settings.learning == "off":
            name, value = ("learning", "off") if settings.learning == "off" else ("previews", "never")
            raise InputError(
                f"{name} is {value}, and save_path is where to keep what is learned; leave one of them out."
            )
    return Job(
        **vars(choice),
        picture=picture,
        stem=stem,
        caption=args.image_caption,
        prompt=args.editing_prompt,
        negative_prompt=args.negative_prompt,
        output_dir=output_dir,
        settings=settings,
        draw_box=args.draw_box,
        shown=not args.quiet,
        generator=starting_generator(args.load_checkpoint_path, [settings]),
        save_path=save_path,
    )
