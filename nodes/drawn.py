"""What is only looked at: it may fail, and the work goes on without it."""

from __future__ import annotations

from typing import Any

import torch
from comfy import model_management
from PIL import Image, ImageDraw, ImageFont

from ..region_core.draw import draw_boxes
from ..region_core.find import SHOWN, Regions
from ..region_core.picture import to_pil
from ..region_core.plot import PAPER, SIZE, SOFT
from ..region_core.showing import Showing as CoreShowing


class Showing(CoreShowing):
    """The core's; Cancel passes."""

    passes = (model_management.InterruptProcessingException,)


def draw_regions(picture: torch.Tensor, regions: Regions) -> Any:
    """A picture [1,3,H,W] with the best regions in it, by their numbers; those that came nearest, without numbers,
    where nothing was found."""
    return Showing()(lambda: _drawn(picture[0], regions), to_pil(picture[0]))


def _drawn(picture: torch.Tensor, regions: Regions) -> Image.Image:
    if not regions:
        return draw_boxes(picture, [region.box for region in regions.likeliest])
    boxes = [region.box for region in regions[:SHOWN]]
    numbers = [str(place) for place in range(1, len(boxes) + 1)]
    return draw_boxes(picture, boxes[1:], boxes[0], numbers[0], labels=numbers[1:])


def no_curve(words: str = "no rounds: only preset paper learns") -> Image.Image:
    """In the place of a curve where there is none."""
    picture = Image.new("RGB", SIZE, PAPER)
    if words:
        ImageDraw.Draw(picture).text((SIZE[0] / 2, SIZE[1] / 2), words, SOFT, ImageFont.load_default(20), anchor="mm")
    return picture
