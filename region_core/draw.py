"""Pictures for people: boxes on the source, a heat map, a sheet of results (the curve: plot.py).

Every function returns a new RGB image.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image, ImageDraw, ImageFont, ImageOps
from torch import Tensor

from .edits import Edits
from .find import SHOWN
from .picture import to_pil
from .plot import ACCENT, INK, PAPER, SOFT, Color, loss_curve
from .report_text import of_edit

__all__ = ["considered", "contact_sheet", "draw_boxes", "heat_map", "loss_curve"]

Rect = tuple[float, float, float, float]

_OTHERS: Color = (225, 232, 240)
_LEGIBLE = 512  # shorter pictures are enlarged to about this before anything is written on them


def draw_boxes(
    source: Image.Image | Tensor,
    boxes: Tensor | Sequence[Sequence[float]],
    best: Sequence[float] | None = None,
    label: str = "",
    labels: Sequence[str] = (),
) -> Image.Image:
    """The source with boxes [N, 4] (xyxy, source pixels) over it, each with its label where there are `labels` ("" for
    none), and, standing out with its own, the `best` one.

    Line width and text follow the picture's size; one of few pixels is enlarged by a whole number so
    that text can be read.
    """
    picture = on_paper(source)
    zoom = max(1, round(_LEGIBLE / max(picture.size)))
    larger = (picture.width * zoom, picture.height * zoom)
    picture = picture.resize(larger, Image.Resampling.LANCZOS)
    line = max(2, round(max(picture.size) / 500))
    halo = max(1, line // 2)
    draw = ImageDraw.Draw(picture, "RGBA")

    def frame(rect: Rect, width: int, color: tuple[int, ...]) -> None:
        draw.rectangle(rect, outline=(0, 0, 0, 130), width=width + 2 * halo)
        draw.rectangle(_inset(rect, halo), outline=color, width=width)

    for place, box in enumerate(boxes):
        rect = _scaled(box, zoom, picture.size)
        frame(rect, line, (*_OTHERS, 215))
        if labels and labels[place]:
            _label(draw, labels[place], rect, picture.size, SOFT)
    if best is not None:
        rect = _scaled(best, zoom, picture.size)
        frame(rect, line * 3, (*ACCENT, 255))
        if label:
            _label(draw, label, rect, picture.size)
    return picture


def considered(edits: Edits) -> Image.Image:
    """The source with the best regions that an edit considered, under the numbers that pick takes, the chosen one
    standing out."""
    chosen, labels = edits.best, []
    label = "" if chosen is None else of_edit(edits, chosen)
    if edits.regions:
        best = enumerate(edits.regions[:SHOWN], 1)
        others = [(number, one) for number, one in best if chosen is None or one is not chosen.region]
        boxes = torch.tensor([one.box for _, one in others], dtype=torch.float32, device="cpu").reshape(-1, 4)
        labels = [str(number) for number, _ in others]
    else:
        boxes = edits.tried_boxes
    return draw_boxes(edits.encoded.picture.rgb, boxes, edits.box, label, labels)


def heat_map(source: Tensor, heat: Tensor) -> Image.Image:
    """The source [1, 3, H, W], greyed, under a map [1, 1, h, w] of 0 to 1: blue is low, yellow higher, red high."""
    grey = on_paper(source).convert("L").convert("RGB")
    level = to_pil(heat.expand(-1, 3, -1, -1)).resize(grey.size, Image.Resampling.BICUBIC).convert("L")
    return Image.blend(grey, ImageOps.colorize(level, (20, 30, 110), (200, 30, 30), (250, 210, 70)), 0.6)


def contact_sheet(
    images: Sequence[Image.Image | Tensor], captions: Sequence[str], columns: int, cell: int = 256
) -> Image.Image:
    """Images side by side, each fitted into cell x cell pixels, with its caption below (two lines)."""
    columns = min(columns, len(images))
    font = ImageFont.load_default(max(11, cell // 17))
    leading = round(_height(font) * 1.25)
    lines = [_wrapped(text, font, cell, 2) for text in captions]
    gap = max(8, cell // 16)
    thumbs = [_fitted(on_paper(image), cell) for image in images]
    rows = [range(at, min(at + columns, len(images))) for at in range(0, len(images), columns)]
    # A row is only as high as its own pictures and captions.
    tall = [max(thumbs[n].height for n in row) for row in rows]
    text_high = [max(len(lines[n]) for n in row) * leading for row in rows]
    spaces = [gap // 2 if high else 0 for high in text_high]
    height = gap + sum(t + s + h + gap for t, s, h in zip(tall, spaces, text_high, strict=True))
    sheet = Image.new("RGB", (gap + columns * (cell + gap), height), PAPER)
    draw = ImageDraw.Draw(sheet)
    top = gap
    for row, high, space, text in zip(rows, tall, spaces, text_high, strict=True):
        for column, n in enumerate(row):
            left = gap + column * (cell + gap)
            thumb = thumbs[n]
            sheet.paste(thumb, (left + (cell - thumb.width) // 2, top + (high - thumb.height) // 2))
            for k, words in enumerate(lines[n]):
                spot = (left + cell / 2, top + high + space + k * leading)
                draw.text(spot, words, INK, font, anchor="ma")
        top += high + space + text + gap
    return sheet


def _label(draw: ImageDraw.ImageDraw, text: str, rect: Rect, size: tuple[int, int], color: Color = ACCENT) -> None:
    """A filled tag where there is room for it: above the box, below it, inside at its top or foot."""
    font = ImageFont.load_default(max(12, round(max(size) / 42)))
    pad = round(_height(font) * 0.3)
    wide, high = font.getlength(text) + 2 * pad, _height(font) + 2 * pad
    x0, y0, _, y1 = rect
    x = min(max(x0, 0), max(size[0] - wide, 0))
    y = next((y for y in (y0 - high, y1, y0, y1 - high) if 0 <= y <= max(size[1] - high, 0)), 0)
    draw.rounded_rectangle((x, y, x + wide, y + high), pad, (*color, 235))
    draw.text((x + wide / 2, y + high / 2), text, PAPER, font, anchor="mm")


def _inset(rect: Rect, by: float) -> Rect:
    x0, y0, x1, y1 = rect
    by = min(by, (x1 - x0) / 2, (y1 - y0) / 2)
    return x0 + by, y0 + by, x1 - by, y1 - by


def _scaled(box: Sequence[float], zoom: int, size: tuple[int, int]) -> Rect:
    """A half-open box as the corner pixels Pillow wants, inside the enlarged picture."""
    x0, y0, x1, y1 = (float(v) * zoom for v in box)
    x0, y0 = min(max(x0, 0), size[0] - 1), min(max(y0, 0), size[1] - 1)
    return x0, y0, min(max(x1 - 1, x0), size[0] - 1), min(max(y1 - 1, y0), size[1] - 1)


def on_paper(image: Image.Image | Tensor) -> Image.Image:
    """A new RGB image; what shows through alpha is white paper."""
    if isinstance(image, Tensor):
        return to_pil(image)
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        paper = Image.new("RGBA", image.size, (*PAPER, 255))
        paper.alpha_composite(image.convert("RGBA"))
        image = paper
    return image.convert("RGB")


def _fitted(image: Image.Image, cell: int) -> Image.Image:
    scale = cell / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.LANCZOS)


def _wrapped(text: str, font: Any, width: int, most: int) -> list[str]:
    """Text in at most `most` lines of `width` pixels, cut with an ellipsis."""
    lines: list[str] = []
    for part in text.split("\n"):
        line = ""
        for word in part.split():
            longer = f"{line} {word}".strip()
            if line and font.getlength(longer) > width:
                lines.append(line)
                longer = word
            line = longer
        if line:
            lines.append(line)
    cut = len(lines) > most
    lines = lines[:most]
    for n, line in enumerate(lines):
        last = cut and n == len(lines) - 1
        if last or font.getlength(line) > width:
            while line and font.getlength(line + "...") > width:
                line = line[:-1]
            lines[n] = line.rstrip(" ,.;") + "..."
    return lines


def _height(font: Any) -> int:
    return round(font.getbbox("Ag")[3])
