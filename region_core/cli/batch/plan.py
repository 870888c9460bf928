"""The `batch` command as asked for, checked before models load, and what tells its results apart."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace

from ... import __version__, checks
from ...edits_list.items import Item, digest_of
from ...edits_list.page import PAGE, SUMMARY
from ...edits_list.places import Place
from ...edits_list.reading import Defaults, read_items
from ...errors import InputError
from ...files import path_of
from ...paper.network import RegionGenerator
from ...settings import EditSettings
from .. import job
from ..job import ModelChoice
from ..options import given_settings, settings_from

FORMAT = 2  # of results on disk; a run does not take those of another format for finished
FOLDERS = ("items", "results", "boxes")
_END = 1 << 20  # bytes read at the end of a model's file: weights that differ, differ there
_RANGES = {"epochs": (1, 10**6), "batch_size": (1, 10**6), "ckpt_interval": (0, 10**9)}
_RANGES["threads"] = (1, 1024)  # OpenMP ends the process where it cannot make as many as it is told


@dataclass
class BatchJob:
    """What to edit, with what, where to. `settings` are those of an item with none of its own; `generator` is a loaded
    one to start from; `save_path` is where the one that all pictures teach goes, None where each has its own."""

    asked: SimpleNamespace
    choice: ModelChoice
    items: list[Item]
    output_dir: Path
    settings: EditSettings
    save_path: Path | None
    generator: RegionGenerator | None

    @property
    def epochs(self) -> int:
        """Passes over the list."""
        return self.asked.epochs or 1

    def place(self, index: int) -> Place:
        """Where the files of an item go."""
        return Place(self.output_dir, self.items[index].folder, self.asked.draw_box)

    @cached_property
    def fingerprints(self) -> list[str]:
        """What each item's result comes of, but for a shared generator: equal where doing it again would give the
        same picture. A process reads each picture for it once."""
        start = self.asked.load_checkpoint_path
        learned = digest_of_file(job.generator_file(start, existing=True)) if start else ""
        common = [FORMAT, __version__, model_identity(self.choice), learned]
        return [digest_of([*common, *one.texts, one.settings.flat(), digest_of_file(one.path)]) for one in self.items]

    @cached_property
    def course(self) -> str:
        """What the learning of a shared generator comes of."""
        return digest_of([self.epochs, self.asked.batch_size, self.settings.seed, *sorted(self.fingerprints)])

    def stamp(self, index: int, epoch: int | None = None) -> str:
        """What tells an item's result from others: its fingerprint and, of a shared generator, which course taught
        that and how far (`epoch`, the last one by default)."""
        if self.save_path is None:
            return self.fingerprints[index]
        return f"{self.fingerprints[index]}:{self.course}:{self.epochs - 1 if epoch is None else epoch}"


def check_batch(asked: SimpleNamespace) -> BatchJob:
    """The job of a `batch` command; raises InputError for all that can be known to be wrong now."""
    settings = settings_from(asked)
    for name, (low, high) in _RANGES.items():
        value = getattr(asked, name)
        if value is not None and not low <= value <= high:
            raise InputError(f"{name} is {value}; it must be from {low} to {high}.")
    if problem := checks.broken_text("negative_prompt", asked.negative_prompt):
        raise InputError(problem)
    image_dir, json_file, output_dir = _places(asked)
    defaults = Defaults(asked.preset, given_settings(asked), asked.negative_prompt)
    items = _picked(read_items(json_file, image_dir, defaults), asked.pick)
    choice = job.choose_models(asked)
    save_path = None
    if asked.epochs is not None or asked.save_path is not None:
        save_path = job.place_to_save(asked.output_dir if asked.save_path is None else asked.save_path)
        _check_shared(items)
    elif asked.ckpt_interval:
        raise InputError("ckpt_interval keeps states of a shared generator; give save_path or epochs too.")
    generator = job.starting_generator(asked.load_checkpoint_path, [item.settings for item in items])
    return BatchJob(asked, choice, items, output_dir, settings, save_path, generator)


def _picked(items: list[Item], picks: Sequence[str]) -> list[Item]:
    """The items with what --pick says of some; InputError where it says it of none, or of what has no such region."""
    chosen = {}
    for pick in picks:
        name, _, place = pick.rpartition("=")
        item = next((one for one in items if one.key == name), None)
        if item is None or not place.isdecimal():
            raise InputError(f"pick is '{pick}'; write NAME=N, with the name of an edit as summary.csv has it.")
        job.check_pick(int(place))
        if item.requests or item.settings.method == "paper":
            raise InputError(
                f"pick is '{pick}', and that edit has no ranked regions: it is several, or preset paper's."
            )
        chosen[name] = int(place)
    return [replace(one, pick=chosen.get(one.key)) for one in items]


def _places(asked: SimpleNamespace) -> tuple[Path, Path, Path]:
    """(image_dir_path, json_file, output_dir); InputError where one of them would be in another's way."""
    image_dir = path_of(asked.image_dir_path)
    if not os.path.isdir(image_dir):
        raise InputError(f"image_dir_path is '{image_dir}', and there is no such folder.")
    folders = FOLDERS if asked.draw_box else FOLDERS[:2]
    output_dir = job.output_folder(asked.output_dir, [SUMMARY, PAGE, *(f"{name}/-" for name in folders)])
    inside = [output_dir.resolve() / name for name in FOLDERS]
    if any(path in (image_dir.resolve(), *image_dir.resolve().parents) for path in inside):
        raise InputError(f"image_dir_path is '{image_dir}', where results would go; choose another output_dir.")
    json_file = path_of(asked.json_file)
    checks.check_not_overwritten(json_file, output_dir, (SUMMARY, PAGE))
    return image_dir, json_file, output_dir


def _check_shared(items: list[Item]) -> None:
    job.check_learning((item.settings for item in items), "a shared generator (save_path, epochs)")
    sizes = sorted({item.settings.paper.max_window_size for item in items})
    if len(sizes) > 1:
        have = f"The items have max_window_size {', '.join(map(str, sizes))}, and one shared generator reads one"
        raise InputError(f"{have}; give all the same, or leave out save_path and epochs.")


def digest_of_file(path: Path) -> str:
    """The SHA-256 of a file; "" of one that is gone, of which its turn will say so."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def model_identity(choice: ModelChoice) -> list[str]:
    """What tells one model from another: of files their sizes and ends, of others the name."""
    return [str(choice.dtype), *(_identity(name) for name in (choice.pipeline, *choice.clip, choice.dino))]


def _identity(name: str) -> str:
    root = path_of(name.removeprefix("local-dir:"))
    if not name or not os.path.exists(root):
        return name
    digest = hashlib.sha256()
    for path in sorted(p for p in root.rglob("*") if p.is_file()) if root.is_dir() else [root]:
        size = path.stat().st_size
        digest.update(f"{os.path.relpath(path, root)}\0{size}\0".encode())
        with path.open("rb") as file:
            file.seek(max(0, size - _END))
            digest.update(file.read(_END))
    return digest.hexdigest()
