"""A folder of pictures with a list of edits, for tests of `batch`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from .lists import NAMES
from .quick import write_list

PICTURES = {"one.png": "a cat", "two words.png": "a dog", "三 🦊.png": "a <b>tree</b>", "4.png": "x"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four pictures, a list of them, and where edits are logged."""
    monkeypatch.setenv("BATCH_LOG", str(tmp_path / "log"))
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    for number, name in enumerate(PICTURES):
        pixels = np.random.default_rng(number).integers(0, 256, (40, 48, 3), np.uint8)
        Image.fromarray(pixels).save(Path("in") / name)
    write_list(PICTURES)
    return tmp_path


@pytest.fixture
def odd_folder(tmp_path: Path) -> Path:
    """A folder `pictures` with names of all kinds."""
    for name in [*NAMES, "1.png", "2.png"]:
        path = tmp_path / "pictures" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 40)).save(path)
    return tmp_path
