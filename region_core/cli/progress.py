"""Progress bars on stderr: of an edit, driven by its events, and of a process's share of a list. One that fails is told
of once, and the work goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tqdm import tqdm

from ..events import Event
from ..find import Box, Regions
from ..showing import Showing

_LOOKS = "{l_bar}{bar}| {elapsed}<{remaining}{postfix}"


class Progress:
    """Shows how much of the work is done, the last loss and the best score; an `on_event` callback.

    It keeps the last picture that was best, its box and the rounds, so that a run that is stopped can leave them on
    disk, and hands what was found to `found` at once. Use it as a context manager.
    """

    def __init__(self, *, shown: bool = True, found: Callable[[Regions], None] = lambda _: None) -> None:
        self.shown, self.found = shown, found
        self.best: Any = None  # [1, 3, H, W]
        self.best_box: Box | None = None
        self.score: float | None = None
        self.rounds: list[dict] = []
        self.several: Any = None  # of several edits what came of those so far
        self.done = 0.0
        self._showing, self._bar = Showing(), tqdm(disable=True)

    def __enter__(self) -> Progress:
        asked: dict[str, Any] = {"bar_format": _LOOKS, "disable": not self.shown, "dynamic_ncols": True}
        self._bar = self._showing(lambda: tqdm(total=1, desc="edit", **asked), self._bar)
        return self

    def __exit__(self, *_raised: object) -> None:
        self._showing(self._bar.close)

    def __call__(self, event: Event) -> None:
        """Take in one event."""
        self.done = event.done
        if event.regions is not None:
            self.found(event.regions)
        self.several = event.several or self.several
        if event.record is not None:
            self.rounds.append(event.record)
        if event.best is not None:
            self.best, self.best_box, self.score = event.best, event.best_box, event.best_score
            loss = f"loss {self.rounds[-1]['loss']:.3f}, " if self.rounds else ""
            self._showing(lambda: self._bar.set_postfix_str(f"{loss}best score {self.score:.3f}"))
        self._showing(lambda: self._bar.update(event.done - self._bar.n))


class Bar:
    """How many items of a list are done here, and how far the one that is worked on is."""

    def __init__(self, shown: bool) -> None:
        self.shown, self._done = shown, 0
        self._showing, self._bar = Showing(), tqdm(disable=True)

    def begin(self, total: int) -> None:
        """Show that there are so many, if any."""
        if total:  # miniters 0: moves may be of any size
            asked: dict[str, Any] = {"bar_format": _LOOKS, "disable": not self.shown, "dynamic_ncols": True}
            self._bar = self._showing(lambda: tqdm(total=total, miniters=0, **asked), self._bar)
            self._tell()

    def step(self) -> None:
        """One is done."""
        self._done += 1
        self._tell()
        self.reach(0)

    def reach(self, more: float) -> None:
        """So many items beyond those that are done are worked on, the last one in part."""
        self._showing(lambda: self._bar.update(max(self._done + more - self._bar.n, 0)))

    def close(self) -> None:
        """Leave it as it stands."""
        self._showing(self._bar.close)

    def _tell(self) -> None:
        said = f"{self._done} of {self._bar.total} items"
        self._showing(lambda: self._bar.set_postfix_str(said, refresh=not self._done))
