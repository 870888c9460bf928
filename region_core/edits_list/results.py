"""What came of a list whose edits somebody else makes: kept on disk, so that a later run goes on."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..boxes import box_round
from ..edits import EDITED, NO_REGION
from ..picture import Picture, to_pil
from ..picture_file import save_png
from ..showing import Showing
from .items import Item, digest_of
from .page import Row, write_page, write_summary
from .places import Place, thumbs_of


@dataclass(frozen=True)
class ListResults:
    """The results of a list's `items` in the folder `root`."""

    items: tuple[Item, ...]
    root: Path

    def stamp(self, item: Item) -> str:
        """What tells an item's result from that of other texts, another seed or another picture file."""
        try:
            file = os.stat(item.path)
            which = [file.st_size, file.st_mtime_ns]
        except OSError:  # it is gone, of which its turn will say so
            which = []
        return digest_of([*item.texts, item.settings.seed, *which])

    def row(self, item: Item) -> Row:
        """An item and what is on disk of it."""
        place, stamp = Place(self.root, item.folder), self.stamp(item)
        return Row(item, place, report := place.report(stamp), "" if report else place.failure(stamp))

    def left(self) -> list[Item]:
        """The items whose edits are neither finished nor have failed: those that were never handed out, then the one
        whose turn was longest ago."""
        return sorted((item for item in self.items if not self.row(item).is_over), key=self.handed_out)

    def next(self, most: int) -> list[Item]:
        """Those of `left` whose turn is next, at most so many. Of those that were handed out, and of which nothing
        came, half as many as they were: one that always fails is alone in the end, and keeps back none."""
        left = self.left()
        fresh = [item for item in left if not self.was_handed_out(item)]
        if left and not fresh:
            most = min(most, max(1, self.handed_out(left[0])[1] // 2))
        return (fresh or left)[:most]

    def handed_out(self, item: Item) -> tuple[int, int]:
        """When an item was handed out, in nanoseconds, and as one of how many; zeros for never."""
        return Place(self.root, item.folder).handed_out(self.stamp(item))

    def was_handed_out(self, item: Item) -> bool:
        """Whether an item was handed out, and nothing has come of it yet."""
        return self.handed_out(item) != (0, 0)

    def hand_out(self, items: list[Item]) -> None:
        """Note that these are being edited."""
        for item in items:
            Place(self.root, item.folder).hand_out(self.stamp(item), len(items))

    def keep(
        self,
        item: Item,
        picture: Picture,
        edited: Tensor,
        *,
        stamp: str,
        alpha: Tensor | None = None,
        mask: Tensor | None = None,
        report: str = "",
    ) -> Path:
        """Write what came of an item, and return the edited picture's file.

        edited [1, 3, h, w] in 0..1, as large as the picture or of another size; alpha [1, 1, h, w]; mask [1, 1, h, w]
        of what was painted, what changed where there is none; stamp: the item's when its picture was read. A picture
        that is as it was, and one whose mask is empty, count as not edited.
        """
        place, after = Place(self.root, item.folder), to_pil(edited, alpha)
        changed = _changed(picture, edited)
        done = bool(changed.any()) and (mask is None or bool(mask.any()))
        mask = changed if mask is None or mask.shape != changed.shape else mask
        box = box_round(mask) if done else None
        place.begin()
        save_png(after, place.folder / "edited.png", picture.icc_profile)
        shown = to_pil(mask.expand(-1, 3, -1, -1)).convert("L")
        save_png(shown, place.folder / "region.png")
        before = to_pil(picture.rgb, picture.alpha)
        within = done and shown.size == before.size
        texts = {"image_caption": item.caption, "editing_prompt": item.prompt, "negative_prompt": item.negative_prompt}
        said = {
            "box": box,
            "verdict": EDITED if done else NO_REGION,
            "reason": "" if done else " ".join(report.split()),
            "report": report,
            "note": picture.note,
            "seed": item.settings.seed,
            "key": item.key,
            "image": item.image,
            **texts,
            "picture_size": [picture.width, picture.height],
            "stamp": stamp,
        }
        boxes = [box] if within and box else []
        thumbs = Showing()(lambda: thumbs_of(before, after, shown if within else None, boxes), {})
        place.finish(thumbs, said)
        return place.edited

    def fail(self, item: Item, reason: str) -> None:
        """Note that an item cannot be edited, and why."""
        Place(self.root, item.folder).fail(reason, {"key": item.key, "stamp": self.stamp(item)})

    def write(self) -> list[Row]:
        """Write the page and the table of all items, from what is on disk; their rows."""
        rows = [self.row(item) for item in self.items]
        write_page(self.root, rows)
        write_summary(self.root, rows)
        return rows


def _changed(picture: Picture, edited: Tensor) -> Tensor:
    """[1, 1, h, w], 1 where the edit differs in 8 bits; everywhere in one of another size."""
    if edited.shape != picture.rgb.shape:
        return torch.ones_like(edited[:, :1])
    before, after = (each.float().mul(255).round() for each in (picture.rgb.to(edited.device), edited))
    return (before != after).any(dim=1, keepdim=True).float()
