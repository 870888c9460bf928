"""The three models of an edit, loaded together: one place says in which order and how quietly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from ..errors import InputError
from ..quiet import quiet_libraries
from .clip import ClipScorer
from .clip_loading import load_clip
from .dino import DinoEncoder, load_dino


@dataclass(frozen=True)
class Models:
    """An inpainting pipeline, a DINO encoder and a CLIP scorer."""

    pipe: Any
    dino: DinoEncoder
    scorer: ClipScorer


def load_models(
    pipeline: str,
    clip: tuple[str, str],
    dino: str,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    *,
    max_window_size: int = 1,
) -> Models:
    """The models on `device`, the small encoders first; `dtype` is the pipeline's, theirs is float32.

    `pipeline`: a hub id, a diffusers folder or a file; `clip`: open_clip's model and its weights; `dino`: a
    hub id or a folder. InputError where one cannot be had, or where `max_window_size` is larger than DINO's
    grid.
    """
    encoders = load_encoders(clip, dino, device, max_window_size=max_window_size)
    with quiet_libraries():
        from ..paint.diffusers_painter import load_pipeline

        return Models(load_pipeline(pipeline, device, dtype), encoders.dino, encoders.scorer)


def load_encoders(
    clip: tuple[str, str], dino: str, device: torch.device | str = "cpu", *, max_window_size: int = 1
) -> Models:
    """`load_models` without what paints: its `pipe` is None."""
    with quiet_libraries():
        encoder = load_dino(dino, device=device)
        grid = encoder.image_size // encoder.patch_size
        if max_window_size > grid:
            raise InputError(
                f"max_window_size is {max_window_size}, and the grid of the DINO model has "
                f"{grid} x {grid} cells; choose from 1 to {grid}."
            )
        return Models(None, encoder, load_clip(clip[0], clip[1] or None, device=device))
