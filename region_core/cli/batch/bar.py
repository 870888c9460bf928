"""How far a run over a list is."""

from __future__ import annotations

from typing import Any

from .processes import Processes


class Bar:
    """How many items are done, by all processes, on the first one's stderr."""

    def __init__(self, processes: Processes, shown: bool) -> None:
        self.processes, self.shown = processes, shown and processes.first
        self._bar: Any = None

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_raised: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def begin(self, total: int) -> None:
        """Show that there are so many, if any."""
        from tqdm import tqdm

        if total:
            self._bar = tqdm(total=total, unit="item", disable=not self.shown, dynamic_ncols=True)

    def step(self) -> None:
        """One is done here."""
        done = self.processes.count("done")
        if self._bar is not None:
            self._bar.update(done - self._bar.n if self.processes.world > 1 else 1)
