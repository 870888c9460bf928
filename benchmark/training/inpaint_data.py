"""Cached latents for the inpainting UNet: one clean latent a scene, a few masked ones beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch.nn import functional as F

from region_core.demo.scenes import BACKGROUND, SIZE, SceneObject

from .data import scene_bank

MASKS_PER_SCENE = 3
CELL = 8  # pixels a latent cell
Box = tuple[int, int, int, int]


def _grown(box: Box, rng: np.random.Generator) -> Box:
    """An object's box with every side moved out by up to 45 % of the object, at random."""
    x0, y0, x1, y1 = box
    w, h = x1 - x0, y1 - y0
    left, up, right, down = rng.uniform(0, 0.45, size=4) * rng.uniform(0, 1)
    grown = (x0 - left * w, y0 - up * h, x1 + right * w, y1 + down * h)
    return (
        max(0, int(grown[0])),
        max(0, int(grown[1])),
        min(SIZE, int(np.ceil(grown[2]))),
        min(SIZE, int(np.ceil(grown[3]))),
    )


def _empty_box(objects: tuple[SceneObject, ...], rng: np.random.Generator) -> Box | None:
    """A box of 24 to 70 pixels a side that meets no object; None where luck ran out."""
    for _ in range(12):
        w, h = rng.integers(24, 71, size=2)
        x, y = int(rng.integers(0, SIZE - w + 1)), int(rng.integers(0, SIZE - h + 1))
        box = (x, y, int(x + w), int(y + h))
        if all(box[2] <= o.box[0] or box[0] >= o.box[2] or box[3] <= o.box[1] or box[1] >= o.box[3] for o in objects):
            return box
    return None


def draw_task(objects: tuple[SceneObject, ...], rng: np.random.Generator) -> tuple[Box, str]:
    """A mask box and the prompt that names what is under it."""
    if rng.random() < 0.15:
        empty = _empty_box(objects, rng)
        if empty is not None:
            return empty, BACKGROUND
    chosen = objects[int(rng.integers(len(objects)))]
    return _grown(chosen.box, rng), chosen.name


@torch.no_grad()
def latent_bank(vae: AutoencoderKL, cache_dir: Path, count: int) -> dict:
    """Scaled latents of `count` scenes, in fp16, kept in `cache_dir`.

    `clean` [count, 4, 16, 16]; `masked` [count, MASKS_PER_SCENE, 4, 16, 16]; `boxes`
    [count, MASKS_PER_SCENE, 4] in pixels; `prompts` a list of lists.
    """
    file = cache_dir / f"latents_{count}.pt"
    if file.exists():
        return torch.load(file, weights_only=True)
    pictures, objects = scene_bank(cache_dir, count)
    rng = np.random.default_rng(7)
    scale = vae.config.scaling_factor
    tasks = [[draw_task(row, rng) for _ in range(MASKS_PER_SCENE)] for row in objects]
    vae = vae.to(memory_format=torch.channels_last)  # type: ignore[call-arg]
    clean, masked = [], []
    for start in range(0, count, 16):
        batch = pictures[start : start + 16].float() / 127.5 - 1
        holes = batch.repeat_interleave(MASKS_PER_SCENE, dim=0)
        for k, hole in enumerate(holes):
            x0, y0, x1, y1 = tasks[start + k // MASKS_PER_SCENE][k % MASKS_PER_SCENE][0]
            hole[:, y0:y1, x0:x1] = 0
        both = torch.cat([batch, holes]).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            z = vae.encode(both).latent_dist.mean
        z = (z.float() * scale).half()
        clean.append(z[: len(batch)])
        masked.append(z[len(batch) :].unflatten(0, (len(batch), MASKS_PER_SCENE)))
    bank = {
        "clean": torch.cat(clean),
        "masked": torch.cat(masked),
        "boxes": torch.tensor([[t[0] for t in row] for row in tasks]),
        "prompts": [[t[1] for t in row] for row in tasks],
    }
    torch.save(bank, file)
    return bank


def box_masks(boxes: torch.Tensor) -> torch.Tensor:
    """Latent masks [N, 1, 16, 16] of pixel boxes [N, 4], by nearest neighbour as pipelines do."""
    line = torch.arange(SIZE)
    x = (line >= boxes[:, None, 0]) & (line < boxes[:, None, 2])
    y = (line >= boxes[:, None, 1]) & (line < boxes[:, None, 3])
    pixels = (y[:, None, :, None] & x[:, None, None, :]).float()
    return F.interpolate(pixels, scale_factor=1 / CELL, mode="nearest")
