"""The benchmark's tables: means, and paired intervals of the first method against the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from region_core.demo.scenes import KINDS

from .rows import Row

COLUMNS = ("iou", "hit", "success", "false_alarm", "background_psnr", "unet_evaluations", "seconds")
HEADS = ("IoU", "hit", "success", "false alarm", "background dB", "UNet evaluations", "seconds")
COMPARED = ("iou", "hit", "success")
CEILING = "exhaustive"
FEWEST = 10  # scenes; with fewer a bootstrap knows too little to be bold


def means(rows: Sequence[Row]) -> dict[str, float | None]:
    """The mean of each column over the rows that have it."""
    out: dict[str, float | None] = {}
    for column in COLUMNS:
        values = [v for v in (getattr(r, column) for r in rows) if v is not None]
        out[column] = sum(values) / len(values) if values else None
    return out


def bootstrap(values: Tensor, statistic: Callable[[Tensor], Tensor], samples: int = 4000,
              ) -> tuple[float, float]:
    """95 % percentile interval of a statistic of scenes drawn again and again.

    values [n, ...]: one row a scene; `statistic` takes [samples, n, ...] to [samples].
    """
    generator = torch.Generator().manual_seed(0)
    picks = torch.randint(len(values), (samples, len(values)), generator=generator)
    drawn = statistic(values[picks]).double()
    drawn = drawn[drawn.isfinite()]
    if not len(drawn):
        return float("nan"), float("nan")
    low, high = drawn.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return low, high


@dataclass(frozen=True)
class Comparison:
    """mean(first - other) of a column over the `scenes` both have, its 95 % interval, and the ratio
    of the means with its own.
    """

    column: str
    other: str
    difference: float
    interval: tuple[float, float]
    ratio: float
    ratio_interval: tuple[float, float]
    scenes: int


def compare(results: dict[str, list[Row]], first: str, other: str, column: str) -> Comparison | None:
    """`first` against `other` on the scenes that both have; None where there are none."""
    mine, theirs = ({r.key: getattr(r, column) for r in results[name]} for name in (first, other))
    keys = [k for k in mine if mine[k] is not None and theirs.get(k) is not None]
    if not keys:
        return None
    pairs = torch.tensor([[mine[k], theirs[k]] for k in keys], dtype=torch.float64)
    a, b = pairs.mean(dim=0).tolist()
    return Comparison(
        column, other, a - b, bootstrap(pairs, lambda x: (x[..., 0] - x[..., 1]).mean(dim=1)),
        a / b if b else float("nan"),
        bootstrap(pairs, lambda x: x[..., 0].mean(dim=1) / x[..., 1].mean(dim=1)), len(keys))


def table(results: dict[str, list[Row]], unit: int) -> str:
    """The means as a Markdown table; the price also in edits of a given mask, `unit` evaluations."""
    heads = ["method", "scenes", *HEADS[:-1], "x one edit", HEADS[-1]]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for name, rows in results.items():
        m = means(rows)
        cells = [name, str(len(rows))]
        for column in COLUMNS:
            value = m[column]
            digits = 0 if column == "unet_evaluations" else 1 if column in (
                "background_psnr", "seconds") else 2
            cells.append("-" if value is None else f"{value:.{digits}f}")
            if column == "unet_evaluations":
                cells.append("-" if value is None else f"{value / unit:.1f}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def comparisons(results: dict[str, list[Row]]) -> str:
    """The first method less each other as a Markdown table; empty where there is no other."""
    first, *others = results
    rows = []
    for name in others:
        found = {column: compare(results, first, name, column) for column in COMPARED}
        counts = [c.scenes for c in found.values() if c is not None]
        if counts:
            cells = ["-" if c is None else _difference(c) for c in found.values()]
            rows.append(f"| {name} | {max(counts)} | " + " | ".join(cells) + " |")
    if not rows:
        return ""
    text = [f"`{first}` less each other method on the scenes both have, with paired 95 % bootstrap "
            "intervals; bold where 0 lies outside.", "",
            "| against | scenes | IoU | hit | success |", "|---|---|---|---|---|", *rows]
    if CEILING in others:
        text.append("")
        for column in COMPARED[1:]:
            c = compare(results, first, CEILING, column)
            if c is not None:
                low, high = c.ratio_interval
                text.append(f"{column} of `{first}` is {c.ratio:.2f} of `{CEILING}`'s ({low:.2f} to "
                            f"{high:.2f}, {c.scenes} scenes).  ")
    return "\n".join(text)


def _difference(c: Comparison) -> str:
    low, high = c.interval
    text = f"{c.difference:+.3f} ({low:+.3f} to {high:+.3f})"
    return f"**{text}**" if c.scenes >= FEWEST and (low > 0 or high < 0) else text


def report(results: dict[str, list[Row]], seed: int, unit: int, notes: dict[str, str]) -> str:
    """The whole report as Markdown: each kind of edit, all kinds with an object together, notes."""
    if not results:
        return "Nothing was measured.\n"
    seen = {r.kind for rows in results.values() for r in rows}
    kinds = [k for k in KINDS if k in seen]
    parts = [f"Scenes of seed {seed}. \"x one edit\": UNet evaluations over the {unit} of one edit in "
             "a given mask at the same steps and guidance."]
    groups = [(f"{kind} edits", [kind]) for kind in kinds]
    named = [k for k in kinds if k in ("replace", "recolour", "remove")]
    if len(named) > 1:
        groups.append(("all kinds with an object: " + ", ".join(named), named))
    for title, some in groups:
        part = {n: [r for r in rows if r.kind in some] for n, rows in results.items()}
        part = {n: rows for n, rows in part.items() if rows}
        parts += [f"## {title}", table(part, unit), comparisons(part)]
    said = [f"- `{name}`: {notes[name]}." for name in results if name in notes]
    return "\n\n".join(p for p in [*parts, "\n".join(said)] if p) + "\n"
