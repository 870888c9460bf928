"""What a search tells whoever watches it: where it is, what it tries, the best so far."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

ALMOST = 0.99  # of the bar, before all is done


@dataclass(frozen=True)
class Event:
    """What the search is doing, for whoever watches. A watcher may raise to stop it.

    `kind` is "work" (a model made a pass, or a sampling step), "proposal" (regions were judged by evidence),
    "preview" (one was painted in few steps), "half" (edits are half done) or "final"; `done` the part of the
    work that is done, 0 to 1, by cost: previews may turn out not to be needed, then the rest counts for more;
    `boxes` [n, 4] those just tried, none for "work"; `best` [1, 3, h, w] the best picture so far
    (reduced), None before the first, `best_box` [4] its box, `best_score` its score as in the result
    or, before there are edits, the evidence, or the least loss with the sign turned; `loss` the
    round's (NaN where there is none); `record` the round's, as `report.json` has it.
    """

    kind: str
    done: float
    boxes: Tensor
    best: Tensor | None = None
    loss: float = float("nan")
    best_score: float = float("nan")
    best_box: Tensor | None = None
    record: dict | None = None


Watcher = Callable[[Event], None]


class SearchProgress:
    """How far one search is: keeps the rounds' records, tells `watch`. `spent` gives what was done so far, before
    this search too, and `left` is what there is to do, both in UNet evaluations (`cost`)."""

    def __init__(self, watch: Watcher | None, *, spent: Callable[[], float] = lambda: 0.0, left: float = 1.0) -> None:
        self.watch, self.spent, self.left = watch, spent, left
        self.done, self._seen = 0.0, spent()
        self.rounds: list[dict] = []

    def expect(self, left: float) -> None:
        """So much is left to do, as far as is known: what is left of the bar is parted anew."""
        self._advance()
        self.left = left

    def passed(self) -> None:
        """A model made a pass."""
        self._tell("work", torch.zeros(0, 4))

    def _advance(self) -> None:
        spent = self.spent()
        new, self._seen = spent - self._seen, spent
        if new > 0:
            self.done = min(self.done + (1 - self.done) * new / max(self.left, new), ALMOST)
            self.left = max(self.left - new, 0)

    def proposed(self, boxes: Tensor, evidence: Tensor) -> None:
        """Regions [n, 4] (pixels of the source), best first, have the evidence [n]."""
        self._tell("proposal", boxes, best_box=boxes[0], best_score=float(evidence.max()))

    def previewed(self, box: Tensor, losses: Tensor, expected: float, best: Tensor, best_box: Tensor) -> None:
        """A round: boxes [n, 4] were edited; `losses` [m] are those of all edits so far, the round's
        last; `best` is the picture of the best so far; `expected` the generator's expected loss."""
        new = losses[len(losses) - len(box) :]
        least, loss = float(losses.min()), float(new.mean())
        record = {
            "round": len(self.rounds),
            "loss": loss,
            "best": least,
            "boxes": [[round(v) for v in row] for row in box.tolist()],
            "losses": new.tolist(),
            "expected": expected,
        }
        self.rounds.append(record)
        self._tell("preview", box, best=best, best_box=best_box, best_score=-least, loss=loss, record=record)

    def half_painted(self, boxes: Tensor, best: Tensor, best_box: Tensor, score: float) -> None:
        """The edits of boxes [n, 4] are half done; `best` is the best's picture."""
        self._tell("half", boxes, best=best, best_box=best_box, best_score=score)

    def finished(self, boxes: Tensor, best: Tensor, score: float) -> None:
        """All is done: boxes [n, 4] of the finished edits, best first, the best's picture."""
        self.done = 1.0
        self._tell("final", boxes, best=best, best_box=boxes[0], best_score=score)

    def _tell(self, kind: str, boxes: Tensor, **more: Any) -> None:
        """Tell the watcher; `more` are the event's other fields."""
        if kind != "final":
            self._advance()
        if self.watch is not None:
            self.watch(Event(kind, self.done, boxes, **more))
