"""Others live in the same process: nothing of theirs is changed, nothing is said, by importing or running."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image

from region_core.demo.models import WEIGHTS
from region_core.encoders import load_clip, load_dino
from region_core.paint.diffusers_painter import load_pipeline
from region_core.picture_file import check_header
from region_core.quiet import quiet_libraries

from .tools.world import difference, shared_state

ROOT = Path(__file__).resolve().parents[1]
IMPORT = """
import importlib, json, pkgutil, sys
import torch, torchvision, numpy, PIL.Image, diffusers, transformers, open_clip, huggingface_hub
import scipy.special  # it adds a filter of its own
import diffusers.utils.logging, transformers.utils.logging
from tests.tools.world import difference, shared_state
before = shared_state()
import region_core
for module in pkgutil.walk_packages(region_core.__path__, "region_core."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
changed = difference(before, shared_state())
changed.pop("path", None) if changed.get("path", [0, 0])[0] == changed.get("path", [0, 0])[1] else None
sys.exit(f"changed: {changed}" if changed else 0)
"""


def test_importing_changes_nothing_and_says_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", IMPORT], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout + done.stderr == ""


def test_loading_models_is_quiet_needs_no_network_and_leaves_libraries_as_they_were(capfd, monkeypatch) -> None:
    def refused(*_args: object) -> None:
        raise AssertionError("the network was asked for what is on disk")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)

    def load() -> None:
        load_pipeline(WEIGHTS / "inpaint")
        load_dino(WEIGHTS / "dino")
        load_clip(f"local-dir:{WEIGHTS / 'clip'}")

    load()  # what libraries do when they are first imported is theirs
    before = shared_state()
    load()
    assert difference(before, shared_state()) == {}
    said = capfd.readouterr()
    assert said.out + said.err == ""


def test_quiet_is_over_even_after_an_error() -> None:
    before = shared_state()
    try:
        with quiet_libraries():
            assert difference(before, shared_state())
            raise RuntimeError
    except RuntimeError:
        pass
    assert difference(before, shared_state()) == {}


# what the registry's and managers' scanners look for in a pack
SCANNED = re.compile(
    r"(?<!\.)\b(eval|exec)\(|\bos\.(system|popen)\b|\bimport pickle|pickle\.loads?|"
    r"shell=True|weights_only=False|-m['\", ]+pip|__import__|trust_remote_code=True|"
    r"base64\.b64decode|marshal|verify=False|CERT_NONE|yaml\.load\("
)


def test_pictures_read_by_many_threads_leave_warnings_as_they_were(tmp_path) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "one.png")
    before = list(warnings.filters)
    for _ in range(20):
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(check_header, [tmp_path / "one.png"] * 40))
    assert warnings.filters == before


def test_nothing_that_ships_reads_like_malice() -> None:
    ignored = [line.strip().rstrip("/") for line in (ROOT / ".comfyignore").read_text().splitlines()]
    for path in ROOT.rglob("*.py"):
        inside = path.relative_to(ROOT)
        if inside.parts[0] in ignored or inside.parts[0].startswith("."):
            continue
        assert not SCANNED.search(path.read_text(encoding="utf-8")), inside
