"""One edit of a list, the name of its folder and its seed."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from ..requests import Request
from ..settings import EditSettings

_LONGEST = 48  # characters of a name kept: a file name has room for 255 bytes, a letter takes up to 4


@dataclass(frozen=True)
class Item:
    """One edit: `key` is what the list calls it, `image` the picture's name in the list, `path`
    where it is; `settings` hold the item's own seed. With `requests` it is several edits, and caption
    and prompt are those of all. `pick` is the place of the region to paint, from 1, None for the best."""

    key: str
    image: str
    path: Path
    caption: str
    prompt: str
    negative_prompt: str
    settings: EditSettings
    requests: tuple[Request, ...] = ()
    pick: int | None = None

    @property
    def texts(self) -> list[str]:
        """Its name and what it asks for."""
        asked = self.lines if self.requests else [self.caption, self.prompt]
        return [self.key, *asked, self.negative_prompt, *([] if self.pick is None else [f"pick {self.pick}"])]

    @property
    def lines(self) -> list[str]:
        """What it asks for, a line an edit, as `parse_request` reads it."""
        return [one.line for one in self.requests or (Request(self.caption, self.prompt),)]

    @property
    def folder(self) -> str:
        """The name under which results are kept."""
        return safe_name(self.key)


def safe_name(key: str) -> str:
    """A file name for any key: its letters and digits, of any script, and a hash that tells keys
    apart that look the same after that. It hangs on the key alone, so a longer list changes none."""
    plain = unicodedata.normalize("NFC", key)
    stem, dot, ending = plain.rpartition(".")
    if dot and ending.isalnum() and len(ending) <= 5:
        plain = stem
    letters = "".join(c if c.isalnum() or c in "-_" else "_" for c in plain)
    return f"{letters[:_LONGEST].strip('_-') or 'item'}-{_digest(key)[:10]}"


def item_seed(key: str, seed: int) -> int:
    """The seed of an item: from its name and the run's seed, so that neither its place in the list
    nor the process that edits it matters. From 0 to 2**48 - 1."""
    return int(_digest(f"{seed}\0{key}")[:12], 16)


def shuffled(items: list[Item], seed: int, epoch: int) -> list[int]:
    """Places of the items in the order of an epoch, which hangs on their names and the seed."""
    return sorted(range(len(items)), key=lambda place: _digest(f"{seed}\0{epoch}\0{items[place].key}"))


def digest_of(value: object) -> str:
    """A short hash of anything JSON can hold."""
    return _digest(json.dumps(value, sort_keys=True, ensure_ascii=False))[:32]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
