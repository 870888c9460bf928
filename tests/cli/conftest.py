"""A folder with good and bad files, and signals as in a terminal, for tests of the command line."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from region_core.demo.scenes import make_scene


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with good and bad files."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(make_scene(1).image).save("good.png")
    Path("cut.png").write_bytes(Path("good.png").read_bytes()[:2000])
    Path("text.png").write_text("no picture")
    Image.new("RGB", (31, 200)).save("small.png")
    Path("file").write_text("")
    Path("plain").mkdir()
    unet = Path("four/unet")
    unet.mkdir(parents=True)
    Path("four/model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    (unet / "config.json").write_text('{"in_channels": 4}')
    Path("out").mkdir()
    Path("out/edited.png").write_text("kept")
    return tmp_path


@pytest.fixture(autouse=True)
def as_in_a_terminal() -> Iterator[None]:
    """Under nohup, or behind another command, some signals are ignored."""
    usual = {"SIGINT": signal.default_int_handler, "SIGTERM": signal.SIG_DFL, "SIGHUP": signal.SIG_DFL}
    there = {getattr(signal, name): handler for name, handler in usual.items() if hasattr(signal, name)}
    before = {number: signal.signal(number, handler) for number, handler in there.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
