"""What is only looked at: it may fail, and the work goes on without it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, ClassVar

from .errors import escape_for_console, first_line

log = logging.getLogger(__name__)


class Showing:
    """Makes what is only looked at: what fails there is told once. `passes` are exceptions that stop the work."""

    passes: ClassVar[tuple[type[BaseException], ...]] = ()

    def __init__(self) -> None:
        self.told = False

    def __call__(self, make: Callable[[], Any], instead: Any = None) -> Any:
        """What `make` gives; `instead` where it fails."""
        try:
            return make()
        except self.passes:
            raise
        except Exception as error:  # of a previewer, a font or a progress bar, which others replace
            if not self.told:
                log.warning(
                    "a picture of the work could not be shown (%s); it goes on", escape_for_console(first_line(error))
                )
            self.told = True
            return instead
