"""The three models of an edit, loaded together: one place says in which order and how quietly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from ..quiet import quiet_libraries
from .clip import ClipScorer
from .clip_loading import load_clip
from .dino import DinoEncoder
from .dino_loading import load_dino


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
) -> Models:
    """The models on `device`, the small encoders first; `dtype` is the pipeline's, theirs is float32.

    `pipeline`: a hub id, a diffusers folder or a file; `clip`: open_clip's model and its weights; `dino`: a
    hub id or a folder. InputError where one cannot be had, or diffusers is not installed.
    """
    from ..paint.diffusers_loading import load_pipeline, pipeline_class

    pipeline_class()  # told before minutes of loading
    encoders = load_encoders(clip, dino, device)
    with quiet_libraries():
        return Models(load_pipeline(pipeline, device, dtype), encoders.dino, encoders.scorer)


def load_encoders(clip: tuple[str, str], dino: str, device: torch.device | str = "cpu") -> Models:
    """`load_models` without what paints: its `pipe` is None."""
    with quiet_libraries():
        return Models(None, load_dino(dino, device=device), load_clip(clip[0], clip[1] or None, device=device))
