"""The page that shows a run: `index.html`, one file that opens from disk."""

from __future__ import annotations

from html import escape
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

from ..report import write_whole
from .summary import Row


def write_gallery(folder: Path, rows: list[Row]) -> None:
    """Write `index.html` into `folder`: a card an item, in the list's order.

    Pictures are links relative to the page and are fetched when they come into view.
    """
    page = files(__package__).joinpath("gallery.html").read_text(encoding="utf-8")
    statuses = list(dict.fromkeys(row.status for row in rows))
    counts = "".join(
        f'<label><input type="radio" name="status" value="{escape(status)}"> {escape(status)} '
        f"<b>{sum(row.status == status for row in rows)}</b></label>" for status in statuses)
    cards = "\n".join(_card(number, row) for number, row in enumerate(rows))
    # in one pass: a text of a card that looks like a placeholder stays what it is
    head, rest = page.split("{{COUNTS}}")
    middle, tail = rest.split("{{CARDS}}")
    text = head.replace("{{TOTAL}}", str(len(rows))) + counts + middle + cards + tail
    write_whole(folder / "index.html", text.encode())


def _card(number: int, row: Row) -> str:
    item, status = row.item, row.status
    title = f"{item.caption} → {item.prompt}"
    gain = _gain(row)
    facts = [] if row.report is None else [
        ("score", _number(row.value("score")) + (f" ({gain:+.2f})" if gain is not None else "")),
        ("region", "none" if row.value("box") is None else ", ".join(map(str, row.value("box")))),
        ("seed", str(row.value("seed"))),
        ("UNet", str(row.value("unet_evaluations"))),
        ("seconds", _number(row.value("seconds"), 1))]
    note = row.error or (row.value("reason") if row.value("box") is None else "") or ""
    return (
        f'<article class="card" id="i{number}" data-status="{escape(status)}" '
        f'data-score="{"" if gain is None else gain}">'
        + _pictures(row)
        + f'<h2><span class="tag" data-status="{escape(status)}">{escape(status)}</span> '
        f'<span dir="auto">{escape(title)}</span></h2>'
        f'<p class="key" dir="auto">{escape(item.key)}</p>'
        + (f'<p class="note" dir="auto">{escape(str(note))}</p>' if note else "")
        + ("<dl>" + "".join(f"<div><dt>{name}</dt><dd>{escape(value)}</dd></div>"
                            for name, value in facts) + "</dl>" if facts else "")
        + "</article>")


def _pictures(row: Row) -> str:
    if row.report is None:
        return '<div class="none">no picture</div>'
    inside = quote(row.place.folder.relative_to(row.place.root).as_posix())
    after = quote(row.place.edited.relative_to(row.place.root).as_posix())
    width, height = row.value("picture_size") or (1, 1)
    shown = "".join(
        f'<figure><img loading="lazy" decoding="async" src="{inside}/{name}.jpg" '
        f'width="{int(width)}" height="{int(height)}" alt="{what}"><figcaption>{what}</figcaption>'
        "</figure>" for name, what in (("before", "before"), ("region", "region"),
                                       ("after", "after")))
    name = escape(f"{row.item.key}: {row.item.caption} to {row.item.prompt}")
    return f'<a class="three" href="{after}" aria-label="{name}">{shown}</a>'


def _gain(row: Row) -> float | None:
    score, source = row.value("score"), row.value("source_score")
    return None if score is None or source is None else round(score - source, 4)


def _number(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
