"""The command line: `python -m region_core demo` and `python -m region_core edit`."""

from __future__ import annotations

import argparse
import logging
import re
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import InputError
from .options import CLIP_MODEL, CLIP_PRETRAINED, DINO_MODEL, build_parser, settings_from

if TYPE_CHECKING:
    import torch

    from .encoders import ClipScorer, DinoEncoder
    from .generator import RegionGenerator
    from .images import Picture
    from .settings import SearchSettings

BAD_INPUT, STOPPED = 2, 130  # exit codes; 130 is what shells say of Ctrl-C
DTYPES = ("float32", "float16", "bfloat16")


@dataclass
class Job:
    """One edit, checked as far as can be without its models."""

    picture: Picture
    stem: str
    caption: str
    prompt: str
    negative_prompt: str
    output_dir: Path
    settings: SearchSettings
    device: torch.device
    dtype: torch.dtype
    pipeline: str
    clip: tuple[str, str]
    dino: str
    draw_box: bool = False
    shown: bool = True
    guidance_given: bool = True
    generator: RegionGenerator | None = None
    save_path: Path | None = None

    @property
    def image(self) -> Any:
        """The picture as `edit_image` takes it, alpha included."""
        return self.picture.rgb if self.picture.source is None else self.picture.source


@dataclass
class Models:
    """The loaded models of a job."""

    inpainter: Any
    dino: DinoEncoder
    scorer: ClipScorer


def choose_device(name: str | None) -> torch.device:
    """The device of that name, or the machine's accelerator; InputError where it cannot be used."""
    import torch

    if name is None:
        found = torch.accelerator.current_accelerator(check_available=True)
        return found if found is not None else torch.device("cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise InputError(f"device is '{name}', which cannot be used here "
                         f"({str(error).strip().splitlines()[0]}); choose another, such as cpu."
                         ) from None
    return device


def choose_dtype(name: str | None, device: torch.device, *, small: bool) -> torch.dtype:
    """The type of that name; by default float32 on a CPU and for small models, else float16."""
    import torch

    if name is None:
        name = "float32" if small or device.type == "cpu" else "float16"
    if name not in DTYPES:
        raise InputError(f"dtype is '{name}'; choose one of {', '.join(DTYPES)}.")
    return getattr(torch, name)


def shapes_models() -> tuple[str, tuple[str, str], str]:
    """Where the embedded pipeline, CLIP and DINO are."""
    from .shapes.models import WEIGHTS

    return str(WEIGHTS / "inpaint"), (f"local-dir:{WEIGHTS / 'clip'}", ""), str(WEIGHTS / "dino")


def check_edit(args: argparse.Namespace) -> Job:
    """The job of an `edit` command; raises InputError for all that can be known to be wrong now."""
    from . import checks

    settings = settings_from(args)
    checks.check_texts(args.image_caption, args.editing_prompt)
    if args.models not in (None, "shapes"):
        raise InputError(f"models is '{args.models}'; choose shapes, or leave it out.")
    small = args.models == "shapes"
    from .diffusers_inpainter import DEFAULT_MODEL
    from .images import load_picture
    from .report import RESULTS

    path, output_dir = Path(args.image_file_path), Path(args.output_dir)
    picture = load_picture(path)
    pipeline, clip, dino = (shapes_models() if small else
                            (DEFAULT_MODEL, (CLIP_MODEL, CLIP_PRETRAINED), DINO_MODEL))
    pipeline = args.diffusion_model_path or pipeline
    clip = (args.clip_model or clip[0], args.clip_pretrained or clip[1])
    dino = args.dino_model or dino
    checks.check_inpainting_model("diffusion_model_path", pipeline)
    checks.check_clip(*clip)
    checks.check_model_path("dino_model", dino)
    boxes = (f"boxes/{path.stem}.png",) if args.draw_box else ()
    checks.check_writable("output_dir", output_dir)
    checks.check_not_overwritten(path, output_dir, RESULTS + boxes)
    generator = save_path = None
    if args.save_path is not None:
        save_path = Path(args.save_path)
        if save_path.suffix != ".safetensors":
            save_path = save_path / "generator.safetensors"
        checks.check_writable("save_path", save_path.parent)
    device = choose_device(args.device)
    if args.load_checkpoint_path is not None:
        from .generator import load_generator

        generator, _ = load_generator(args.load_checkpoint_path, device=device)
    return Job(picture=picture, stem=path.stem, caption=args.image_caption,
               prompt=args.editing_prompt, negative_prompt=args.negative_prompt,
               output_dir=output_dir, settings=settings, device=device,
               dtype=choose_dtype(args.dtype, device, small=small), pipeline=pipeline, clip=clip,
               dino=dino, draw_box=args.draw_box, shown=not args.quiet, generator=generator,
               guidance_given=args.guidance_scale is not None or not small, save_path=save_path)


