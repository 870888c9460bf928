"""The `edit` command: load what was chosen, find, paint, write."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from ..cost import cost_so_far
from ..edits import Edits
from ..encoders.loading import Models
from ..errors import first_line
from ..find import Regions
from ..paint import Painter
from ..paper.network import build_generator, check_fit, save_generator
from ..report_text import table
from . import STOPPED
from .engine import Engine
from .job import Job, check_edit
from .progress import Progress
from .report import Done, told, write_result, write_stopped
from .saved_regions import FOLDER, picked, save_regions


def edit(asked: SimpleNamespace, engine: Engine) -> int:
    """The `edit` command."""
    job = check_edit(asked)
    code, edits = run(job, engine)
    if edits is not None:
        print(table([*told(edits), ("written to", str(job.output_dir))]))
    return code


def run(job: Job, engine: Engine, more: Callable[[Done], dict[str, Any]] = lambda _: {}) -> tuple[int, Done | None]:
    """Load, edit, write: (exit code, the result or None where it was stopped).

    `more` may add entries to the report, given the result.
    """
    started = time.perf_counter()
    if job.picture.note:
        print(job.picture.note, file=sys.stderr)
    models = engine.load(job.choice)
    if job.generator is not None:
        check_fit(job.generator, "load_checkpoint_path", models.dino.feature_dim, job.settings.paper)
    painter = None if job.requests else engine.painter(models, job.prompt, job.negative_prompt)
    asked = {} if job.requests else {"image_caption": job.caption, "editing_prompt": job.prompt}
    found: list[Regions] = []

    def keep(regions: Regions) -> None:
        if not found and job.regions is None:  # else they lie where they were taken from
            save_regions(job.output_dir / FOLDER, regions)
            found.append(regions)

    if job.save_path is not None and job.generator is None:  # made here, so that a run that is stopped has it, too
        sizes = job.settings.paper.max_window_size
        job = replace(job, generator=build_generator(models.dino.feature_dim, sizes, job.settings.seed))

    with Progress(shown=job.shown, found=keep) as progress:
        try:
            edits = _edited(job, engine, models, painter, progress)
        except (KeyboardInterrupt, Exception) as error:  # whatever it is, what was found and painted is not lost by it
            stopped = isinstance(error, KeyboardInterrupt)
            why = first_line(error) if isinstance(error, Exception) else ""
            spent = {"seconds": time.perf_counter() - started, "reason": why}
            if painter is not None:
                spent["unet_evaluations"] = getattr(painter, "evaluations", None)
            kept = write_stopped(job.output_dir, job.picture, progress, job.settings, job.stem, {**spent, **asked})
            if kept:
                _save(job, asked, progress.rounds)
            if stopped or kept or found:
                print(_stopped(job, progress, kept, bool(found)), file=sys.stderr)
            if stopped:
                return STOPPED, None
            raise
    rest = {**asked, **more(edits)}

    def write() -> None:
        write_result(job.output_dir, job.picture, edits, job.stem, draw_box=job.draw_box, more=rest)
        _save(job, asked, edits.rounds if isinstance(edits, Edits) else [])

    try:
        write()
    except KeyboardInterrupt:  # all the work is done: it is kept, if nobody insists
        write()
        raise
    return 0, edits


def _save(job: Job, asked: dict[str, str], rounds: list[dict]) -> None:
    """Save what the rounds have taught the region generator, where that is asked for."""
    if job.save_path is not None and job.generator is not None:
        taught_on = {"image": job.stem, **asked, "rounds": len(rounds)}
        save_generator(job.generator, job.save_path, job.settings.flat(), {"pictures": [taught_on]})


def _edited(job: Job, engine: Engine, models: Models, painter: Painter | None, progress: Progress) -> Done:
    asked: dict[str, Any] = {"settings": job.settings, "on_event": progress}
    if painter is None:
        return engine.edit_several(models, job.image, job.requests, job.negative_prompt, **asked)
    before, started = cost_so_far(painter, models.dino, models.scorer), time.monotonic()
    encoded, regions = None, job.regions
    if regions is None and job.pick is not None:
        encoded = engine.encode(models, job.image)
        regions = engine.find(models, encoded, job.caption, job.settings.find)
        progress.found(regions)
        regions = picked(regions, job.pick)
    asked |= {"painter": painter, "encoded": encoded, "regions": regions, "generator": job.generator}
    edits = engine.edit(models, job.image, job.caption, job.prompt, **asked)
    cost = cost_so_far(painter, models.dino, models.scorer) - before
    return replace(edits, cost=cost, seconds=time.monotonic() - started)


def _stopped(job: Job, progress: Progress, kept: bool, found: bool) -> str:
    best = f"the best picture so far is '{job.output_dir / 'edited.png'}'."
    if progress.several is not None:
        made, lines = sum(bool(one.edits) for one in progress.several.answers), len(job.requests)
        best = f"the picture with {made} of {lines} edits is '{job.output_dir / 'edited.png'}'."
    said = f"Stopped after {progress.done:.0%} of the work; " + (best if kept else "there was no picture to keep yet.")
    if kept and job.save_path is not None:
        said += f" What was learned so far is in '{job.save_path}'."
    if found:
        said += f" What was found is in '{job.output_dir / FOLDER}': with --regions the command goes on from there."
    return said
