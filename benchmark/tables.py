"""The benchmark's tables: means with intervals, kind by kind, and paired differences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.stats import bootstrap

from .rows import Row

# what a column is called, and how many digits it has
COLUMNS: dict[str, tuple[str, int]] = {
    "iou": ("IoU", 2),
    "hit": ("hit", 2),
    "mask_iou": ("mask IoU", 2),
    "box_mask_iou": ("its box's", 2),
    "coverage": ("coverage", 2),
    "purity": ("purity", 2),
    "recognised": ("absent recognised", 2),
    "false_alarm": ("false alarm", 2),
    "success": ("success", 2),
    "background_psnr": ("background dB", 1),
    "unet_evaluations": ("UNet evaluations", 0),
    "clip_images": ("CLIP encodings", 0),
    "total": ("whole cost", 1),
    "seconds": ("seconds", 1),
}
WITH_INTERVAL = ("iou", "hit", "recognised", "false_alarm")
COMPARED = ("iou", "hit", "success", "recognised")
FEWEST = 10  # scenes; with fewer a bootstrap knows too little to be bold
Results = dict[str, list[Row]]


def means(rows: Sequence[Row]) -> dict[str, float | None]:
    """The mean of each column over the rows that have it."""
    out: dict[str, float | None] = {}
    for column in COLUMNS:
        values = _values(rows, column)
        out[column] = sum(values) / len(values) if values else None
    return out


def _values(rows: Sequence[Row], column: str) -> list[float]:
    return [v for v in (getattr(r, column) for r in rows) if v is not None]


def interval(values: Sequence[float]) -> tuple[float, float]:
    """95 % percentile bootstrap interval of the mean of values [n]; NaN of fewer than two."""
    if len(values) < 2:
        return float("nan"), float("nan")
    found = bootstrap(
        (np.asarray(values, dtype=np.float64),), np.mean, n_resamples=4000, method="percentile", rng=0
    ).confidence_interval
    return float(found.low), float(found.high)


@dataclass(frozen=True)
class Comparison:
    """mean(first - other) of a column over the `scenes` both have, and its 95 % interval."""

    column: str
    difference: float
    interval: tuple[float, float]
    scenes: int


def compare(results: Results, first: str, other: str, column: str) -> Comparison | None:
    """`first` against `other` on the scenes that both have; None where there are none."""
    mine, theirs = ({r.key: getattr(r, column) for r in results[name]} for name in (first, other))
    differences = [mine[k] - theirs[k] for k in mine if mine[k] is not None and theirs.get(k) is not None]
    if not differences:
        return None
    return Comparison(column, sum(differences) / len(differences), interval(differences), len(differences))


def _cell(rows: Sequence[Row], column: str) -> str:
    values = _values(rows, column)
    if not values:
        return "-"
    text = f"{sum(values) / len(values):.{COLUMNS[column][1]}f}"
    if column in WITH_INTERVAL and len(values) >= FEWEST:
        text += " ({:.2f} to {:.2f})".format(*interval(values))
    return text


def _lines(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (heads, ["---"] * len(heads), *rows))


def table(results: Results) -> str:
    """The means of every method as a Markdown table; columns that nothing fills are left out."""
    every = [r for rows in results.values() for r in rows]
    shown = [(column, head) for column, (head, _) in COLUMNS.items() if _values(every, column)]
    return _lines(
        ["method", "scenes", *(head for _, head in shown)],
        [[name, str(len(rows)), *(_cell(rows, column) for column, _ in shown)] for name, rows in results.items()],
    )


def by_kind(results: Results, kinds: Sequence[str]) -> str:
    """IoU / hit of every method kind by kind; where nothing is meant, how often "no region" was said. Of photographs
    also of those things in scenes that are alone of their name, and of the others."""
    parts: dict[str, Callable[[Row], bool]] = {kind: partial(_is_of, kind) for kind in kinds}
    if any(row.several and row.source for rows in results.values() for row in rows):
        parts["one of a kind"] = lambda row: row.iou is not None and not row.several
        parts["several"] = lambda row: row.several

    def cell(rows: list[Row]) -> str:
        m = means(rows)
        if not rows:
            return ""
        if m["iou"] is not None:
            return f"{m['iou']:.2f} / {m['hit']:.2f}"
        said = sum(row.box is None for row in rows) / len(rows)
        return f"said {said:.2f}"

    body = [[name, *(cell([r for r in rows if of(r)]) for of in parts.values())] for name, rows in results.items()]
    counts = [max(sum(map(of, rows)) for rows in results.values()) for of in parts.values()]
    return _lines(["method", *parts], [*body, ["scenes, at most", *map(str, counts)]])


def _is_of(kind: str, row: Row) -> bool:
    return row.kind == kind


def comparisons(results: Results) -> str:
    """The first method less each other as a Markdown table; empty where there is no other."""
    first, *others = results
    rows = []
    for name in others:
        found = [compare(results, first, name, column) for column in COMPARED]
        counts = [c.scenes for c in found if c is not None]
        if counts:
            rows.append([name, str(max(counts)), *("-" if c is None else _difference(c) for c in found)])
    if not rows:
        return ""
    return (
        f"`{first}` less each other method on the scenes both have, with paired 95 % bootstrap "
        "intervals; bold where 0 lies outside.\n\n"
        + _lines(["against", "scenes", "IoU", "hit", "success", "absent recognised"], rows)
    )


def _difference(c: Comparison) -> str:
    if c.scenes < FEWEST:
        return f"{c.difference:+.3f}"
    low, high = c.interval
    text = f"{c.difference:+.3f} ({low:+.3f} to {high:+.3f})"
    return f"**{text}**" if low > 0 or high < 0 else text


def report(
    results: Results, world: str, seed: int, notes: dict[str, str], groups: Mapping[str, Sequence[str]] | None = None
) -> str:
    """The whole report of a world as Markdown: for each CLIP all kinds together, or group by group, and kind by kind.
    Photographs are told by halves: A is what anything is chosen by, B what is reported."""
    if not results:
        return "Nothing was measured.\n"
    every = [r for rows in results.values() for r in rows]
    kinds = list(dict.fromkeys(r.kind for r in every))
    parts = [
        f"# {world.capitalize()}, seed {seed}",
        "Whole cost: everything in UNet evaluations of the model that paints, at the ratios of "
        "full-size models (`region_core/cost.py`). Intervals: 95 %, bootstrap over scenes.",
    ]
    for clip, half in dict.fromkeys((r.clip, r.half) for r in sorted(every, key=lambda r: r.half)):
        parts.append(f"## CLIP {clip}" + (f", half {half}" if half else ""))
        for title, some in (groups or {"": kinds}).items():
            part = _of(results, clip, half, some)
            if not part:
                continue
            own = [kind for kind in kinds if kind in some]
            parts += [f"### {title}" if title else "", table(part)]
            if len(own) > 1:
                parts += ["IoU / hit, kind by kind:", by_kind(part, own)]
            parts.append(comparisons(part))
    said = [f"- `{name}`: {notes[name]}." for name in results if name in notes]
    return "\n\n".join(p for p in [*parts, "\n".join(said)] if p) + "\n"


def _of(results: Results, clip: str, half: str, kinds: Sequence[str]) -> Results:
    """The rows of a CLIP, a half and some kinds, of the methods that have any."""
    part = {
        name: [row for row in rows if (row.clip, row.half) == (clip, half) and row.kind in kinds]
        for name, rows in results.items()
    }
    return {name: rows for name, rows in part.items() if rows}
