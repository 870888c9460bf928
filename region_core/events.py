"""What a search tells whoever watches it: where it is, what it tries, the best so far."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Event:
    """What the search is doing, for whoever watches. A watcher may raise to stop it.

    `kind` is "proposal" (regions were judged by evidence), "preview" (one was painted in few steps),
    "half" (edits are half done) or "final"; `done` of `total` stages, of which previews may turn out
    not to be needed; `boxes` [n, 4] those just tried; `best` [1, 3, h, w] the best picture so far
    (reduced), None before the first, `best_box` [4] its box, `best_score` its score as in the result
    or, before there are edits, the evidence, or the least loss with the sign turned; `loss` the
    round's (NaN where there is none); `record` the round's, as `report.json` has it.
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


class SearchProgress:
    """The stages of one search: keeps count of them and of the rounds' records, tells `watch`."""

    def __init__(self, watch: Watcher | None, *, previews: int) -> None:
        self.watch = watch
        self.previews = previews
        self.total = 1 + previews + 2  # proposals; half of the edits, the other half
        self.done = 0
        self.rounds: list[dict] = []

    def proposed(self, boxes: Tensor, evidence: Tensor) -> None:
        """Regions [n, 4] (pixels of the source), best first, have the evidence [n]."""
        self._tell("proposal", 1, boxes, best_box=boxes[0], best_score=float(evidence.max()))

    def previewed(self, box: Tensor, losses: Tensor, expected: float, best: Tensor, best_box: Tensor) -> None:
        """A round: boxes [n, 4] were edited; `losses` [m] are those of all edits so far, the round's
        last; `best` is the picture of the best so far; `expected` the generator's expected loss."""
        new = losses[len(losses) - len(box) :]
        self.rounds.append(
            {
                "round": len(self.rounds),
                "loss": float(new.mean()),
                "best": float(losses.min()),
                "boxes": [[round(v) for v in row] for row in box.tolist()],
                "losses": new.tolist(),
                "expected": expected,
            }
        )
        record = self.rounds[-1]
        self._tell(
            "preview",
            min(self.done + len(box), 1 + self.previews),
            box,
            best=best,
            best_box=best_box,
            best_score=-record["best"],
            loss=record["loss"],
            record=record,
        )

    def half_painted(self, boxes: Tensor, best: Tensor, best_box: Tensor, score: float) -> None:
        """The edits of boxes [n, 4] are half done; `best` is the best's picture."""
        self._tell("half", self.total - 1, boxes, best=best, best_box=best_box, best_score=score)

    def finished(self, boxes: Tensor, best: Tensor, score: float) -> None:
        """All is done: boxes [n, 4] of the finished edits, best first, the best's picture."""
        self._tell("final", self.total, boxes, best=best, best_box=boxes[0], best_score=score)

    def _tell(
        self,
        kind: str,
        done: int,
        boxes: Tensor,
        *,
        best: Tensor | None = None,
        best_box: Tensor,
        best_score: float,
        loss: float = float("nan"),
        record: dict | None = None,
    ) -> None:
        self.done = done
        if self.watch is not None:
            self.watch(Event(kind, done, self.total, boxes, best, loss, best_score, best_box, record))
