"""The benchmark's tables: means with intervals, kind by kind, and paired differences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import bootstrap

from .rows import Row

COLUMNS = (
    "iou",
    "hit",
    "recognised",
    "false_alarm",
    "success",
    "background_psnr",
    "unet_evaluations",
    "clip_images",
    "total",
    "seconds",
)
HEADS = (
    "IoU",
    "hit",
    "absent recognised",
    "false alarm",
    "success",
    "background dB",
    "UNet evaluations",
    "CLIP encodings",
    "whole cost",
    "seconds",
)
DIGITS = {"background_psnr": 1, "unet_evaluations": 0, "clip_images": 0, "total": 1, "seconds": 1}
WITH_INTERVAL = ("iou", "hit")
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
    text = f"{sum(values) / len(values):.{DIGITS.get(column, 2)}f}"
    if column in WITH_INTERVAL and len(values) >= FEWEST:
        text += " ({:.2f} to {:.2f})".format(*interval(values))
    return text


def _lines(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (heads, ["---"] * len(heads), *rows))


def table(results: Results) -> str:
    """The means of every method as a Markdown table; columns that nothing fills are left out."""
    every = [r for rows in results.values() for r in rows]
    shown = [(c, h) for c, h in zip(COLUMNS, HEADS, strict=True) if _values(every, c)]
    return _lines(
        ["method", "scenes", *(head for _, head in shown)],
        [[name, str(len(rows)), *(_cell(rows, column) for column, _ in shown)] for name, rows in results.items()],
    )


def by_kind(results: Results, kinds: Sequence[str]) -> str:
    """IoU / hit of every method kind by kind; where nothing is meant, how often "no region" was said."""

    def cell(rows: list[Row]) -> str:
        m = means(rows)
        if not rows:
            return ""
        if m["iou"] is not None:
            return f"{m['iou']:.2f} / {m['hit']:.2f}"
        said = sum(row.box is None for row in rows) / len(rows)
        return f"said {said:.2f}"

    body = [[name, *(cell([r for r in rows if r.kind == kind]) for kind in kinds)] for name, rows in results.items()]
    counts = [max(sum(r.kind == kind for r in rows) for rows in results.values()) for kind in kinds]
    return _lines(["method", *kinds], [*body, ["scenes, at most", *map(str, counts)]])


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


def report(results: Results, world: str, seed: int, notes: dict[str, str]) -> str:
    """The whole report of a world as Markdown: for each CLIP all kinds together and kind by kind."""
    if not results:
        return "Nothing was measured.\n"
    every = [r for rows in results.values() for r in rows]
    kinds = list(dict.fromkeys(r.kind for r in every))
    parts = [
        f"# {world.capitalize()}, seed {seed}",
        "Whole cost: everything in UNet evaluations of the model that paints, at the ratios of "
        "full-size models (`region_core/cost.py`). Intervals: 95 %, bootstrap over scenes.",
    ]
    for clip in dict.fromkeys(r.clip for r in every):
        part = {name: some for name, rows in results.items() if (some := [r for r in rows if r.clip == clip])}
        parts += [f"## CLIP {clip}", table(part)]
        if len(kinds) > 1:
            parts += ["IoU / hit, kind by kind:", by_kind(part, kinds)]
        parts.append(comparisons(part))
    said = [f"- `{name}`: {notes[name]}." for name in results if name in notes]
    return "\n\n".join(p for p in [*parts, "\n".join(said)] if p) + "\n"


def curve_points(results: Results) -> Iterator[tuple[str, float, float, tuple[float, float]]]:
    """(method, whole cost, success or else hit, its interval) of the methods that have both."""
    for name, rows in results.items():
        cost = means(rows)["total"]
        values = _values(rows, "success") or _values(rows, "hit")
        if cost and values:
            yield name, cost, sum(values) / len(values), interval(values)
