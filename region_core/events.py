"""What a search tells whoever watches it: where it is, what it tries, the best so far."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Event:
    """What the search is doing, for whoever watches. A watcher may raise to stop it.

    `kind` is "screen" (CLIP has judged boxes), "look" (boxes were painted in few steps), "draft"
    (edits are half done) or "final"; `done` of `total` stages, a look being one; `boxes` [n, 4] those
    just tried; `best` [1, 3, h, w] the best picture so far (reduced), None before the first,
    `best_box` [4] its box, `best_score` its score as in the result or, before there are drafts, the
    least loss with the sign turned; `loss` the round's mean (NaN where there is none); `record` the
    round's, as `report.json` has it.
    """

    kind: str
    done: int
    total: int
    boxes: Tensor
    best: Tensor | None
    loss: float
    best_score: float
    best_box: Tensor | None = None
    record: dict | None = None


Watcher = Callable[[Event], None]


class Course:
    """The stages of one search: keeps count of them and of the rounds' records, tells `watch`.

    The rounds are those of what chooses or teaches: of the looks where some are made, else of the
    screen.
    """

    def __init__(self, watch: Watcher | None, *, screening: int, looks: int) -> None:
        self.watch = watch
        self.screening, self.looks = screening, looks
        self.total = screening + looks + 2  # half of the edits, the other half
        self.done = 0
        self.rounds: list[dict] = []

    def screened(self, boxes: Tensor, losses: Tensor) -> None:
        """A round of the screen: boxes [n, 4] (pixels of the source), best first, and their losses
        [n]: the screen's evidence with the sign turned."""
        record = None if self.looks else self._keep(boxes, losses)
        self._tell("screen", self.done + 1, boxes, best_box=boxes[0],
                   best_score=-float(losses.min()), loss=float(losses.mean()), record=record)

    def chosen(self, boxes: Tensor, loss: float) -> None:
        """The screen is done: boxes [n, 4], best first, and the best's loss."""
        self._tell("screen", self.screening, boxes, best_box=boxes[0], best_score=-loss)

    def looked(self, boxes: Tensor, losses: Tensor, expected: float, best: Tensor,
               best_box: Tensor) -> None:
        """A round of looks at boxes [n, 4] with their losses [n]; `best` is the picture of the least
        loss so far, `expected` the generator's expected loss."""
        record = self._keep(boxes, losses, expected=expected)
        self._tell("look", self.done + len(boxes), boxes, best=best,
                   best_box=best_box, best_score=-record["best"], loss=record["loss"], record=record)

    def drafted(self, boxes: Tensor, best: Tensor, best_box: Tensor, score: float) -> None:
        """The edits of boxes [n, 4] are half done; `best` is the best's picture."""
        self._tell("draft", self.total - 1, boxes, best=best, best_box=best_box, best_score=score)

    def finished(self, boxes: Tensor, best: Tensor, score: float) -> None:
        """All is done: boxes [n, 4] of the finished edits, best first, the best's picture."""
        self._tell("final", self.total, boxes, best=best, best_box=boxes[0], best_score=score)

    def _keep(self, boxes: Tensor, losses: Tensor, **more: float) -> dict:
        best = min([float(losses.min()), *(record["best"] for record in self.rounds)])
        self.rounds.append({
            "round": len(self.rounds), "loss": float(losses.mean()), "best": best,
            "boxes": [[round(v) for v in box] for box in boxes.tolist()],
            "losses": losses.tolist(), **more})
        return self.rounds[-1]

    def _tell(self, kind: str, done: int, boxes: Tensor, *, best: Tensor | None = None,
              best_box: Tensor, best_score: float, loss: float = float("nan"),
              record: dict | None = None) -> None:
        self.done = done
        if self.watch is not None:
            self.watch(Event(kind, done, self.total, boxes, best, loss, best_score, best_box, record))
