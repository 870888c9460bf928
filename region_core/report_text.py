"""What is said of an edit in words: to a person, and in the report."""

from __future__ import annotations

import math
import re

from .cost import Cost
from .edits import Edits
from .find import Region, Regions
from .paint import Edit
from .paint.painter import first_step
from .settings import EditSettings

FEW_STEPS = 4
UNLIKELY = 0.01  # a region of a lower probability is not told by itself
WEAK = 0.5  # of strength: less keeps most of what is there
_TWO = re.compile(r"((?:an?|the|one) .+?) and ((?:an?|the|one) .+)", re.IGNORECASE)
NO_JUDGEMENT = "which judges neither whether the thing is there nor whether the edit is better than none"


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


def likely(region: Region) -> str:
    """How probable a region is among all that were found with it."""
    return f"{100 * math.exp(region.evidence):.0f} % likely"


def ranked(regions: Regions, pick: int = 1) -> list[str]:
    """A line a region, best first; in place of those that are as good as impossible, how many they are."""
    lines = []
    for place, one in enumerate(regions, 1):
        if place in (1, pick) or math.exp(one.evidence) >= UNLIKELY:
            lines.append(f"{place}: {pixels(one.box)}, {where(one.box, *one.size[::-1])}, {likely(one)}")
    others = len(regions) - len(lines)
    return [*lines, *[f"and {others} less than {100 * UNLIKELY:.0f} % likely"] * bool(others)]


def of_edit(edits: Edits, edit: Edit) -> str:
    """How likely a region is and how good its edit, by which edits are put in order; its number is what pick takes."""
    if edits.regions is None:  # the published method knows no evidence
        return f"edit scores {edit.score:.2f}"
    number = next((n for n, one in enumerate(edits.regions, 1) if one is edit.region), 1)
    return f"region {number}: {likely(edit.region)}, edit scores {edit.score:.2f}"


def stands_out(regions: Regions) -> str:
    """How far the caption stands out in the picture; empty where that was not asked."""
    if math.isnan(regions.presence):
        return ""
    few = "" if regions.found else ", too few to be there"
    return f"{regions.caption!r} stands out here more than {100 * regions.presence:.0f} % of other texts do{few}"


def notes(settings: EditSettings) -> list[str]:
    """What of the settings limits the answer, in sentences."""
    paint = settings.paint
    made = paint.steps - first_step(paint.steps, paint.strength, paint.steps - 1)
    told = []
    if made < FEW_STEPS:
        of = f" of {paint.steps} at strength {paint.strength:g}" if made < paint.steps else ""
        some = f"{made} step{'s' * (made > 1)}{of}"
        told.append(f"{some}: most models leave a smear with so few; 8 or more are usual")
    if paint.strength < WEAK:
        told.append(f"strength {paint.strength:g} keeps most of what is there; 1 paints anew")
    if paint.guidance_scale <= 1:
        told.append(
            f"guidance_scale {paint.guidance_scale:g} is none: no negative prompt is read, and few models but "
            "distilled ones follow the prompt without"
        )
    return told


def enlarged(edit: Edit) -> list[str]:
    """A note where a crop is much larger than what was painted for it."""
    side, crop = edit.painted.shape[-1], edit.crop.window[2] - edit.crop.window[0]
    if crop <= 2 * side:
        return []
    return [f"painted at {side} x {side} pixels and enlarged {crop / side:.2g} times: what is finer is not in it"]


def all_notes(edits: Edits) -> list[str]:
    """What limits an answer, or is odd in what was asked, in sentences."""
    told = [*notes(edits.settings), *two_things(edits.caption, edits.prompt)]
    told += [] if edits.best is None else enlarged(edits.best)
    if edits.regions is not None:
        return [*told, *edits.regions.notes]
    if edits.best is not None and edits.settings.find.max_area < 1 and len(edits.tried_boxes):
        x0, y0, x1, y1 = edits.best.box
        most = (edits.tried_boxes[:, 2:] - edits.tried_boxes[:, :2]).amax(dim=0)
        if x1 - x0 > most[0] - 1 or y1 - y0 > most[1] - 1:  # at the border of the picture one side is shorter
            size = edits.settings.paper.max_window_size
            told.append(f"the region is as large as max_window_size {size} allows; raise it where the thing is larger")
    return told


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
    lines += [("note", note) for note in all_notes(edits)]
    alone = 0.0
    if edits.regions is None:
        alone = edits.source_score
        lines.append(("rounds", f"{len(edits.rounds)} of the published method, {NO_JUDGEMENT}"))
    else:
        lines += [("found", told) for told in [stands_out(edits.regions)] if told]
    lines += [
        (f"painted {place}", f"{pixels(one.box)}, {where(one.box, width, height)}, {of_edit(edits, one)}{_worse(one)}")
        for place, one in enumerate(edits, 1)
    ]
    if len(edits):
        lines.append(("alone", f"{alone:.2f} is what leaving the picture as it is would score"))
    return [*lines, ("cost", of_cost(edits.cost)), ("seconds", f"{edits.seconds:.1f}, seed {edits.seed}")]


def _worse(edit: Edit) -> str:
    return "" if edit.improves else ": no better than leaving it alone"


def two_things(caption: str, prompt: str) -> list[str]:
    """A note where a caption names two things: one region is painted for it."""
    named = _TWO.fullmatch(caption.strip())
    if named is None:
        return []
    first, second = (f'"{one} -> {prompt}"' for one in named.groups())
    return [
        f"if the caption names two things, one region is looked for; for one of each write two edits, {first} and "
        f"{second}: --edit twice, or a line each in Edit Several Regions"
    ]


def table(lines: list[tuple[str, str]]) -> str:
    """Lines of (what, its value) as a terminal shows them."""
    return "\n".join(f"{name:10} {value}" for name, value in lines)
