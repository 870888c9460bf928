"""Fetching named models into ComfyUI's model folders: whole or not at all, with progress."""

from __future__ import annotations

import http.client
import logging
import os
import queue
import shutil
import threading
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import comfy.utils
from comfy import model_management

from ...region_core.errors import InputError

log = logging.getLogger(__name__)
_PIECE = 1 << 20
_PATIENCE = 30  # seconds without a byte after which a link is dead
_GLANCE = 0.1  # seconds between two looks at Cancel


def hub_url(repository: str, file: str) -> str:
    """Where the hub keeps a file; HF_ENDPOINT names a mirror, as with the hub's own tools."""
    root = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    return f"{root.rstrip('/')}/{repository}/resolve/main/{file}"


def fetch_files(repository: str, files: dict[str, Path]) -> None:
    """Download files of a hub repository, each to its place; those that are there are kept.

    Cancel stops at once, also where the link stalls. Raises InputError, naming the address and the
    place, where the network or the disk does not do its part.
    """
    for file, place in files.items():
        if not place.is_file():
            _fetch(hub_url(repository, file), place)


def _fetch(url: str, place: Path) -> None:
    partial = place.with_name(f"{place.name}.{uuid.uuid4().hex}.part")
    log.info("downloading %s to %s", url, place)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            with _opened(url) as (headers, read), partial.open("wb") as out:
                total = int(headers.get("Content-Length") or 0)
                _check_room(place.parent, total)
                bar, done = comfy.utils.ProgressBar(max(total, 1)), 0
                while piece := read(min(_PIECE, total - done) if total else _PIECE):
                    out.write(piece)
                    done += len(piece)
                    bar.update_absolute(min(done, max(total, 1)), max(total, 1))
            if total and done != total:
                raise OSError(f"{done} of {total} bytes arrived")
            os.replace(partial, place)
        finally:
            partial.unlink(missing_ok=True)
    except (OSError, ValueError, urllib.error.URLError, http.client.HTTPException) as error:
        raise InputError(f"{url} could not be downloaded ({error}); connect to the network once, "
                         f"or put the file at {place} yourself") from error


@contextmanager
def _opened(url: str) -> Iterator[tuple[Any, Callable[[int], bytes]]]:
    """The headers at an address and a `read` of so many bytes; Cancel waits for neither."""
    answer = _beside(lambda: urllib.request.urlopen(url, timeout=_PATIENCE))
    left = threading.Event()

    def piece(count: int) -> bytes:
        parts = bytearray()
        while len(parts) < count and not left.is_set():
            more = answer.read1(count - len(parts))
            if not more:
                break
            parts += more
        return bytes(parts)

    try:
        yield answer.headers, lambda count: _beside(lambda: piece(count))
    finally:
        left.set()
        # to close what is being read would wait for the read
        threading.Thread(target=answer.close, daemon=True).start()


def _beside(call: Callable[[], Any]) -> Any:
    """What a blocking call gives. It cannot look at Cancel, so a thread makes it; where Cancel comes
    first, that one is left to end by itself, and at the latest when the link's patience does."""
    given: queue.SimpleQueue[tuple[Any, Exception | None]] = queue.SimpleQueue()

    def make() -> None:
        try:
            given.put((call(), None))
        except Exception as error:
            given.put((None, error))

    threading.Thread(target=make, daemon=True).start()
    while True:
        model_management.throw_exception_if_processing_interrupted()
        try:
            value, error = given.get(timeout=_GLANCE)
        except queue.Empty:
            continue
        if error is not None:
            raise error
        return value


def _check_room(folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if size > free:
        raise OSError(f"{size >> 20} MiB are needed and {free >> 20} MiB are free")
