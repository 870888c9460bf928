"""The embedded models of the shapes world, loaded by the same code as real ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..encoders import ClipScorer, DinoEncoder, load_clip, load_dino
from ..painting.diffusers_inpainter import load_pipeline
from ..settings import SearchSettings, preset

WEIGHTS = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class ShapesModels:
    """An inpainting pipeline, a DINO encoder and a CLIP scorer that know coloured shapes."""

    pipe: Any
    dino: DinoEncoder
    scorer: ClipScorer


def load_shapes_models(device: str | torch.device = "cpu",
                       dtype: torch.dtype = torch.float32) -> ShapesModels:
    """The models of `weights/` on `device`; `dtype` is the pipeline's, the encoders stay float32."""
    return ShapesModels(
        pipe=load_pipeline(WEIGHTS / "inpaint", device, dtype),
        dino=load_dino(str(WEIGHTS / "dino"), device=device, dtype=torch.float32),
        scorer=load_clip(f"local-dir:{WEIGHTS / 'clip'}", device=device, dtype=torch.float32))


GUIDANCE = 3.0  # the small UNet's best; Stable Diffusion's 7.5 overshoots with it
GROW = 4  # pixels; slivers of the old object beside a tight box would spoil the new one


def shapes_settings(name: str) -> SearchSettings:
    """A preset with the guidance and mask growth that suit the embedded UNet."""
    return preset(name).with_values(guidance_scale=GUIDANCE, grow=GROW)
