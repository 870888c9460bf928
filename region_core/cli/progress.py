"""A progress bar on stderr, driven by the events of an edit."""

from __future__ import annotations

import math
from typing import Any

from tqdm import tqdm

from ..events import Event


class Progress:
    """Shows how much of the work is done, the last loss and the best score; an `on_event` callback.

    It also keeps the last picture that was best, its box and the rounds, so that a run that is
    stopped can leave them on disk. Use it as a context manager.
    """

    def __init__(self, *, shown: bool = True) -> None:
        self.shown = shown
        self.best: Any = None  # [1, 3, H, W]
        self.best_box: list[int] | None = None
        self.score: float | None = None  # the final one, where it has come to that
        self.rounds: list[dict] = []
        self.done = 0.0
        self._numbers: dict[str, float] = {}
        self._bar: Any = None

    def __enter__(self) -> Progress:
        bar = "{l_bar}{bar}| {elapsed}<{remaining}{postfix}"
        self._bar = tqdm(total=1, desc="edit", bar_format=bar, disable=not self.shown, dynamic_ncols=True)
        return self

    def __exit__(self, *_raised: object) -> None:
        self._bar.close()

    def __call__(self, event: Event) -> None:
        """Take in one event."""
        self.done = event.done
        if event.best is not None:
            self.best = event.best
            self.score = event.best_score if event.kind == "final" else None
            self.best_box = None if event.best_box is None else [round(v) for v in event.best_box.tolist()]
        if event.record is not None:
            self.rounds.append(event.record)
        self._bar.update(event.done - self._bar.n)
        if event.kind == "work":
            return
        # without previews there is no loss, and no score before a region is painted
        known = {"loss": event.loss, "best score": event.best_score if event.kind in ("half", "final") else math.nan}
        self._numbers |= {name: value for name, value in known.items() if math.isfinite(value)}
        self._bar.set_postfix_str(", ".join(f"{name} {value:.3f}" for name, value in self._numbers.items()))
