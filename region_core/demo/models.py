"""The embedded models of the shapes world, loaded by the same code as real ones."""

from __future__ import annotations

from pathlib import Path

import torch

from ..encoders.loading import Models, load_models
from ..settings import EditSettings, preset

WEIGHTS = Path(__file__).parent / "weights"
PIPELINE, CLIP, DINO = str(WEIGHTS / "inpaint"), (f"local-dir:{WEIGHTS / 'clip'}", ""), str(WEIGHTS / "dino")

# what suits the embedded UNet: 7.5, Stable Diffusion's, overshoots with it
SUITED = {"guidance_scale": 3.0}


def load_shapes_models(device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32) -> Models:
    """The models of `weights/` on `device`; `dtype` is the pipeline's, the encoders stay float32."""
    return load_models(PIPELINE, CLIP, DINO, device, dtype)


def shapes_settings(name: str) -> EditSettings:
    """A preset with the guidance that suits the embedded UNet."""
    return preset(name).with_values(**SUITED)
