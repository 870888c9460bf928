"""Fetching named models into ComfyUI's model folders: whole or not at all, with progress and Cancel.

huggingface_hub does it, with its tokens, mirrors (HF_ENDPOINT), offline mode and checks. It runs in a process
of its own, for a download that waits for a silent link cannot look at Cancel, and a thread cannot be ended.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import comfy.utils
from comfy import model_management

from ...region_core.errors import InputError, escape_for_console
from ...region_core.files import replace
from ...region_core.weights import problem_with
from ..drawn import Showing

log = logging.getLogger(__name__)
_GLANCE = 0.1  # seconds between two looks at Cancel and at what has arrived
_DOWNLOAD = """
import hashlib, shutil, sys
from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
repository, file, folder, size = sys.argv[1:]
try:
    about = get_hf_file_metadata(hf_hub_url(repository, file))
    with open(size, "w") as told:
        told.write(str(about.size or ""))
    free = shutil.disk_usage(folder).free
    if about.size and about.size > free:
        raise OSError(f"it has {about.size / 1e6:.0f} MB, and {free / 1e6:.0f} MB are free there")
    path = hf_hub_download(repository, file, local_dir=folder)
    digest = hashlib.sha256()
    with open(path, "rb") as arrived:
        while piece := arrived.read(1 << 20):
            digest.update(piece)
    tag = (about.etag or "").strip('"')  # of a large file it is the SHA-256
    if len(tag) == 64 and tag != digest.hexdigest():
        raise OSError("what arrived has another checksum than the hub tells")
except Exception as error:
    sys.exit(f"{type(error).__name__}: {error}".strip().splitlines()[0])
"""


def is_offline() -> bool:
    """Whether HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE forbids the network, read as the hub's own tools do."""
    return any(
        os.environ.get(name, "").upper() in ("1", "ON", "YES", "TRUE")
        for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    )


def fetch_files(repository: str, files: dict[str, Path], size: str = "") -> None:
    """Download files of a hub repository, each to its place; those that are there are kept.

    `size` tells the person how much it is. Cancel stops at once. Raises InputError, naming the file and the
    place, where the network is forbidden, it or the disk does not do its part, or what came is no such file;
    folders that were made for it are taken away again.
    """
    missing = [place for place in files.values() if not place.is_file()]
    if missing and is_offline():
        names = ", ".join(place.name for place in missing)
        raise InputError(
            f"{names}{f' ({size})' if size else ''} is not in {missing[0].parent}, and "
            f"HF_HUB_OFFLINE forbids to download it from {repository}; put it there yourself, "
            "or allow the network once"
        )
    for file, place in files.items():
        if place.is_file():
            continue
        log.info("downloading %s of %s to %s", file, repository, escape_for_console(str(place)))
        if os.environ.get("HF_ENDPOINT", "").lower().startswith("http:"):  # a mirror in a local network may be
            log.warning("HF_ENDPOINT is without HTTPS: whoever is on the way to it could change what arrives")
        made = [folder for folder in place.parents if not folder.exists()]
        try:
            _check_can_write(place)
            with tempfile.TemporaryDirectory(prefix=".download-", dir=place.parent) as draft:
                _download(repository, file, Path(draft))
                if problem := problem_with(Path(draft) / file):
                    raise OSError(f"what arrived {problem}")
                replace(Path(draft) / file, place)
        except OSError as error:
            raise InputError(
                f"{file} of {repository}{f' ({size})' if size else ''} could not be downloaded "
                f"({error}); connect to the network once, or put the file at {place} yourself"
            ) from error
        finally:
            with suppress(OSError):  # not empty, as it should be
                for folder in made:
                    folder.rmdir()


def _check_can_write(place: Path) -> None:
    """Make the folder of a file, and raise InputError where nothing can be written there: no network mends that."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place.parent):
            pass
    except OSError as error:
        raise InputError(
            f"{place.name} is not there, and the folder {place.parent} cannot be written to ({error.strerror}); allow "
            f"writing, or put the file at {place} yourself"
        ) from error


def _download(repository: str, file: str, folder: Path) -> None:
    """Have a process download into `folder`; OSError with its last words where it fails."""
    size, showing = folder / "size", Showing()
    bar = showing(lambda: comfy.utils.ProgressBar(1))
    command = [sys.executable, "-c", _DOWNLOAD, repository, file, str(folder), str(size)]
    with subprocess.Popen(
        command,
        text=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "HF_HUB_DISABLE_PROGRESS_BARS": "1"},
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    ) as process:
        try:
            while process.poll() is None:
                model_management.throw_exception_if_processing_interrupted()
                if bar is not None and size.is_file() and (total := int(size.read_text() or 0)):
                    showing(partial(bar.update_absolute, min(_arrived(folder), total), total))
                time.sleep(_GLANCE)
            if process.returncode:
                words = process.communicate()[1].strip() or f"exit code {process.returncode}"
                raise OSError(words.splitlines()[-1])
        finally:
            process.kill()


def _arrived(folder: Path) -> int:
    """Bytes in all files of a folder; one may be renamed while they are counted."""
    size = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            size += path.stat().st_size
    return size
