"""Files that are whole or not there at all, whatever interrupts the writing."""

from __future__ import annotations

import json
import math
import os
import re
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from .errors import InputError

_LONGEST = 200  # bytes of a name; its draft's name has to fit into a file system's 255


def path_of(text: str | Path) -> Path:
    """The path as a person wrote it, with `~` for a home folder; InputError where no file can have such a name."""
    try:
        possible = b"\0" not in os.fsencode(text)  # bytes that are no text, in a name that a system gave, are well
    except UnicodeEncodeError:
        possible = False
    if not possible:
        raise InputError(f"The path {str(text)!r} has half of a character or a NUL in it; write it again without.")
    return Path(os.path.expanduser(text))  # Path's own raises where there is no such user


@contextmanager
def atomic_write(path: Path, *, drafts: Path | None = None, durable: bool = False) -> Iterator[Path]:
    """A draft to write to, which becomes `path` at the end of the block and is gone if that fails.

    It lies in the folder `drafts`, of the same file system, or beside `path`; both folders are made.
    What a killed run leaves of it is a hidden file, see `clear_drafts`. `durable` waits until the disk has
    it. Raises InputError where `path` cannot be written.
    """
    draft = (drafts or path.parent) / f".{_kept(path)}.{uuid.uuid4().hex}.tmp"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield draft
            if durable:
                with draft.open("rb") as file:
                    os.fsync(file.fileno())
            replace(draft, path)
        finally:
            discard(draft)
    except OSError as error:
        raise InputError(f"'{path}' cannot be written ({error}); choose another place.") from None


def replace(draft: Path, path: Path) -> None:
    """Rename a file, also over one that is there."""
    _waiting(lambda: os.replace(draft, path))


def _waiting(act: Callable[[], None]) -> None:
    """On Windows again for a second where another program (a virus scanner, a viewer) has the file open."""
    for wait in (0.05, 0.1, 0.2, 0.3, 0.4) if sys.platform == "win32" else ():
        try:
            return act()
        except PermissionError:
            time.sleep(wait)
    return act()


def write_whole(path: Path, data: bytes) -> None:
    """Write `data`; InputError where that cannot be."""
    with atomic_write(path) as draft:
        draft.write_bytes(data)


def write_json(path: Path, content: object) -> None:
    """Write `content` as JSON."""
    write_whole(path, (as_json(content) + "\n").encode())


def as_json(content: object) -> str:
    """`content` as JSON; numbers that are not finite become null, for JSON has no word for them."""
    return json.dumps(_plain(content), indent=1, ensure_ascii=False, allow_nan=False)


def remove(path: Path) -> None:
    """Remove a file that may not be there; InputError where that cannot be."""
    try:
        _waiting(lambda: path.unlink(missing_ok=True))
    except OSError as error:
        raise InputError(f"'{path}' cannot be removed ({error.strerror}); choose another place.") from None


def discard(path: Path) -> None:
    """Remove a file that does no harm where it stays."""
    with suppress(InputError):
        remove(path)


def clear_drafts(path: Path) -> None:
    """Remove what killed runs left of unfinished files of the name `path`."""
    draft = re.compile(rf"\.{re.escape(_kept(path))}\.[0-9a-f]{{32}}\.tmp")
    for file in path.parent.glob(".*.tmp"):
        if draft.fullmatch(file.name):
            discard(file)


def _kept(path: Path) -> str:
    return path.name if len(os.fsencode(path.name)) <= _LONGEST else "long"


def _plain(value: Any) -> Any:
    """Tensors, arrays, tuples and dataclasses as what JSON knows."""
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int):
        return value
    # half of a character, which a library's message may echo, can be written nowhere
    return str(value).encode("utf-8", "backslashreplace").decode()
