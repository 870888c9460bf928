"""Pictures for people: candidate boxes on the source, a sheet of results (the curve: plot.py).

Only Pillow is needed. Every function returns a new RGB image.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from PIL import Image, ImageDraw
from torch import Tensor

from .errors import InputError
from .images import to_pil
from .plot import ACCENT, INK, PAPER, Color, loss_curve, write_font

__all__ = ["contact_sheet", "draw_boxes", "loss_curve"]

Rect = tuple[float, float, float, float]

_RAMP: tuple[Color, ...] = ((86, 98, 190), (44, 160, 170), (120, 205, 110), (250, 225, 70))
_MANY = 12  # more boxes than this and only the best one is labelled
_LEGIBLE = 512  # shorter pictures are enlarged to about this before anything is written on them


def draw_boxes(
    source: Image.Image | Tensor,
    boxes: Tensor | Sequence[Sequence[float]],
    scores: Tensor | Sequence[float] | None = None,
    best: int | None = None,
    labels: Sequence[str] | None = None,
) -> Image.Image:
    """The source with boxes [N,4] (xyxy, source pixels) over it; the best one stands out.

    scores [N], higher is better, colour the lines from blue to yellow and are the labels unless
    labels says otherwise; best is the index of the highest unless given. Line width and text follow
    the picture's size; one of few pixels is enlarged by a whole number so that text can be read.
    """
    picture = on_paper(source)
    corners = [tuple(float(v) for v in box) for box in boxes]
    values = None if scores is None else [float(v) for v in scores]
    for name, given in (("scores", values), ("labels", labels)):
        if given is not None and len(given) != len(corners):
            raise InputError(f"There are {len(given)} {name} for {len(corners)} boxes: give one for each box.")
    if best is None and values:
        best = max(range(len(values)), key=values.__getitem__)
    zoom = max(1, round(_LEGIBLE / max(picture.size)))
    larger = (picture.width * zoom, picture.height * zoom)
    picture = picture.resize(larger, Image.Resampling.LANCZOS)
    line = max(2, round(max(picture.size) / 500))
    font = write_font(max(12, round(max(picture.size) / 42)))
    draw = ImageDraw.Draw(picture, "RGBA")

    # Worst first, so that good boxes lie on top; the best one last of all.
    order = sorted(range(len(corners)), key=lambda n: (n == best, values[n] if values else 0))
    rects = {n: _scaled(corners[n], zoom, picture.size) for n in order}
    for n in order:
        color = ACCENT if n == best else _shade(n, values)
        width = line * 3 if n == best else line
        halo = max(1, line // 2)
        _frame(draw, rects[n], width + 2 * halo, (0, 0, 0, 130))
        _frame(draw, _inset(rects[n], halo), width, (*color, 255 if n == best else 215))

    texts = labels or ([f"{v:.3f}" for v in values] if values else [""] * len(corners))
    taken: list[Rect] = []
    for n in reversed(order):  # the best box's label chooses its place first
        if texts[n] and (n == best or len(corners) <= _MANY):
            color = ACCENT if n == best else _shade(n, values)
            _label(draw, texts[n], rects[n], font, color, picture.size, taken)
    return picture


def boxes_picture(image: Image.Image, tried: Tensor, chosen: Sequence[float] | None, label: str) -> Image.Image:
    """A picture with the boxes `tried` [n, 4] and, standing out with `label`, the chosen one [4] if any."""
    boxes = [*tried.tolist(), *([] if chosen is None else [list(map(float, chosen))])]
    best = None if chosen is None else len(boxes) - 1
    return draw_boxes(image, boxes, best=best, labels=["" if n != best else label for n in range(len(boxes))])


def contact_sheet(
    images: Sequence[Image.Image | Tensor],
    captions: Sequence[str] | None = None,
    columns: int | None = None,
    cell: int = 256,
) -> Image.Image:
    """Images side by side, each fitted into cell x cell pixels, with its caption below (two lines).

    columns is chosen to make the sheet about square unless given.
    """
    if not images:
        raise InputError("A contact sheet of 0 images cannot be drawn: give at least 1.")
    if captions is not None and len(captions) != len(images):
        raise InputError(f"There are {len(captions)} captions for {len(images)} images: give one for each image.")
    columns = min(columns or math.ceil(math.sqrt(len(images))), len(images))
    if columns < 1 or cell < 16:
        raise InputError(f"{columns} columns of {cell} pixels cannot be drawn: at least 1 of 16.")
    font = write_font(max(11, cell // 17))
    leading = round(_height(font) * 1.25)
    lines = [_wrapped(text, font, cell, 2) for text in captions or [""] * len(images)]
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


def _label(
    draw: ImageDraw.ImageDraw, text: str, rect: Rect, font: Any, color: Color, size: tuple[int, int], taken: list[Rect]
) -> None:
    """A filled tag at the first free place: above the box, below it, inside at its top or foot."""
    pad = round(_height(font) * 0.3)
    wide, high = font.getlength(text) + 2 * pad, _height(font) + 2 * pad
    x0, y0, x1, y1 = rect
    places = [(x0, y0 - high), (x0, y1), (x1 - wide, y0 - high), (x1 - wide, y1)]
    places += [(x0, y0), (x1 - wide, y0), (x0, y1 - high), (x1 - wide, y1 - high)]
    spots = [(min(max(x, 0), max(size[0] - wide, 0)), min(max(y, 0), max(size[1] - high, 0))) for x, y in places]
    inside = [spot for spot, place in zip(spots, places, strict=True) if spot[1] == place[1]]
    tags = [(x, y, x + wide, y + high) for x, y in inside or spots]
    tag = next((tag for tag in tags if not any(_meet(tag, other) for other in taken)), tags[0])
    taken.append(tag)
    draw.rounded_rectangle(tag, pad, (*color, 235))
    dark = 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2] > 140
    middle = ((tag[0] + tag[2]) / 2, (tag[1] + tag[3]) / 2)
    draw.text(middle, text, (20, 20, 20) if dark else PAPER, font, anchor="mm")


def _frame(draw: ImageDraw.ImageDraw, rect: Rect, width: int, color: tuple[int, ...]) -> None:
    draw.rectangle(rect, outline=color, width=width)


def _meet(a: Rect, b: Rect) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _inset(rect: Rect, by: float) -> Rect:
    x0, y0, x1, y1 = rect
    by = min(by, (x1 - x0) / 2, (y1 - y0) / 2)
    return x0 + by, y0 + by, x1 - by, y1 - by


def _scaled(box: Sequence[float], zoom: int, size: tuple[int, int]) -> Rect:
    """A half-open box as the corner pixels Pillow wants, inside the enlarged picture."""
    x0, y0, x1, y1 = (v * zoom for v in box)
    x0, y0 = min(max(x0, 0), size[0] - 1), min(max(y0, 0), size[1] - 1)
    return x0, y0, min(max(x1 - 1, x0), size[0] - 1), min(max(y1 - 1, y0), size[1] - 1)


def _shade(index: int, values: Sequence[float] | None) -> Color:
    """The colour of a box by its place between the lowest and the highest score."""
    if not values or max(values) == min(values):
        return (225, 232, 240)
    at = (values[index] - min(values)) / (max(values) - min(values)) * (len(_RAMP) - 1)
    low = min(int(at), len(_RAMP) - 2)
    r, g, b = (round(p + (q - p) * (at - low)) for p, q in zip(*_RAMP[low : low + 2], strict=True))
    return r, g, b


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
