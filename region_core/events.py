"""What an edit tells whoever watches it: how far it is, what it has found, the best so far."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from .cost import Cost
from .encode import reduced
from .find import Box, Region, Regions
from .paint import Edit, StepInfo
from .settings import EditSettings

ALMOST = 0.99  # of the bar, before all is done
SEARCH = Cost(clip_images=39, clip_texts=92, dino_images=1)  # of encoding a picture and finding a caption in it, about


@dataclass(frozen=True)
class Event:
    """What an edit is doing. A watcher may raise to stop it.

    `kind` is "work" (a model made a forward, or with `step` a sampling step in `box`), "found" (`regions` were found),
    "round" (of the published method: `boxes` [n, 4] were edited, `record` is what `report.json` has of it) or "final";
    `done` the part of the work that is done, 0 to 1, by cost; `best` [1, 3, h, w] the best picture so far (reduced),
    None before the first, in `best_box`, with `best_score`; `several` of several edits what came of those so far.
    """

    kind: str
    done: float
    box: Box | None = None
    step: StepInfo | None = None
    regions: Regions | None = None
    boxes: Tensor | None = None
    best: Tensor | None = None
    best_box: Box | None = None
    best_score: float = float("nan")
    record: dict[str, Any] | None = None
    several: Any = None  # `SeveralEdits`, which stands on this


Watcher = Callable[[Event], None]


class Progress:
    """How far one edit is, told to `watch`: `spent` gives what was done so far, before this edit too, and `total` is
    what there is to do, both in UNet evaluations (`cost`). Keeps the rounds' records."""

    def __init__(self, watch: Watcher | None, spent: Callable[[], float], total: float) -> None:
        self.watch, self.spent, self.total = watch, spent, total
        self.start = spent()
        self.rounds: list[dict[str, Any]] = []

    @property
    def done(self) -> float:
        """The part of the work that is done."""
        return min((self.spent() - self.start) / max(self.total, 1e-6), ALMOST)

    def forward(self) -> None:
        """A model made a forward."""
        self._tell("work")

    def painting(self, region: Region) -> Callable[[StepInfo], None]:
        """What a painter calls after each step while it paints a region, the first of several."""
        return lambda step: self._tell("work", step=step, box=region.box)

    def found(self, regions: Regions) -> None:
        """Regions were found, or none."""
        self._tell("found", regions=regions)

    def round(self, boxes: Tensor, losses: Tensor, best_loss: float, expected: float, best: Edit) -> None:
        """A round of the published method: boxes [n, 4] were edited and have the losses [n]; the least loss so far, the
        generator's expected loss, the best edit so far by its score."""
        record = {
            "round": len(self.rounds),
            "loss": float(losses.mean()),
            "best": best_loss,
            "boxes": [[round(v) for v in row] for row in boxes.tolist()],
            "losses": losses.tolist(),
            "expected": expected,
        }
        self.rounds.append(record)
        if self.watch is not None:
            self._tell("round", boxes=boxes, record=record, **_best(best))

    def finished(self, best: Edit) -> None:
        """All is done."""
        if self.watch is not None:
            self.watch(Event("final", 1.0, **_best(best)))

    def _tell(self, kind: str, **more: Any) -> None:
        if self.watch is not None:
            self.watch(Event(kind, self.done, **more))


def _best(edit: Edit) -> dict[str, Any]:
    return {"best": reduced(edit.stitched()[0].clamp(0, 1)), "best_box": edit.box, "best_score": edit.score}


def expected_cost(settings: EditSettings, *, search: bool) -> float:
    """What an edit will cost in UNet evaluations, as far as its settings say it, for a bar that moves with the work."""
    paint = settings.paint
    forwards = (2 if paint.guidance_scale > 1 else 1) * max(1, round(paint.steps * paint.strength))
    one = Cost(unet_evaluations=forwards, vae_encodings=1 if paint.strength == 1 else 2, vae_decodings=1, clip_images=4)
    if settings.method == "paper":
        return (one * settings.paper.per_image_iteration * settings.paper.point_number).total
    return (one * paint.num_regions + (SEARCH if search else Cost())).total
