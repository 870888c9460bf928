"""What is only looked at may fail in every command: the work is kept, and the fault is told once."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw, ImageFont
from tqdm import tqdm

from region_core.cli.engine import Engine
from region_core.cli.main import main
from region_core.demo.worlds import with_company

SCENE, WISH = with_company(9)
QUICK = ["--models", "shapes", "--steps", "2", "--num_regions", "1"]
EDIT = ["--image_caption", WISH.caption, "--editing_prompt", WISH.prompt]
COMMANDS = {
    "find": (["find", "in/scene.png", WISH.caption, "--models", "shapes", "--out", "out"], "regions.json"),
    "find what is absent": (["find", "in/scene.png", "a zebra", "--models", "shapes", "--out", "out"], "regions.json"),
    "edit": (
        ["edit", "--image_file_path", "in/scene.png", *EDIT, "--draw_box", "--output_dir", "out", *QUICK],
        "report.json",
    ),
    "demo": (["demo", "--output_dir", "out", "--preset", "fast"], "report.json"),
    "batch": (
        ["batch", "--image_dir_path", "in", "--json_file", "list.json", "--output_dir", "out", "--draw_box"] + QUICK,
        "items/*/report.json",
    ),
}
# what another library may have replaced, or come without
FAULTS = {"fonts": (ImageFont, "load_default"), "drawing": (ImageDraw, "Draw"), "bar": (tqdm, "update")}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture and a list of it."""
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    Image.fromarray(SCENE.image).save("in/scene.png")
    Path("list.json").write_text(json.dumps({"scene.png": [WISH.caption, WISH.prompt]}), encoding="utf-8")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_command_goes_on_without_what_it_shows(
    fault: str, command: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: Any, **_more: Any) -> Any:
        raise ImportError(f"no {fault} here")

    if (fault, command) == ("drawing", "demo"):
        pytest.skip("the demo's picture is drawn")
    monkeypatch.setattr(*FAULTS[fault], broken)
    words, kept = COMMANDS[command]
    with caplog.at_level(logging.WARNING):
        assert main(words, Engine()) == 0
    assert [*Path("out").glob(kept)]
    told = [one for one in caplog.messages if f"could not be shown (no {fault} here)" in one]
    needed = fault != "bar" or not command.startswith("find")
    assert needed <= len(told) <= 3 * needed
