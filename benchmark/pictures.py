"""What the benchmark shows: sheets of wins and failures, and success against price."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from region_core.draw import contact_sheet
from region_core.errors import InputError
from region_core.picture import save_png
from region_core.plot import ACCENT, BLUE, GRID, INK, PAPER, SOFT, Color

from .rows import Row
from .tables import curve_points
from .worlds.task import MeasuredWorld

SHOWN = 10  # examples a sheet: the first ones, not the finest
TRUTH: Color = (60, 200, 90)
OWN = ("fast", "standard", "quality")


def boxes_on(image: np.ndarray, found: Sequence[float] | None, truth: Sequence[Sequence[float]]) -> Image.Image:
    """A picture three times as large, true boxes in green and the found one in orange over it."""
    zoom = 3
    picture = Image.fromarray(image).resize([side * zoom for side in image.shape[1::-1]], Image.Resampling.LANCZOS)
    pen = ImageDraw.Draw(picture)
    for box, color, width in (*((box, TRUTH, 7) for box in truth), (found, ACCENT, 4)):
        if box is not None:
            x0, y0, x1, y1 = (v * zoom for v in box)
            pen.rectangle((x0, y0, max(x1 - 1, x0), max(y1 - 1, y0)), outline=color, width=width)
    return picture


def kept_name(clip: str, kind: str, scene: int) -> str:
    """What the picture of one row is called in its method's folder."""
    return f"{clip.replace(':', '-')}_{kind}_{scene:04d}.png"


def write_sheets(results: dict[str, list[Row]], world: MeasuredWorld, seed: int, folder: Path) -> list[Path]:
    """METHOD_wins.png and METHOD_failures.png: before, boxes and after of the first scenes of each.

    A win is a success, or where nothing judges a hit or an absent thing recognised. Reads the edits from
    folder/pictures, where the benchmark left them; rows without are left out.
    """
    written = []
    for name, rows in results.items():
        for title, wanted in (("wins", 1.0), ("failures", 0.0)):
            images: list[Image.Image] = []
            captions: list[str] = []
            for row in rows:
                file = folder / "pictures" / name / kept_name(row.clip, row.kind, row.scene)
                won = next((v for v in (row.success, row.hit, row.recognised) if v is not None), None)
                if won != wanted or not file.is_file() or len(images) >= 3 * SHOWN:
                    continue
                task = world.task(row.kind, seed, row.scene)
                images += [Image.fromarray(task.image), boxes_on(task.image, row.box, task.boxes), Image.open(file)]
                overlap = "" if row.iou is None else f", IoU {row.iou:.2f}"
                found = "no region" if row.box is None else "found"
                captions += [f"{row.kind} {row.scene}: {task.caption}", f"{found}{overlap}", task.prompt]
            if images:
                sheet = contact_sheet(images, captions, columns=6, cell=150)
                written.append(folder / f"{name}_{title}.png")
                save_png(sheet, written[-1])
    return written


def success_curve(results: dict[str, list[Row]], size: tuple[int, int] = (860, 520)) -> Image.Image:
    """Success, or where nothing judges hits (0..1, with the 95 % interval), against the whole cost of an
    edit, a dot a method.

    The axis of cost is logarithmic. Raises InputError where nothing was measured.
    """
    points = list(curve_points(results))
    if not points:
        raise InputError("Nothing that ran a UNet was measured; there is no curve to draw.")
    over = 2
    image = Image.new("RGB", (size[0] * over, size[1] * over), PAPER)
    pen = ImageDraw.Draw(image)
    font, small = ImageFont.load_default(15 * over), ImageFont.load_default(13 * over)
    left, right, top, bottom = 64 * over, (size[0] - 40) * over, 40 * over, (size[1] - 60) * over
    low = math.floor(math.log10(min(p[1] for p in points)) * 2 - 0.2) / 2
    high = math.ceil(math.log10(max(p[1] for p in points)) * 2 + 0.2) / 2

    def place(price: float, success: float) -> tuple[float, float]:
        x = (math.log10(price) - low) / (high - low)
        return left + x * (right - left), bottom - success * (bottom - top)

    for tick in (0, 0.2, 0.4, 0.6, 0.8, 1.0):
        y = place(10**low, tick)[1]
        pen.line([(left, y), (right, y)], GRID, over)
        pen.text((left - 8 * over, y), f"{tick:.1f}", SOFT, small, anchor="rm")
    for power in range(math.floor(low), math.ceil(high) + 1):
        for factor in (1, 2, 5):
            value = factor * 10**power
            if low <= math.log10(value) <= high:
                x = place(value, 0)[0]
                pen.line([(x, bottom), (x, bottom + 5 * over)], SOFT, over)
                pen.text((x, bottom + 9 * over), f"{value:g}", SOFT, small, anchor="mt")
    pen.text(
        ((left + right) / 2, (size[1] - 8) * over),
        "whole cost of an edit, in UNet evaluations",
        SOFT,
        font,
        anchor="mb",
    )
    pen.text((12 * over, 10 * over), "success or hits", SOFT, font, anchor="lt")

    own = sorted((p for p in points if p[0] in OWN), key=lambda p: p[1])
    if len(own) > 1:
        pen.line([place(p[1], p[2]) for p in own], ACCENT, 3 * over)
    taken: list[tuple[float, float, float, float]] = []
    for name, price, success, (least, most) in points:
        color = ACCENT if name in OWN else BLUE
        x, y = place(price, success)
        pen.line([place(price, least), place(price, most)], color, over)
        r = 5 * over
        pen.ellipse([x - r, y - r, x + r, y + r], color)
        taken.append((x - r, y - r, x + r, y + r))
    for name, price, success, _ in points:
        _write_beside(pen, name, place(price, success), small, taken, (left, top, right, bottom), over)
    return image.resize(size, Image.Resampling.LANCZOS)


def _write_beside(
    pen: ImageDraw.ImageDraw,
    text: str,
    spot: tuple[float, float],
    font: object,
    taken: list[tuple[float, float, float, float]],
    frame: tuple[float, float, float, float],
    unit: int,
) -> None:
    """The label at the first place round the spot where nothing is written yet."""
    x0, y0, x1, y1 = pen.textbbox((0, 0), text, font=font)  # type: ignore[arg-type]
    wide, high = x1 - x0, y1 - y0
    gap = 9 * unit
    places = [(spot[0] + gap, spot[1] - high / 2 + dy * unit) for dy in (0, -14, 14, -28, 28)]
    places += [(spot[0] - gap - wide, spot[1] - high / 2 + dy * unit) for dy in (0, -14, 14, -28, 28)]
    places += [(spot[0] - wide / 2, spot[1] + dy * unit) for dy in (-24, 12, -40, 28, -56, 44, -72, 60, -88, 76)]

    def free(x: float, y: float) -> bool:
        inside = frame[0] <= x and x + wide <= frame[2] + 30 * unit and y >= 0 and y + high <= frame[3]
        return inside and not any(x < b[2] and b[0] < x + wide and y < b[3] and b[1] < y + high for b in taken)

    x, y = next((p for p in places if free(*p)), places[0])
    taken.append((x - 2 * unit, y - unit, x + wide + 2 * unit, y + high + unit))
    pen.text((x - x0, y - y0), text, INK, font)  # type: ignore[arg-type]
