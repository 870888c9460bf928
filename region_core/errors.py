"""The one error a person is meant to read."""

from __future__ import annotations

import re
import sys

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class InputError(ValueError):
    """What was asked for cannot be done: one sentence with the value, the limit, the way out.

    Callers show the text as it is; anything else that is raised is a fault of the program. Of texts
    that it echoes, what this process's console has no sign for is escaped: see `escape_for_console`.
    """

    def __init__(self, text: str) -> None:
        super().__init__(escape_for_console(text))


class InputProblems(InputError):
    """All that is wrong with `what`, a list: `problems` as (where, why), a line each in the text."""

    def __init__(self, what: str, problems: list[tuple[str, str]]) -> None:
        self.problems = problems
        summary = f"{what} has {len(problems)} problem{'s' * (len(problems) > 1)}; nothing was edited."
        super().__init__("\n".join([summary, *(f"  {where}: {why}" for where, why in problems)]))


def first_line(error: Exception) -> str:
    """What went wrong in another library, short enough to stand inside one sentence."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".")[:160] if lines else type(error).__name__


def with_article(word: str) -> str:
    """ "an int", "a float": a word with its article, by its first letter."""
    return f"{'an' if word[0].lower() in 'aeiou' else 'a'} {word}"


def escape_for_console(text: str) -> str:
    """The text as stdout and stderr can both take it: the rest as `\\ud83d` or `\\u7ea2`.

    Half of a surrogate pair, which JSON, a shell and a file's name can all bring, fits into no
    encoding; a console in cp1252 takes few signs. To print either raises, and a program that prints
    what went wrong (a server's log, say) ends of it. Control characters but newline and tab are
    escaped, too: a terminal would obey them.
    """
    text = _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    for stream in (sys.stdout, sys.stderr):
        encoding = getattr(stream, "encoding", None) or "utf-8"
        try:
            text = text.encode(encoding, "backslashreplace").decode(encoding)
        except LookupError:  # a stand-in's encoding that Python does not know
            continue
    return text
