"""What is said of an edit in words: to a person, and in the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .painting.canvas import LEAST_SHARE, LEAST_SIDE, Canvas

if TYPE_CHECKING:
    from .proposals.regions import RegionProposals


def why_nothing(caption: str, proposals: RegionProposals, canvas: Canvas, *, prior: bool) -> str:
    """Why none of the regions is to be painted, in one sentence; empty where one is."""
    if not proposals.present:
        where = "where the region prior is white" if prior else "in the picture"
        way = "paint the prior where it is, or leave it out; " if prior else ""
        return (
            f"nothing {where} answers to {caption.strip()!r}; {way}to add something new, give the caption 'background'"
        )
    boxes = canvas.full_boxes(proposals.boxes)
    if bool(canvas.paintable(boxes).any()):
        return ""
    width, height = (boxes[0, 2:] - boxes[0, :2]).int().tolist()
    return (
        f"nothing found but what is too small: the likeliest region has {width} x {height} pixels, and none is painted "
        f"of less than {LEAST_SHARE:.1%} of the picture, or {LEAST_SIDE} of the painting model's pixels a side"
    )
