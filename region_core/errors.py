"""The one error a person is meant to read."""

from __future__ import annotations


class InputError(ValueError):
    """What was asked for cannot be done: one sentence with the value, the limit, the way out.

    Callers show the text as it is; anything else that is raised is a fault of the program.
    """
