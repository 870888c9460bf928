"""What came of each item, and the table of it: `summary.csv`."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...files import write_whole
from .items import Item
from .places import Place

SUMMARY = "summary.csv"
_TEXTS = ("key", "image", "image_caption", "editing_prompt", "status")
_NUMBERS = ("score", "source_score", "x0", "y0", "x1", "y1", "seed", "unet_evaluations", "seconds")
COLUMNS = (*_TEXTS, *_NUMBERS, "result", "error")


@dataclass(frozen=True)
class Row:
    """An item and what is on disk of it: its report, or why there is none."""

    item: Item
    place: Place
    report: dict[str, Any] | None
    error: str = ""

    @property
    def status(self) -> str:
        """The verdict of a finished item; else "failed" or, where its turn has not come, "waiting"."""
        if self.report is not None:
            return str(self.report.get("verdict"))
        return "failed" if self.error else "waiting"

    def value(self, name: str) -> Any:
        """A number of the report, or None."""
        return None if self.report is None else self.report.get(name)


def write_summary(folder: Path, rows: list[Row]) -> None:
    """Write `summary.csv` (UTF-8 with the mark by which spreadsheets know it, one line an item in the
    list's order) into `folder`.
    """
    file = io.StringIO(newline="")
    table = csv.writer(file)
    table.writerow(COLUMNS)
    for row in rows:
        item, box = row.item, row.value("box") or [None] * 4
        result = row.place.edited.relative_to(row.place.root).as_posix() if row.report else None
        texts = (item.key, item.image, item.caption, item.prompt, row.status)
        scores = (row.value("score"), row.value("source_score"))
        cost = (item.settings.seed, row.value("unet_evaluations"), row.value("seconds"))
        table.writerow([*texts, *scores, *box, *cost, result, row.error or None])
    write_whole(folder / SUMMARY, file.getvalue().encode("utf-8-sig"))
