"""The page that shows a run: `index.html`, one file that opens from disk."""

from __future__ import annotations

from collections import Counter
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from ...files import write_whole
from .summary import Row

PAGE = "index.html"


def write_gallery(folder: Path, rows: list[Row]) -> None:
    """Write `index.html` into `folder`: a card an item, in the list's order.

    Pictures are links relative to the page and are fetched when they come into view.
    """
    text = files(__package__).joinpath("gallery.html").read_text(encoding="utf-8")
    page = Environment(autoescape=True, undefined=StrictUndefined).from_string(text)
    counts = Counter(row.status for row in rows)
    write_whole(folder / PAGE, page.render(cards=[_card(row) for row in rows], counts=counts).encode())


def _card(row: Row) -> dict[str, Any]:
    item, box = row.item, row.value("box")
    width, height = row.value("picture_size") or (1, 1)
    return {
        "status": row.status,
        "gain": _gain(row),
        "key": item.key,
        "caption": item.caption,
        "prompt": item.prompt,
        "note": row.error or (row.value("reason") if box is None else "") or "",
        "pictures": ("before", "region", "after") if row.report is not None else (),
        "folder": row.place.folder.relative_to(row.place.root).as_posix(),
        "after": row.place.edited.relative_to(row.place.root).as_posix(),
        "width": int(width),
        "height": int(height),
        "facts": _facts(row) if row.report is not None else (),
    }


def _facts(row: Row) -> list[tuple[str, Any]]:
    gain, box = _gain(row), row.value("box")
    return [
        ("score", _number(row.value("score")) + ("" if gain is None else f" ({gain:+.2f})")),
        ("region", "none" if box is None else ", ".join(map(str, box))),
        ("seed", row.value("seed")),
        ("UNet", row.value("unet_evaluations")),
        ("seconds", _number(row.value("seconds"), 1)),
    ]


def _gain(row: Row) -> float | None:
    score, source = row.value("score"), row.value("source_score")
    return None if score is None or source is None else round(score - source, 4)


def _number(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
