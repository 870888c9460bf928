"""What the benchmark shows: sheets of wins and failures, each with the picture, the map, the region and the truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw
from torch import Tensor

from region_core.draw import contact_sheet
from region_core.picture import to_pil
from region_core.picture_file import save_png
from region_core.plot import ACCENT, Color

from .painting import Outcome
from .rows import Row
from .worlds.task import Task

SIDE = 300  # pixels of the longer side of each picture on a sheet
PAGE, COLUMNS = 24, 2  # rows on a sheet, and side by side
TRUTH: Color = (60, 200, 90)
HOT: Color = (255, 40, 20)


def kept_name(clip: str, kind: str, scene: int) -> str:
    """What the picture of one row is called in its method's folder."""
    return f"{clip.replace(':', '-')}_{kind}_{scene:04d}.png"


def shown(task: Task, outcome: Outcome) -> Image.Image:
    """Side by side: the picture; its map, where there is one; the region (tinted, its box orange) and the true boxes
    (green); the edit, where there is one."""
    parts = [Image.fromarray(task.image)]
    if outcome.relevance is not None:
        parts.append(with_heat(task.picture, outcome.relevance))
    parts.append(with_region(task, outcome))
    if not torch.equal(outcome.image, task.picture[0]):
        parts.append(to_pil(outcome.image[None]))
    scale = SIDE / max(parts[0].size)
    size = (max(1, round(parts[0].width * scale)), max(1, round(parts[0].height * scale)))
    sheet = Image.new("RGB", (len(parts) * size[0], size[1]))
    for place, part in enumerate(parts):
        sheet.paste(part.resize(size, Image.Resampling.LANCZOS), (place * size[0], 0))
    return sheet


def with_heat(picture: Tensor, relevance: Tensor) -> Image.Image:
    """picture [1, 3, H, W], grey, and over it a map [1, 1, h, w] in 0..1 in red."""
    heat = F.interpolate(relevance.float().cpu(), picture.shape[-2:], mode="bilinear", align_corners=False).clamp(0, 1)
    grey = picture.mean(dim=1, keepdim=True).expand(-1, 3, -1, -1)
    return to_pil(torch.lerp(grey, torch.tensor(HOT).view(1, 3, 1, 1) / 255, 0.8 * heat))


def with_region(task: Task, outcome: Outcome) -> Image.Image:
    """The picture with the true boxes in green and, where there is one, the region tinted and its box in orange."""
    picture: np.ndarray = task.image.astype(np.float32)
    if outcome.region is not None:
        inside = outcome.region.mask[0, 0].numpy()[..., None]
        picture = picture * (1 - 0.4 * inside) + 0.4 * inside * np.array(ACCENT, dtype=np.float32)
    image = Image.fromarray(picture.round().astype(np.uint8))
    pen, line = ImageDraw.Draw(image), max(1, round(max(image.size) / 150))
    for box in task.boxes:
        _frame(pen, box, TRUTH, 2 * line)
    if outcome.region is not None:
        _frame(pen, outcome.region.box, ACCENT, line)
    return image


def _frame(pen: ImageDraw.ImageDraw, box: tuple[float, ...], color: Color, width: int) -> None:
    x0, y0, x1, y1 = box
    pen.rectangle((x0, y0, max(x1 - 1, x0), max(y1 - 1, y0)), outline=color, width=width)


def write_sheets(results: dict[str, list[Row]], folder: Path) -> list[Path]:
    """METHOD_wins_N.png and METHOD_failures_N.png, of all rows whose picture is in folder/pictures.

    A win is a success, or where nothing judges a hit or an absent thing recognised.
    """
    written = []
    for name, rows in results.items():
        for title, wanted in (("wins", 1.0), ("failures", 0.0)):
            files = [(row, _picture(folder, name, row)) for row in rows if _won(row) == wanted]
            kept = [(row, file) for row, file in files if file.is_file()]
            for page, start in enumerate(range(0, len(kept), PAGE)):
                some = kept[start : start + PAGE]
                images = [Image.open(file) for _, file in some]
                sheet = contact_sheet(images, [_words(row) for row, _ in some], columns=COLUMNS, cell=3 * SIDE)
                written.append(folder / f"{name.replace(':', '-').replace('/', '-')}_{title}_{page}.png")
                save_png(sheet, written[-1])
    return written


def picture_file(folder: Path, method: str, clip: str, kind: str, scene: int) -> Path:
    """Where the picture of one row is kept."""
    return folder / "pictures" / method.replace(":", "-").replace("/", "-") / kept_name(clip, kind, scene)


def _picture(folder: Path, method: str, row: Row) -> Path:
    return picture_file(folder, method, row.clip, row.kind, row.scene)


def _won(row: Row) -> float | None:
    return next((value for value in (row.success, row.hit, row.recognised) if value is not None), None)


def _words(row: Row) -> str:
    told = "no region" if row.box is None else "found"
    if row.iou is not None:
        told += f", IoU {row.iou:.2f}"
    return f"{row.kind} {row.scene}: {row.caption}\n{told} {row.source}"
