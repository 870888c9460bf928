"""The `edit` command: load what was chosen, edit, write."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from ..edit import EditResult
from ..paper.network import check_fit, save_generator
from ..report_text import summary, table
from . import STOPPED
from .engine import Engine
from .job import Job, check_edit
from .progress import Progress
from .report import write_result, write_stopped
from .signals import patient


def run(
    job: Job, engine: Engine, more: Callable[[EditResult], dict[str, Any]] = lambda _: {}
) -> tuple[int, EditResult | None]:
    """Load, edit, write: (exit code, the result or None where it was stopped).

    `more` may add entries to the report, given the result.
    """
    started = time.perf_counter()
    if job.picture.note:
        print(job.picture.note, file=sys.stderr)
    models = engine.load(job, job.settings.max_window_size)
    if job.generator is not None:
        check_fit(job.generator, "load_checkpoint_path", models.dino.feature_dim, job.settings)
    inpainter = engine.inpainter(models, job.prompt, job.negative_prompt)

    asked = {"image_caption": job.caption, "editing_prompt": job.prompt}
    with patient():
        try:
            with Progress(shown=job.shown) as progress:
                result = engine.edit(
                    models,
                    job.image,
                    job.caption,
                    job.prompt,
                    inpainter=inpainter,
                    settings=job.settings,
                    generator=job.generator,
                    seed=job.settings.seed,
                    on_event=progress,
                )
        except KeyboardInterrupt:
            spent = {"unet_evaluations": inpainter.evaluations, "seconds": time.perf_counter() - started}
            kept = write_stopped(job.output_dir, job.picture, progress, job.settings, job.stem, {**spent, **asked})
            best = f"the best picture so far is '{job.output_dir / 'edited.png'}'."
            print(
                f"Stopped after {progress.done:.0%} of the work; "
                + (best if kept else "there was no picture to keep yet."),
                file=sys.stderr,
            )
            return STOPPED, None
        rest = {**asked, **more(result)}

        def write() -> None:
            write_result(job.output_dir, job.picture, result, job.stem, draw_box=job.draw_box, more=rest)

        try:
            write()
        except KeyboardInterrupt:  # all the work is done: it is kept, if nobody insists
            write()
            raise
    if job.save_path is not None:
        if result.generator is not None and result.rounds:
            taught_on = {"image": job.stem, **asked, "previews": len(result.rounds)}
            save_generator(result.generator, job.save_path, asdict(job.settings), {"pictures": [taught_on]})
        else:
            print(
                f"Nothing was learned ({result.reason or result.stopped}); no generator was saved. With --previews "
                "always there are previews to learn from.",
                file=sys.stderr,
            )
    return 0, result


def edit(args: argparse.Namespace, engine: Engine) -> int:
    """The `edit` command."""
    job = check_edit(args)
    code, result = run(job, engine)
    if result is not None:
        print(table([*summary(result), ("written to", str(job.output_dir))]))
    return code
