"""Edits with as little work as there can be, by the embedded models, for tests of the whole way."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from PIL import Image

from region_core import EncodedPicture, Region, Regions
from region_core.edit import edit_image
from region_core.edits import Edits
from region_core.encode import encode_picture
from region_core.encoders.loading import Models
from region_core.find import find_regions
from region_core.paint.diffusers_painter import DiffusersPainter
from region_core.settings import EditSettings

CAPTION, PROMPT = "a red circle", "a blue square"
QUICK = EditSettings().with_values(num_regions=1, steps=4, guidance_scale=3.0)
PAPER = QUICK.with_values(method="paper", point_number=3, max_window_size=6, per_image_iteration=2, views=1)


def insisted(regions: Regions) -> Regions:
    """The likeliest regions also where nothing answers to the caption, as in noise."""
    return regions if regions.found else replace(regions, regions=regions.likeliest, why="")


def edit(
    models: Models,
    image: Any,
    settings: EditSettings = QUICK,
    *,
    caption: str = CAPTION,
    prompt: str = PROMPT,
    painter: Any = None,
    **more: Any,
) -> Edits:
    """An edit also of what nothing in the picture answers to."""
    if settings.method == "evidence" and "regions" not in more:
        encoded = more.get("encoded") or encode_picture(image, dino=models.dino, scorer=models.scorer)
        found = find_regions(
            encoded, caption, scorer=models.scorer, settings=settings.find, prior=more.pop("prior", None)
        )
        more |= {"encoded": encoded, "regions": insisted(found)}
    return edit_image(
        image,
        caption,
        prompt,
        dino=models.dino,
        scorer=models.scorer,
        painter=painter or DiffusersPainter(models.pipe, prompt),
        settings=settings,
        **more,
    )


def regions_at(encoded: EncodedPicture, *boxes: tuple[int, int, int, int], caption: str = CAPTION) -> Regions:
    """Regions that a person has drawn, all equally likely."""
    size = encoded.picture.height, encoded.picture.width
    return Regions(tuple(Region.from_box(box, *size) for box in boxes), encoded.key, caption, torch.ones(1, 1, 8, 8))


def noise_picture(width: int, height: int, mode: str = "RGB") -> Image.Image:
    rng = np.random.default_rng(3)
    channels = {"RGB": 3, "RGBA": 4}[mode]
    return Image.fromarray(rng.integers(0, 256, (height, width, channels), dtype=np.uint8), mode)


def scene_picture(scene) -> Image.Image:
    return Image.fromarray(scene.image)
