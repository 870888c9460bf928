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
from pathlib import Path

import comfy.utils
from comfy import model_management

from ...region_core.errors import InputError

log = logging.getLogger(__name__)
_GLANCE = 0.1  # seconds between two looks at Cancel and at what has arrived
_DOWNLOAD = """
import sys
from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
repository, file, folder, size = sys.argv[1:]
try:
    with open(size, "w") as told:
        told.write(str(get_hf_file_metadata(hf_hub_url(repository, file)).size or ""))
    hf_hub_download(repository, file, local_dir=folder)
except Exception as error:
    sys.exit(f"{type(error).__name__}: {error}".strip().splitlines()[0])
"""


def fetch_files(repository: str, files: dict[str, Path]) -> None:
    """Download files of a hub repository, each to its place; those that are there are kept.

    Cancel stops at once. Raises InputError, naming the file and the place, where the network or the disk does
    not do its part; a folder that was made for it and holds nothing is taken away again.
    """
    for file, place in files.items():
        if place.is_file():
            continue
        log.info("downloading %s of %s to %s", file, repository, place)
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".download-", dir=place.parent) as folder:
                _download(repository, file, Path(folder))
                os.replace(Path(folder) / file, place)
        except OSError as error:
            raise InputError(f"{file} of {repository} could not be downloaded ({error}); connect to the "
                             f"network once, or put the file at {place} yourself") from error
        finally:
            with suppress(OSError):  # not empty, as it should be
                place.parent.rmdir()


def _download(repository: str, file: str, folder: Path) -> None:
    """Have a process download into `folder`; OSError with its last words where it fails."""
    size, bar = folder / "size", comfy.utils.ProgressBar(1)
    command = [sys.executable, "-c", _DOWNLOAD, repository, file, str(folder), str(size)]
    with subprocess.Popen(
            command, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            env={**os.environ, "HF_HUB_DISABLE_PROGRESS_BARS": "1"},
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0)) as process:
        try:
            while process.poll() is None:
                model_management.throw_exception_if_processing_interrupted()
                if size.is_file() and (total := int(size.read_text() or 0)):
                    bar.update_absolute(min(_arrived(folder), total), total)
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
