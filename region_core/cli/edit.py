"""The `edit` command: load what was chosen, edit, write."""

from __future__ import annotations

import argparse
import logging
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from .exit_codes import STOPPED
from .job import NO_SAY, Job, ModelChoice, check_edit

if TYPE_CHECKING:
    from ..encoders import ClipScorer, DinoEncoder


@dataclass
class Models:
    """The loaded models of a job."""

    inpainter: Any
    dino: DinoEncoder
    scorer: ClipScorer


def load_parts(choice: ModelChoice, max_window_size: int) -> tuple[Any, DinoEncoder, ClipScorer]:
    """(diffusers pipeline, DINO, CLIP) as chosen, the small encoders first.

    InputError where one cannot be had, or where `max_window_size` is larger than DINO's grid.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # libraries about each other; nothing a person can act on
        _hush()
        from ..encoders import load_clip, load_dino
        from ..painting.diffusers_inpainter import load_pipeline

        dino = load_dino(choice.dino, device=choice.device)
        grid = dino.image_size // dino.patch_size
        if max_window_size > grid:
            raise InputError(f"max_window_size is {max_window_size}, and the grid of the DINO "
                             f"model has {grid} x {grid} cells; choose from 1 to {grid}.")
        scorer = load_clip(choice.clip[0], choice.clip[1] or None, device=choice.device)
        return load_pipeline(choice.pipeline, choice.device, choice.dtype), dino, scorer


def feature_dim(dino: DinoEncoder) -> int:
    """How many numbers DINO gives for a cell."""
    config: Any = dino.model.config
    return int(config.hidden_size)


def load_models(job: Job) -> Models:
    """Load what the job names."""
    pipe, dino, scorer = load_parts(job, job.settings.max_window_size)
    from ..painting.diffusers_inpainter import DiffusersInpainter

    if job.generator is not None:
        from ..generator.network import check_fit

        check_fit(job.generator, "load_checkpoint_path", feature_dim(dino),
                  job.settings.max_window_size)
    return Models(DiffusersInpainter(pipe, job.prompt, job.negative_prompt), dino, scorer)


def run(job: Job, more: Callable[[Any], dict[str, Any]] | None = None) -> tuple[int, Any]:
    """Load, edit, write: (exit code, the EditResult or None where it was stopped).

    `more` may add entries to the report, given the result.
    """
    started = time.perf_counter()
    models = load_models(job)
    from ..edit import edit_image
    from .progress import Progress
    from .report import write_result, write_stopped

    asked = {"image_caption": job.caption, "editing_prompt": job.prompt}
    try:
        with Progress(shown=job.shown) as progress:
            result = edit_image(
                job.image, job.caption, job.prompt, inpainter=models.inpainter,
                dino=models.dino, scorer=models.scorer, settings=job.settings,
                generator=job.generator, seed=job.settings.seed, on_event=progress)
    except KeyboardInterrupt:
        kept = write_stopped(job.output_dir, job.picture, progress, job.settings, job.stem, {
            "unet_evaluations": models.inpainter.evaluations,
            "seconds": time.perf_counter() - started, **asked})
        print(f"Stopped after {progress.done} of {progress.total} stages; " + (
            f"the best picture so far is '{job.output_dir / 'edited.png'}'." if kept else
            "there was no picture to keep yet."), file=sys.stderr)
        return STOPPED, None
    write_result(job.output_dir, job.picture, result, job.stem, draw_box=job.draw_box,
                 more={**asked, **(more(result) if more else {})})
    if job.save_path is not None:
        from ..generator.network import save_generator

        if result.generator is not None and result.rounds:
            save_generator(result.generator, job.save_path, asdict(job.settings))
        else:
            print("Nothing was learned, for there was nothing to look at; no generator was saved.",
                  file=sys.stderr)
    if job.generator is not None and not job.settings.max_previews:
        print(NO_SAY, file=sys.stderr)
    return 0, result


def edit(args: argparse.Namespace) -> int:
    """The `edit` command."""
    job = check_edit(args)
    code, result = run(job)
    if result is not None:
        print(f"verdict    {result.verdict}\nbox        {result.box}\n"
              f"score      {result.score:.3f} (source {result.source_score:.3f})\n"
              f"UNet evaluations {result.unet_evaluations:g}; with encoders and VAE "
              f"{result.cost.total:.1f}\nseconds    {result.seconds:.1f}\n"
              f"written to {job.output_dir}")
    return code


def _hush() -> None:
    """Keep the libraries' own bars and notes off stderr: it is for the progress and for errors."""
    from diffusers.utils import logging as diffusers_log
    from transformers.utils import logging as transformers_log

    for log in (diffusers_log, transformers_log):
        log.disable_progress_bar()
        log.set_verbosity_error()
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
