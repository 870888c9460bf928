"""How far a process is with its share of a list."""

from __future__ import annotations

from typing import Any

from tqdm import tqdm


class Bar:
    """How many items are done here, and how far the one that is worked on is, on stderr."""

    def __init__(self, shown: bool) -> None:
        self.shown, self._done = shown, 0
        self._bar: Any = tqdm(disable=True)

    def begin(self, total: int) -> None:
        """Show that there are so many, if any."""
        if total:
            looks = "{l_bar}{bar}| {elapsed}<{remaining}{postfix}"
            # miniters 0: moves may be of any size
            self._bar = tqdm(total=total, bar_format=looks, disable=not self.shown, dynamic_ncols=True, miniters=0)
            self._tell()

    def step(self) -> None:
        """One is done."""
        self._done += 1
        self._tell()
        self.reach(0)

    def reach(self, more: float) -> None:
        """So many items beyond those that are done are worked on, the last one in part."""
        self._bar.update(max(self._done + more - self._bar.n, 0))

    def close(self) -> None:
        """Leave it as it stands."""
        self._bar.close()

    def _tell(self) -> None:
        self._bar.set_postfix_str(f"{self._done} of {self._bar.total} items", refresh=not self._done)
