"""How far a run over a list is."""

from __future__ import annotations

from typing import Any

from tqdm import tqdm

from .processes import Processes


class Bar:
    """How many items are done, by all processes, and how far the first one's own is, on its stderr."""

    def __init__(self, processes: Processes, shown: bool) -> None:
        self.processes, self.shown = processes, shown and processes.first
        self._done = 0
        self._bar: Any = tqdm(disable=True)

    def begin(self, total: int) -> None:
        """Show that there are so many, if any."""
        if total:
            looks = "{l_bar}{bar}| {elapsed}<{remaining}{postfix}"
            options: dict[str, Any] = {"disable": not self.shown, "dynamic_ncols": True, "miniters": 0}
            self._bar = tqdm(total=total, bar_format=looks, **options)  # 0: moves may be of any size
            self._bar.set_postfix_str(f"0 of {total} items")

    def step(self) -> None:
        """One is done here."""
        self._done = self.processes.count("done")
        self._bar.set_postfix_str(f"{self._done} of {self._bar.total} items", refresh=False)
        self.reach(0)

    def reach(self, more: float) -> None:
        """So many items beyond those that are done are worked on here, the last one in part."""
        self._bar.update(max(self._done + more - self._bar.n, 0))

    def close(self) -> None:
        """Leave it as it stands."""
        self._bar.close()
