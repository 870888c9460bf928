"""Where an item's files lie, and when they count as finished: the report is written last of all."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from ..draw import on_paper
from ..files import atomic_write, discard, remove, write_json
from ..find import Box

THUMB = 320  # pixels of the longer side
_INSIDE = ("edited.png", "region.png")
_MARK = "handed_out.json"

Thumbs = dict[str, Image.Image]


@dataclass(frozen=True)
class Place:
    """The files of one item under `root`: a folder of its own, and beside all others' the edited
    picture and, with `draw_box`, the boxes."""

    root: Path
    name: str
    draw_box: bool = False

    @property
    def folder(self) -> Path:
        """The item's own folder. Every draft is made there, so one process alone may clean it."""
        return self.root / "items" / self.name

    @property
    def edited(self) -> Path:
        """The edited picture among all others'."""
        return self.root / "results" / f"{self.name}.png"

    @property
    def boxes(self) -> Path:
        """The source with the boxes drawn, among all others'."""
        return self.root / "boxes" / f"{self.name}.png"

    def report(self, stamp: str) -> dict[str, Any] | None:
        """The report with that stamp of an item whose files are all there, or None."""
        report = _read(self.folder / "report.json")
        files = [self.edited, *(self.folder / name for name in _INSIDE)]
        files += [self.boxes] if self.draw_box else []
        return report if report.get("stamp") == stamp and all(file.is_file() for file in files) else None

    def failure(self, stamp: str) -> str:
        """What went wrong with the edit of that stamp; empty where nothing did."""
        failed = _read(self.folder / "failed.json")
        return failed.get("error", "") if failed.get("stamp") == stamp else ""

    def handed_out(self, stamp: str) -> tuple[int, int]:
        """When the edit of that stamp was handed out last, in nanoseconds, and as one of how many; zeros for never."""
        mark = _read(self.folder / _MARK)
        return (mark["at"], mark["together"]) if mark.get("stamp") == stamp else (0, 0)

    def hand_out(self, stamp: str, together: int) -> None:
        """Note that somebody makes the edit of that stamp, as one of so many, who may not come back."""
        write_json(self.folder / _MARK, {"stamp": stamp, "at": time.time_ns(), "together": together})

    def begin(self) -> None:
        """Before the files of another edit are written: what is there is no longer finished."""
        self._clear_drafts()
        remove(self.folder / "report.json")  # it spoke of other pictures
        remove(self.folder / _MARK)

    def finish(self, thumbs: Thumbs, report: dict[str, Any]) -> None:
        """Write what is left to write once `edited.png` and `region.png` are there, the report last."""
        for name, image in thumbs.items():
            with atomic_write(self.folder / f"{name}.jpg") as draft:
                image.save(draft, format="JPEG", quality=88)
        with atomic_write(self.edited, drafts=self.folder) as draft:
            shutil.copyfile(self.folder / "edited.png", draft)
        write_json(self.folder / "report.json", report)
        self.forget_failure()

    def fail(self, reason: str, more: dict[str, Any]) -> None:
        """Note that the item could not be edited, and why."""
        self._clear_drafts()
        write_json(self.folder / "failed.json", {"error": reason, **more})

    def forget_failure(self) -> None:
        """Take away what is noted of an earlier failure."""
        remove(self.folder / "failed.json")

    def _clear_drafts(self) -> None:
        """Remove what a killed run left of unfinished files."""
        for draft in self.folder.glob(".*.tmp"):
            discard(draft)


def _read(path: Path) -> dict[str, Any]:
    """What a file says; nothing where it is not there, or damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def thumbs_of(before: Image.Image, after: Image.Image, mask: Image.Image | None, boxes: Iterable[Box]) -> Thumbs:
    """Small pictures for the page: before, the edit's mask and boxes in it, after; no mask of no edit."""
    region = on_paper(before)
    if mask is not None:
        shaded = Image.blend(region, Image.new("RGB", region.size, (24, 26, 32)), 0.62)
        region = Image.composite(region, shaded, mask.point(lambda value: 255 if value else 0))
    thumbs = {"before": _small(before), "region": _small(region), "after": _small(after)}
    for box in boxes:
        scale = [a / b for a, b in zip(thumbs["region"].size * 2, region.size * 2, strict=True)]
        x0, y0, x1, y1 = (v * s for v, s in zip(box, scale, strict=True))
        corners = (x0, y0, max(x0, x1 - 1), max(y0, y1 - 1))  # of a long strip it may be a line
        ImageDraw.Draw(thumbs["region"]).rectangle(corners, outline=(255, 94, 58), width=2)
    return thumbs


def _small(image: Image.Image) -> Image.Image:
    image = on_paper(image)
    image.thumbnail((THUMB, THUMB), Image.Resampling.LANCZOS)
    return image
