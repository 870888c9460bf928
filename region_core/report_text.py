"""What is said of an edit in words: to a person, and in the report."""

from __future__ import annotations

from .cost import Cost
from .edit import Edits
from .paint import Edit


def pixels(box: tuple[int, int, int, int]) -> str:
    """A box (x0, y0, x1, y1) as image editors say it: "x 20, y 10, 57 x 50 pixels"."""
    x0, y0, x1, y1 = box
    return f"x {x0}, y {y0}, {x1 - x0} x {y1 - y0} pixels"


def where(box: tuple[float, ...], width: float, height: float) -> str:
    """Where a box (x0, y0, x1, y1) lies in a picture and how large it is: "upper left, 12 % of the picture"."""
    x0, y0, x1, y1 = box
    across, down = (min(int(1.5 * (low + high) / side), 2) for low, high, side in ((x0, x1, width), (y0, y1, height)))
    place = " ".join(filter(None, (("upper", "", "lower")[down], ("left", "", "right")[across]))) or "middle"
    share = 100 * (x1 - x0) * (y1 - y0) / (width * height)
    return f"{place}, {share:.2g} % of the picture" if share < 10 else f"{place}, {share:.0f} % of the picture"


def of_parts(edit: Edit) -> str:
    """The number that put an edit in order, and what it is the sum of."""
    parts = dict(edit.parts)
    evidence = [f"evidence {parts.pop('evidence'):.2f}"] if "evidence" in parts else []
    final = f"final score {edit.score:.2f} ({', '.join(f'{name} {v:.2f}' for name, v in parts.items())})"
    return f"{edit.rank_score:.2f} = " + " + ".join([*evidence, final])


def of_cost(cost: Cost) -> str:
    """The whole cost in its one currency, and the passes that it is made of."""
    counts = ", ".join(f"{value:g} {name.replace('_', ' ')}" for name, value in vars(cost).items() if value)
    return f"{cost.total:.1f} UNet evaluations in all ({counts or 'nothing'})"


def summary(edits: Edits) -> list[tuple[str, str]]:
    """What came of an edit in lines of (what, its value), painted regions best first."""
    height, width = edits.encoded.picture.rgb.shape[-2:]
    lines = [
        ("asked", f"{edits.caption!r} -> {edits.prompt!r}"),
        ("verdict", edits.verdict + (f" ({edits.reason})" if edits.reason else "")),
        ("region", "none" if edits.box is None else f"{pixels(edits.box)}, {where(edits.box, width, height)}"),
    ]
    if edits.regions is not None:
        lines += [("note", note) for note in edits.regions.notes]
    if edits.regions is None:
        lines.append(("rounds", f"{len(edits.rounds)} of the published method, which cannot tell what is not there"))
    lines += [("cost", of_cost(edits.cost)), ("seconds", f"{edits.seconds:.1f}, seed {edits.seed}")]
    lines += [
        (
            f"painted {place}",
            f"{pixels(one.box)}, {where(one.box, width, height)}: {of_parts(one)}"
            + ("" if one.improves else ", behind the others: no better than leaving it alone"),
        )
        for place, one in enumerate(edits, 1)
    ]
    if edits.regions is None:
        lines.append(("source", f"{edits.source_score:.2f}, the score of leaving it alone"))
    return lines


def table(lines: list[tuple[str, str]]) -> str:
    """Lines of (what, its value) as a terminal shows them."""
    return "\n".join(f"{name:10} {value}" for name, value in lines)
