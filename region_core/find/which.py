"""Which of several things is meant: all of them, the largest, the leftmost, the second best; and what is not."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import torch

from ..boxes import iou
from .regions import Region, Regions

LIKELY = 0.25  # of the best region's probability: with as much a region may be another of the kind
MEANT = 10.0  # nats that it is worth to be the one that the caption asks for
SAME = 0.5  # IoU from which what is not meant is this region
_MOST = r"(leftmost|rightmost|topmost|bottommost|largest|smallest)"
# "the left cup" and "the top hat" are not told apart, so a side alone counts at the end only
_BEFORE = re.compile(rf"(?:the|a|an)\s+{_MOST}\s+(?P<what>.+)", re.IGNORECASE)
_AFTER = re.compile(
    r"(?P<what>.+?),?\s+(?:on|at)\s+the\s+(?:far\s+)?(left|right|top|bottom)(?:\s+side)?", re.IGNORECASE
)


def parse_position(caption: str) -> tuple[str, str]:
    """What a caption names, and which of several it asks for: "the cup on the left" is ("the cup", "leftmost"), "the
    largest cup" ("the cup", "largest"); any other caption is itself, and ""."""
    if found := _BEFORE.fullmatch(caption):
        return f"the {found['what']}", found[1].lower()
    if found := _AFTER.fullmatch(caption):
        return found["what"], f"{found[2].lower()}most"
    return caption, ""


def meant_first(regions: Regions, which: str) -> Regions:
    """The same regions with the evidence that `which` is: the one that it means and other cuts of it come first."""
    meant = choose(regions, which)
    favour = [MEANT * any(_iou(region, one) >= SAME for one in meant) for region in regions]
    raised = [region.evidence + more for region, more in zip(regions, favour, strict=True)]
    total = math.log(sum(map(math.exp, raised)))
    weighed = [replace(region, evidence=one - total) for region, one in zip(regions, raised, strict=True)]
    first = [any(region is one for one in meant) for region in regions]
    order = sorted(range(len(weighed)), key=lambda n: (not first[n], -weighed[n].evidence))
    return replace(regions, regions=tuple(weighed[n] for n in order))


def things(regions: Regions) -> list[Region]:
    """The likely regions that are things of their own, best first."""
    least = regions[0].evidence + math.log(LIKELY) if regions.found else 0.0
    return [region for region in regions if region.separate and region.evidence >= least]


def choose(regions: Regions, which: str, place: int = 0, without: Regions | None = None) -> list[Region]:
    """The regions that `which` means (see `requests.WHICH`), `place` the place among the best where it is a number;
    those that are the best of `without` are left out."""
    several = things(regions)
    if without is not None and without.found:
        several = [region for region in several if _iou(region, without[0]) < SAME]
    if not several or which == "all":
        return several
    keys = {
        "largest": lambda region: -region.area,
        "smallest": lambda region: region.area,
        "leftmost": lambda region: region.box[0] + region.box[2],
        "rightmost": lambda region: -region.box[0] - region.box[2],
        "topmost": lambda region: region.box[1] + region.box[3],
        "bottommost": lambda region: -region.box[1] - region.box[3],
    }
    if which in keys:
        return [min(several, key=keys[which])]
    return several[place : place + 1]


def _iou(one: Region, other: Region) -> float:
    return float(iou(*(torch.tensor([region.box], dtype=torch.float32) for region in (one, other))))