def load_models(job: Job) -> Models:
    """Load what the job names, the small encoders first; changes `job.settings` to fit them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # libraries about each other; nothing a person can act on
        _hush()
        return _load_models(job)


def _load_models(job: Job) -> Models:
    from .diffusers_inpainter import DiffusersInpainter, load_pipeline
    from .encoders import load_clip, load_dino

    dino = load_dino(job.dino, device=job.device)
    grid = dino.image_size // dino.patch_size
    if job.settings.max_window_size > grid:
        raise InputError(f"max_window_size is {job.settings.max_window_size}, and the grid of the "
                         f"DINO model has {grid} x {grid} cells; choose from 1 to {grid}.")
    scorer = load_clip(job.clip[0], job.clip[1] or None, device=job.device)
    pipe = load_pipeline(job.pipeline, job.device, job.dtype)
    if not job.guidance_given:
        from .shapes import models

        guidance = getattr(models, "GUIDANCE", None)
        job.settings = job.settings.with_values(guidance_scale=guidance)
    return Models(DiffusersInpainter(pipe, job.prompt, job.negative_prompt), dino, scorer)


def run(job: Job, more: Callable[[Any], dict[str, Any]] | None = None) -> tuple[int, Any]:
    """Load, edit, write: (exit code, the EditResult or None where it was stopped).

    `more` may add entries to the report, given the result.
    """
    started = time.perf_counter()
    models = load_models(job)
    from .edit import edit_image
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
        kept = write_stopped(job.output_dir, job.picture, progress, job.settings,
                             time.perf_counter() - started, asked)
        print(f"Stopped after {progress.done} looks; " + (
            f"the best picture so far is '{job.output_dir / 'edited.png'}'." if kept else
            "there was no picture to keep yet."), file=sys.stderr)
        return STOPPED, None
    write_result(job.output_dir, job.picture, result, job.stem, draw_box=job.draw_box,
                 more={**asked, **(more(result) if more else {})})
    if job.save_path is not None and result.generator is not None:
        from .generator import save_generator

        save_generator(result.generator, job.save_path, asdict(job.settings))
    return 0, result


def edit(args: argparse.Namespace) -> int:
    """The `edit` command."""
    job = check_edit(args)
    code, result = run(job)
    if result is not None:
        print(f"verdict    {result.verdict}\nbox        {result.box}\n"
              f"score      {result.score:.3f} (source {result.source_score:.3f})\n"
              f"UNet evaluations {result.unet_evaluations}\nseconds    {result.seconds:.1f}\n"
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


def guarded(command: Callable[[], int]) -> int:
    """Run a command: an InputError is one line on stderr and exit code 2, Ctrl-C is 130."""
    try:
        return command()
    except InputError as error:
        print("error: " + re.sub(r"\s+", " ", str(error)), file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("Stopped; nothing was written.", file=sys.stderr)
        return STOPPED


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    def command() -> int:
        args = build_parser().parse_args(argv)
        if args.command == "demo":
            from .demo import demo

            return demo(args)
        return edit(args)

    return guarded(command)
