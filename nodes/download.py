"""Fetching named models into ComfyUI's model folders: whole or not at all, with progress."""

from __future__ import annotations

import logging
import os
import shutil
import urllib.error
import urllib.request
import uuid
from pathlib import Path

import comfy.utils
from comfy import model_management

from ..region_core.errors import InputError

log = logging.getLogger(__name__)
_PIECE = 1 << 20


def hub_url(repository: str, file: str) -> str:
    """Where the hub keeps a file; HF_ENDPOINT names a mirror, as with the hub's own tools."""
    root = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    return f"{root.rstrip('/')}/{repository}/resolve/main/{file}"


def fetch_files(repository: str, files: dict[str, Path]) -> None:
    """Download files of a hub repository, each to its place; those that are there are kept.

    Cancel stops between pieces. Raises InputError, naming the address and the place, where the
    network or the disk does not do its part.
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
            with urllib.request.urlopen(url, timeout=30) as answer, partial.open("wb") as out:
                total = int(answer.headers.get("Content-Length") or 0)
                _check_room(place.parent, total)
                bar, done = comfy.utils.ProgressBar(max(total, 1)), 0
                while piece := answer.read(_PIECE):
                    model_management.throw_exception_if_processing_interrupted()
                    out.write(piece)
                    done += len(piece)
                    bar.update_absolute(min(done, max(total, 1)), max(total, 1))
            if total and done != total:
                raise OSError(f"{done} of {total} bytes arrived")
            os.replace(partial, place)
        finally:
            partial.unlink(missing_ok=True)
    except (OSError, ValueError, urllib.error.URLError) as error:
        raise InputError(f"{url} could not be downloaded ({error}); connect to the network once, "
                         f"or put the file at {place} yourself") from error


def _check_room(folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if size > free:
        raise OSError(f"{size >> 20} MiB are needed and {free >> 20} MiB are free")
