"""What is said of an edit in words: to a person, and in the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .cost import Cost
    from .edit import Candidate, EditResult


def where(box: tuple[float, ...], width: float, height: float) -> str:
    """Where a box (x0, y0, x1, y1) lies in a picture and how large it is: "upper left, 12 % of the picture"."""
    x0, y0, x1, y1 = box
    across, down = (min(int(1.5 * (low + high) / side), 2) for low, high, side in ((x0, x1, width), (y0, y1, height)))
    place = " ".join(filter(None, (("upper", "", "lower")[down], ("left", "", "right")[across]))) or "middle"
    share = 100 * (x1 - x0) * (y1 - y0) / (width * height)
    return f"{place}, {share:.2g} % of the picture" if share < 10 else f"{place}, {share:.0f} % of the picture"


def of_parts(candidate: Candidate) -> str:
    """The number that put a candidate in order, and what it is the sum of."""
    parts = dict(candidate.parts)
    judged = [(name, parts.pop(name)) for name in ("text", "picture") if name in parts]
    final = f"final score {sum(v for _, v in judged):.2f} ({', '.join(f'{name} {v:.2f}' for name, v in judged)})"
    terms = [f"{'generator' if name == 'learned' else name} {v:.2f}" for name, v in parts.items()]
    return f"{candidate.deciding:.2f} = " + " + ".join([*terms, *([final] if judged else [])])


def of_cost(cost: Cost) -> str:
    """The whole cost in its one currency, and the passes that it is made of."""
    counts = ", ".join(f"{value:g} {name.replace('_', ' ')}" for name, value in vars(cost).items() if value)
    return f"{cost.total:.1f} UNet evaluations in all ({counts or 'nothing'})"


def summary(result: EditResult) -> list[tuple[str, str]]:
    """A result in lines of (what, its value), painted regions best first."""
    height, width = result.mask.shape[-2:]
    lines = [
        ("asked", f"{result.caption!r} -> {result.prompt!r}"),
        ("verdict", result.verdict + (f" ({result.reason})" if result.reason else "")),
        ("region", "none" if result.box is None else f"{result.box}, {where(result.box, width, height)}"),
        ("previews", f"{len(result.rounds)} ({result.stopped or 'nothing to choose between'})"),
        ("cost", of_cost(result.cost)),
        ("seconds", f"{result.seconds:.1f}, seed {result.seed}"),
    ]
    lines += [
        (
            f"painted {place}",
            f"{one.box}, {where(one.box, width, height)}: {of_parts(one)}"
            + ("" if one.improves else ", behind the others: no better than leaving it alone"),
        )
        for place, one in enumerate(result.candidates, 1)
    ]
    if result.candidates and result.settings.method == "published":
        lines.append(("source", f"{result.source_score:.2f}, the score of leaving it alone"))
    return lines


def table(lines: list[tuple[str, str]]) -> str:
    """Lines of (what, its value) as a terminal shows them."""
    return "\n".join(f"{name:10} {value}" for name, value in lines)
