"""What is only looked at: it may fail, and the work goes on without it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import torch
from comfy import model_management
from PIL import Image, ImageDraw, ImageFont

from ..region_core.draw import draw_boxes
from ..region_core.errors import escape_for_console, first_line
from ..region_core.find import SHOWN, Regions
from ..region_core.picture import to_pil
from ..region_core.plot import PAPER, SIZE, SOFT

log = logging.getLogger(__name__)


class Showing:
    """Makes what is only looked at: what fails there is told once. Cancel passes."""

    def __init__(self) -> None:
        self.told = False

    def __call__(self, make: Callable[[], Any], instead: Any = None) -> Any:
        """What `make` gives; `instead` where it fails."""
        try:
            return make()
        except model_management.InterruptProcessingException:
            raise
        except Exception as error:  # of a previewer, a font or a progress bar, which other packs replace
            if not self.told:
                log.warning(
                    "a picture of the work could not be shown (%s); it goes on", escape_for_console(first_line(error))
                )
            self.told = True
            return instead


def draw_regions(picture: torch.Tensor, regions: Regions) -> Any:
    """A picture [1,3,H,W] with the best regions in it, by their numbers; those that came nearest, without numbers,
    where nothing was found."""
    if not regions:
        return draw_boxes(picture[0], [region.box for region in regions.likeliest])
    boxes = [region.box for region in regions[:SHOWN]]
    numbers = [str(place) for place in range(1, len(boxes) + 1)]
    return Showing()(
        lambda: draw_boxes(picture[0], boxes[1:], boxes[0], numbers[0], labels=numbers[1:]), to_pil(picture[0])
    )


def no_curve(words: str = "no rounds: only preset paper learns") -> Image.Image:
    """In the place of a curve where there is none."""
    picture = Image.new("RGB", SIZE, PAPER)
    if words:
        ImageDraw.Draw(picture).text((SIZE[0] / 2, SIZE[1] / 2), words, SOFT, ImageFont.load_default(20), anchor="mm")
    return picture
