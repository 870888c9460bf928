"""The loss over the rounds as a small line plot, and the type and colours all drawings share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image, ImageDraw, ImageFont

Color = tuple[int, int, int]

SIZE = (640, 400)

PAPER: Color = (255, 255, 255)
INK: Color = (38, 42, 48)
SOFT: Color = (120, 126, 136)
GRID: Color = (228, 231, 235)
ACCENT: Color = (255, 92, 40)  # the best box, the best loss
BLUE: Color = (58, 110, 190)


def loss_curve(records: Sequence[Mapping[str, Any]]) -> Image.Image:
    """A line plot of 'loss' and 'best' over 'round', one point a record, of `SIZE` pixels.

    A value that is missing or not finite leaves a gap; with no record at all the axes say so.
    """
    unit = 2  # drawn at twice the size and shrunk: Pillow's lines have hard edges
    width, height = (side * unit for side in SIZE)
    image = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(image)
    font: Any = ImageFont.load_default(14 * unit)  # Pillow's own: the same on every machine
    left, right, top, bottom = 66 * unit, width - 22 * unit, 44 * unit, height - 52 * unit
    # The best is the broader line below, so that both show where they are the same.
    curves = [("best", "best so far", ACCENT, 5.0), ("loss", "loss of the round", BLUE, 2.2)]
    points = {key: _points(records, key) for key, *_ in curves}
    seen = [point for line in points.values() for point in line if point is not None]
    draw.text(((left + right) / 2, height - 10 * unit), "round", SOFT, font, anchor="mb")
    draw.text((12 * unit, 12 * unit), "loss", SOFT, font, anchor="lt")
    if not seen:
        draw.line([(left, top), (left, bottom), (right, bottom)], GRID, unit)
        middle = ((left + right) / 2, (top + bottom) / 2)
        draw.text(middle, "no rounds yet", SOFT, font, anchor="mm")
        return image.resize(SIZE, Image.Resampling.LANCZOS)

    x_ticks = _ticks([x for x, _ in seen], 10, whole=True)
    y_ticks = _ticks([y for _, y in seen], 6)
    x_low, x_high = min(x for x, _ in seen), max(x for x, _ in seen)

    def place(point: tuple[float, float]) -> tuple[float, float]:
        x = (point[0] - x_low) / (x_high - x_low) if x_high > x_low else 0.5
        y = (point[1] - y_ticks[0]) / (y_ticks[-1] - y_ticks[0])
        return left + x * (right - left), bottom - y * (bottom - top)

    digits = max(0, -math.floor(math.log10(y_ticks[1] - y_ticks[0]) + 1e-9))
    for tick in y_ticks:
        y = place((x_low, tick))[1]
        draw.line([(left, y), (right, y)], GRID, unit)
        draw.text((left - 8 * unit, y), f"{tick:.{digits}f}", SOFT, font, anchor="rm")
    for tick in x_ticks:
        if x_low <= tick <= x_high:
            x = place((tick, y_ticks[0]))[0]
            draw.line([(x, bottom), (x, bottom + 5 * unit)], SOFT, round(unit))
            draw.text((x, bottom + 9 * unit), f"{tick:.0f}", SOFT, font, anchor="mt")
    for key, _, color, broad in curves:
        _curve(draw, [p and place(p) for p in points[key]], color, broad * unit)

    x = right
    level = 20 * unit
    for key, name, color, broad in curves:  # legend, from the right
        if any(points[key]):
            x -= font.getlength(name)
            draw.text((x, level), name, INK, font, anchor="lm")
            dash = [(x - 28 * unit, level), (x - 8 * unit, level)]
            draw.line(dash, color, round(broad * unit))
            x -= 48 * unit
    return image.resize(SIZE, Image.Resampling.LANCZOS)


def _curve(draw: ImageDraw.ImageDraw, spots: Sequence[tuple[float, float] | None], color: Color, broad: float) -> None:
    """A line through the spots, broken at None, with a dot at each while there are few."""
    for a, b in zip(spots, spots[1:], strict=False):
        if a and b:
            draw.line([a, b], color, round(broad))
    radius = broad * (1.0 if len(spots) <= 40 else 0.5)
    for x, y in filter(None, spots):
        draw.ellipse([x - radius, y - radius, x + radius, y + radius], color)


def _points(records: Sequence[Mapping[str, Any]], key: str) -> list[tuple[float, float] | None]:
    points: list[tuple[float, float] | None] = []
    for n, record in enumerate(records):
        value = record.get(key)
        fits = value is not None and math.isfinite(float(value))
        points.append((float(record.get("round", n + 1)), float(value or 0)) if fits else None)
    return points


def _ticks(values: Sequence[float], count: int, whole: bool = False) -> list[float]:
    """At least two round numbers that enclose the values, at most about `count` of them."""
    low, high = min(values), max(values)
    if low == high and not whole:  # one value: put it in the middle
        margin = abs(high) * 0.1 or 0.1
        low, high = low - margin, high + margin
    span = high - low or 1.0
    raw = span / max(count - 2, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw * 0.999)
    step = max(step, 1.0) if whole else step
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [n * step for n in range(first, max(last, first + 1) + 1)]
