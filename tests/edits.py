"""Edits with as little work as there can be, for tests of the whole way."""

from __future__ import annotations

import math
from unittest import mock

import numpy as np
from PIL import Image

from region_core.edit import edit_image
from region_core.encoders.loading import Models
from region_core.find import regions
from region_core.paint.diffusers_painter import DiffusersInpainter
from region_core.settings import SearchSettings

CAPTION, PROMPT = "a red circle", "a blue square"
QUICK = SearchSettings(
    point_number=3,
    max_window_size=6,
    per_image_iteration=2,
    preview_steps=2,
    previews="never",
    num_regions=1,
    steps=4,
    guidance_scale=3.0,
    views=1,
)
TAUGHT = QUICK.with_values(previews="always")  # two previews, which teach


def edit(models: Models, image, settings: SearchSettings = QUICK, *, prompt: str = PROMPT, inpainter=None, **values):
    """An edit also of what nothing in the picture answers to, such as noise."""
    with mock.patch.object(regions, "PRESENT", -math.inf):
        return edit_image(
            image,
            CAPTION,
            prompt,
            dino=models.dino,
            scorer=models.scorer,
            inpainter=inpainter or DiffusersInpainter(models.pipe, prompt),
            settings=settings,
            **values,
        )


def noise_picture(width: int, height: int, mode: str) -> Image.Image:
    rng = np.random.default_rng(3)
    channels = {"RGB": 3, "RGBA": 4}[mode]
    return Image.fromarray(rng.integers(0, 256, (height, width, channels), dtype=np.uint8), mode)


def scene_picture(scene) -> Image.Image:
    return Image.fromarray(scene.image)
