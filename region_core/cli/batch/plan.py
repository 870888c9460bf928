"""The `batch` command as asked for, checked before models load, and what tells its results apart."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from ... import __version__, checks
from ...encoders.dino import grid_of
from ...errors import InputError, InputProblems
from ...files import path_of
from ...paper.network import RegionGenerator, generator_shape
from ...settings import SearchSettings
from ..job import ModelChoice, choose_models, generator_file, output_folder, place_to_save, starting_generator
from ..parser import given_settings, settings_from, suited
from .index import PAGE, SUMMARY
from .items import Item
from .places import Place
from .reading import Defaults, quoted, read_items

FORMAT = 1  # of results on disk; a run does not take those of another format for finished
FOLDERS = ("items", "results", "boxes")
_ENDS = 1 << 20  # bytes read at either end of a model's file: weights that differ, differ there
_LEAST = {"epochs": 1, "batch_size": 1, "num_workers": 0, "ckpt_interval": 0, "threads": 1}
_MOST_THREADS = 1024  # OpenMP ends the process where it cannot make as many as it is told


@dataclass
class BatchJob:
    """What to edit, with what, where to. `settings` are those of an item with none of its own;
    `generator` is a loaded one to start from; `shared` says that all pictures teach one."""

    choice: ModelChoice
    items: list[Item]
    output_dir: Path
    settings: SearchSettings
    draw_box: bool
    num_workers: int
    pin_mem: bool
    shown: bool
    shared: bool
    epochs: int
    batch_size: int
    ckpt_interval: int
    save_path: Path
    generator: RegionGenerator | None
    generator_digest: str
    models: dict[str, str]  # see `model_identity`

    def place(self, index: int) -> Place:
        """Where the files of an item go."""
        return Place(self.output_dir, self.items[index].folder, self.draw_box)

    def fingerprint(self, item: Item, picture_digest: str, learned: str) -> str:
        """What a result came of: equal where doing it again would give the same picture.

        `learned` names the region generator it started from, "" for a fresh one.
        """
        texts = [item.key, item.caption, item.prompt, item.negative_prompt]
        return digest_of([FORMAT, __version__, *texts, asdict(item.settings), picture_digest, self.models, learned])


def check_batch(args: argparse.Namespace) -> BatchJob:
    """The job of a `batch` command; raises InputError for all that can be known to be wrong now."""
    settings = settings_from(args)
    for name, low in _LEAST.items():
        value = getattr(args, name)
        if value is not None and value < low:
            raise InputError(f"{name} is {value}; it must be at least {low}.")
    if args.threads is not None and args.threads > _MOST_THREADS:
        raise InputError(f"threads is {args.threads}; it must be from 1 to {_MOST_THREADS}.")
    if problem := checks.broken_text("negative_prompt", args.negative_prompt):
        raise InputError(problem)
    image_dir = path_of(args.image_dir_path)
    if not os.path.isdir(image_dir):
        raise InputError(f"image_dir_path is '{image_dir}', and there is no such folder.")
    folders = FOLDERS if args.draw_box else FOLDERS[:2]
    output_dir = output_folder(args.output_dir, [SUMMARY, PAGE, *(f"{name}/-" for name in folders)])
    inside = [output_dir.resolve() / name for name in FOLDERS]
    if any(path in (image_dir.resolve(), *image_dir.resolve().parents) for path in inside):
        raise InputError(f"image_dir_path is '{image_dir}', where results would go; choose another output_dir.")
    json_file = path_of(args.json_file)
    checks.check_not_overwritten(json_file, output_dir, (SUMMARY, PAGE))
    defaults = Defaults(args.preset, {**suited(args), **given_settings(args)}, args.negative_prompt)
    items = read_items(json_file, image_dir, defaults)
    choice = choose_models(args)
    _check_grid(choice, items)
    shared = args.epochs is not None or args.save_path is not None
    save_path = args.output_dir if args.save_path is None else args.save_path
    save_path = place_to_save(save_path) if shared else generator_file(save_path)
    if args.ckpt_interval and not shared:
        raise InputError("ckpt_interval keeps states of a shared generator; give save_path or epochs too.")
    start = args.load_checkpoint_path
    generator = starting_generator(start, (item.settings for item in items))
    if shared:
        _check_shared(items)
    return BatchJob(
        choice=choice,
        items=items,
        output_dir=output_dir,
        settings=settings,
        draw_box=args.draw_box,
        num_workers=args.num_workers,
        # page-locked memory helps only where a device copies from it
        pin_mem=args.pin_mem and choice.device.type not in ("cpu", "mps"),
        shown=not args.quiet,
        shared=shared,
        epochs=args.epochs or 1,
        batch_size=args.batch_size,
        ckpt_interval=args.ckpt_interval,
        save_path=save_path,
        generator=generator,
        generator_digest=file_digest(generator_file(start, existing=True)) if start else "",
        models=model_identity(choice),
    )


def _check_grid(choice: ModelChoice, items: list[Item]) -> None:
    """Refuse windows larger than the grid of a DINO model whose folder says how large that is; of one
    yet to be downloaded it is not known here."""
    side = grid_of(choice.dino)
    sizes = {item.key: item.settings.max_window_size for item in items}
    limit = f"and the grid of the DINO model has {side} x {side} cells; choose from 1 to {side}"
    wrong = [
        (quoted(key), f"max_window_size is {size}, {limit}")
        for key, size in sizes.items()
        if side is not None and size > side
    ]
    if wrong:
        raise InputProblems("The list", wrong)


def _check_shared(items: list[Item]) -> None:
    if len({item.settings.method for item in items}) > 1:
        raise InputError(
            "Some items have preset paper and some have not, and one shared generator "
            "cannot serve both; give all the same, or leave out save_path and epochs."
        )
    if len({generator_shape(item.settings) for item in items}) > 1:
        sizes = sorted({item.settings.max_window_size for item in items})
        raise InputError(
            f"The items have max_window_size {', '.join(map(str, sizes))}, and one "
            "shared generator of preset paper reads one; give all the same, or leave out "
            "save_path and epochs."
        )
    off = [item.key for item in items if not item.settings.max_previews]
    if off:
        raise InputError(
            f"learning is off or previews are never for {len(off)} of {len(items)} items "
            f"(first '{off[0]}'), and a shared generator is to be learned; leave them on, "
            "or leave out save_path and epochs."
        )


def file_digest(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def model_identity(choice: ModelChoice) -> dict[str, str]:
    """What tells one model from another: of files their sizes and ends, of others the name."""
    names = {
        "pipeline": choice.pipeline,
        "clip": choice.clip[0],
        "clip_pretrained": choice.clip[1],
        "dino": choice.dino,
    }
    dtype = str(choice.dtype).removeprefix("torch.")
    return {"dtype": dtype, **{part: _identity(name) for part, name in names.items()}}


def _identity(name: str) -> str:
    root = path_of(name.removeprefix("local-dir:"))
    if not name or not os.path.exists(root):
        return name
    digest = hashlib.sha256()
    for path in sorted(p for p in root.rglob("*") if p.is_file()) if root.is_dir() else [root]:
        size = path.stat().st_size
        inside = path.relative_to(root).as_posix() if root.is_dir() else ""
        digest.update(f"{inside}\0{size}\0".encode())
        with path.open("rb") as file:
            digest.update(file.read(_ENDS))
            file.seek(max(0, size - _ENDS))
            digest.update(file.read(_ENDS))
    return digest.hexdigest()


def digest_of(value: object) -> str:
    """A short hash of anything JSON can hold."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
