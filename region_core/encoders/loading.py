"""The three models of an edit, loaded together: one place says in which order and how quietly."""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass
from typing import Any

import torch

from ..errors import InputError
from .clip import ClipScorer, load_clip
from .dino import DinoEncoder, load_dino


@dataclass(frozen=True)
class Models:
    """An inpainting pipeline, a DINO encoder and a CLIP scorer."""

    pipe: Any
    dino: DinoEncoder
    scorer: ClipScorer


def load_models(pipeline: str, clip: tuple[str, str], dino: str, device: torch.device | str = "cpu",
                dtype: torch.dtype = torch.float32, *, max_window_size: int = 1) -> Models:
    """The models on `device`, the small encoders first; `dtype` is the pipeline's, theirs is float32.

    `pipeline`: a hub id, a diffusers folder or a file; `clip`: open_clip's model and its weights; `dino`: a
    hub id or a folder. InputError where one cannot be had, or where `max_window_size` is larger than DINO's
    grid.
    """
    encoders = load_encoders(clip, dino, device, max_window_size=max_window_size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from ..painting.diffusers_inpainter import load_pipeline

        return Models(load_pipeline(pipeline, device, dtype), encoders.dino, encoders.scorer)


def load_encoders(clip: tuple[str, str], dino: str, device: torch.device | str = "cpu", *,
                  max_window_size: int = 1) -> Models:
    """`load_models` without what paints: its `pipe` is None."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # libraries about each other; nothing a person can act on
        _hush()
        encoder = load_dino(dino, device=device)
        grid = encoder.image_size // encoder.patch_size
        if max_window_size > grid:
            raise InputError(f"max_window_size is {max_window_size}, and the grid of the DINO model has "
                             f"{grid} x {grid} cells; choose from 1 to {grid}.")
        return Models(None, encoder, load_clip(clip[0], clip[1] or None, device=device))


def _hush() -> None:
    """Keep the libraries' own bars and notes off stderr: it is for the progress and for errors."""
    from diffusers.utils import logging as diffusers_log
    from transformers.utils import logging as transformers_log

    for log in (diffusers_log, transformers_log):
        log.disable_progress_bar()
        log.set_verbosity_error()
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
