"""The one error a person is meant to read."""

from __future__ import annotations


class InputError(ValueError):
    """What was asked for cannot be done: one sentence with the value, the limit, the way out.

    Callers show the text as it is; anything else that is raised is a fault of the program.
    """


class InputProblems(InputError):
    """All that is wrong with a list: `problems` as (what, why), a line each in the text."""

    def __init__(self, summary: str, problems: list[tuple[str, str]]) -> None:
        self.problems = problems
        super().__init__("\n".join([summary, *(f"  {what}: {why}" for what, why in problems)]))


def first_line(error: Exception) -> str:
    """What went wrong in another library, short enough to stand inside one sentence."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".")[:160] if lines else type(error).__name__
