"""What is only looked at may fail in every command: the work is kept, and the fault is told once."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageFont

from region_core.cli.engine import Engine
from region_core.cli.main import main
from region_core.demo.worlds import with_company

SCENE, WISH = with_company(9)
QUICK = ["--models", "shapes", "--steps", "2", "--num_regions", "1", "--quiet"]
EDIT = ["--image_caption", WISH.caption, "--editing_prompt", WISH.prompt]


@pytest.fixture(autouse=True)
def no_fonts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Pillow that has been built without fonts."""

    def broken(*_args: Any, **_more: Any) -> Any:
        raise ImportError("The _imagingft C module is not installed")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ImageFont, "load_default", broken)
    Path("in").mkdir()
    Image.fromarray(SCENE.image).save("in/scene.png")
    Path("list.json").write_text(json.dumps({"scene.png": [WISH.caption, WISH.prompt]}), encoding="utf-8")


@pytest.mark.parametrize(
    ("command", "kept"),
    [
        (["find", "in/scene.png", WISH.caption, "--models", "shapes", "--out", "out"], "regions.json"),
        (
            ["edit", "--image_file_path", "in/scene.png", *EDIT, "--draw_box", "--output_dir", "out", *QUICK],
            "report.json",
        ),
        (["demo", "--output_dir", "out", "--preset", "fast", "--quiet"], "report.json"),
        (
            [
                "batch",
                "--image_dir_path",
                "in",
                "--json_file",
                "list.json",
                "--output_dir",
                "out",
                "--draw_box",
                *QUICK,
            ],
            "items/*/report.json",
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_command_without_fonts(command: list[str], kept: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert main(command, Engine()) == 0
    assert [*Path("out").glob(kept)]
    told = [one for one in caplog.messages if "could not be shown (The _imagingft" in one]
    assert 1 <= len(told) <= 2
