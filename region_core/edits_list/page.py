"""What has come of a list: a table, `summary.csv`, and a page that opens from disk, `index.html`."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from ..files import write_whole
from .items import Item
from .places import Place

PAGE, SUMMARY = "index.html", "summary.csv"
_COLUMNS = (
    *("key", "image", "image_caption", "editing_prompt", "status", "score", "source_score"),
    *("x0", "y0", "x1", "y1", "seed", "unet_evaluations", "seconds", "result", "error"),
)


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
        return (self.report or {}).get(name)

    @property
    def is_over(self) -> bool:
        """Whether it is finished, or has failed."""
        return self.report is not None or bool(self.error)

    @property
    def note(self) -> str:
        """Why it failed, or nothing was edited, of several edits why each was not made that was not; what limits the
        answer, and what of the picture is not in it."""
        each = [
            f"{one['request']}: {', '.join(said)}"
            for one in self.value("edits") or ()
            if (said := [*filter(None, [one["reason"], *one.get("notes", ())])])
        ]
        why = self.error or "; ".join(each) or self.value("reason")
        return "; ".join(filter(None, [why, *(self.value("notes") or ()), self.value("note")]))

    @property
    def gain(self) -> float | None:
        """How much better the edit scores than leaving the picture alone."""
        score, source = self.value("score"), self.value("source_score")
        return None if score is None or source is None else round(score - source, 4)

    def link(self, path: Path) -> str:
        """A path as seen from the page."""
        return path.relative_to(self.place.root).as_posix()


def write_summary(folder: Path, rows: list[Row]) -> None:
    """Write `summary.csv`, a line an item in the list's order, in UTF-8 with the mark by which spreadsheets know it."""
    file = io.StringIO(newline="")
    table = csv.writer(file)
    table.writerow(_COLUMNS)
    for row in rows:
        item, box = row.item, row.value("box") or [None] * 4
        texts = (item.key, item.image, item.caption, item.prompt, row.status, row.value("score"))
        cost = (item.settings.seed, row.value("unet_evaluations"), row.value("seconds"))
        result = row.link(row.place.edited) if row.report else None
        table.writerow([*texts, row.value("source_score"), *box, *cost, result, row.error or None])
    write_whole(folder / SUMMARY, file.getvalue().encode("utf-8-sig"))


def write_page(folder: Path, rows: list[Row], *, can_pick: bool = False) -> None:
    """Write `index.html`: a card an item, in the list's order. Pictures are fetched when they come into view.
    `can_pick`: it says how another of the regions is painted by the command line."""
    text = files(__package__).joinpath(PAGE).read_text(encoding="utf-8")
    page = Environment(autoescape=True, undefined=StrictUndefined).from_string(text)
    counts = Counter(row.status for row in rows)
    write_whole(folder / PAGE, page.render(rows=rows, counts=counts, can_pick=can_pick).encode())
