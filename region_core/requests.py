"""What people ask for in a line: `coffee -> soft drink`, `star | largest -> moon`, `cup | not: a red cup -> vase`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .checks import check_texts
from .errors import InputError
from .settings import EditSettings

WHICH = ("best", "all", "largest", "smallest", "leftmost", "rightmost", "topmost", "bottommost")
_PLACE = re.compile(r"([1-9]\d*)(st|nd|rd|th)")


@dataclass(frozen=True)
class Request:
    """One edit of a picture: what is there, what should be there, which of several things is meant (one of `WHICH`, or
    "2nd" for the second best), and what is not meant, "" for nothing."""

    caption: str
    prompt: str
    which: str = "best"
    without: str = ""

    def check(self) -> None:
        """InputError for an empty text, two that say the same, or another word for which."""
        check_texts(self.caption, self.prompt)
        if self.which not in WHICH and not _PLACE.fullmatch(self.which):
            raise InputError(f"{self.which!r} says not which of several is meant; use {', '.join(WHICH)}, or 2nd")

    @property
    def line(self) -> str:
        """As `parse_request` reads it."""
        which = "" if self.which == "best" else f" | {self.which}"
        return f"{self.caption}{which}{f' | not: {self.without}' if self.without else ''} -> {self.prompt}"

    @property
    def place(self) -> int:
        """Of "2nd" 1; 0 where it is no such word."""
        found = _PLACE.fullmatch(self.which)
        return int(found[1]) - 1 if found else 0


def parse_request(line: str) -> Request:
    """A request from its line, "CAPTION [| WHICH] [| not: OTHER] -> PROMPT". InputError where it is none."""
    caption, arrow, prompt = line.partition("->")
    if not arrow or "->" in prompt:
        raise InputError(f"{line.strip()!r} is no edit; write what is there -> what should be there")
    words, *rest = (part.strip() for part in caption.split("|"))
    which, without = "best", ""
    for part in rest:
        if part.lower().startswith("not:"):
            without = part[4:].strip()
        else:
            which = part.lower()
    request = Request(words, prompt.strip(), which, without)
    request.check()
    return request


def parse_requests(text: str) -> list[Request]:
    """One request a line; empty lines are left out. InputError, with the line, where one is wrong or there is none."""
    requests = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                requests.append(parse_request(line))
            except InputError as error:
                raise InputError(f"line {number}: {error}") from None
    if not requests:
        raise InputError("there is no edit; write what is there -> what should be there, one edit a line")
    return requests


def check_evidence(settings: EditSettings, what: str) -> None:
    """InputError where several edits are to be made by the published method."""
    if settings.method == "paper":
        raise InputError(f"{what} says several edits, and preset paper makes one; choose another preset.")
