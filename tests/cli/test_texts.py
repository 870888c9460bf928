"""Texts from elsewhere: half characters, scripts that the console has no signs for."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from region_core.checks import check_texts
from region_core.cli import main as cli
from region_core.demo.scenes import make_scene
from region_core.errors import InputError, escape_for_console

from .played import NoEngine

ROOT = Path(__file__).resolve().parents[2]
HALF = "a red circle \ud83d"


@pytest.mark.parametrize("option", ["image_caption", "editing_prompt", "negative_prompt"])
def test_half_a_character_is_one_sentence_before_any_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    Image.fromarray(make_scene(1).image).save(tmp_path / "good.png")
    texts = {"image_caption": "a red circle", "editing_prompt": "a blue square", "negative_prompt": "", option: HALF}
    code = cli.main(
        [
            "edit",
            "--image_file_path",
            str(tmp_path / "good.png"),
            "--models",
            "shapes",
            "--output_dir",
            str(tmp_path / "out"),
            *(part for name, text in texts.items() for part in (f"--{name}", text)),
        ],
        NoEngine(),
    )
    said = capsys.readouterr().err
    assert code == 2
    assert said.startswith(f"error: {option} has half of a character at place 14 (\\ud83d)")
    assert len(said.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_equal_texts_that_are_broken_are_told_to_be_broken() -> None:
    with pytest.raises(InputError, match="image_caption has half of a character"):
        check_texts(HALF, HALF)


@pytest.mark.parametrize("text", ["\ud83d", "\udc80 name", "x\udfff", "\U0001f600 \u7ea2\u8272 caf\u00e9"])
def test_every_error_can_be_written_in_utf_8(text: str) -> None:
    said = str(InputError(f"'{text}' is not known."))
    said.encode("utf-8")
    assert (text in said) == all(not "\ud800" <= letter <= "\udfff" for letter in text)


def test_what_a_narrow_console_cannot_take_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(io.BytesIO(), encoding="cp1252"))
    error = InputError("'\u7ea2 caf\u00e9 \ud83d' is not known.")
    assert str(error) == "'\\u7ea2 caf\u00e9 \\ud83d' is not known."
    assert escape_for_console("plain") == "plain"


def test_no_control_character_of_what_is_echoed_reaches_the_terminal() -> None:
    assert str(InputError("are both '\x1b[2J\x07\x9b'\n\ta \r\x7f")) == "are both '\\x1b[2J\\x07\\x9b'\n\ta \\x0d\\x7f"


def test_a_console_of_the_c_locale_is_no_end() -> None:
    """Its stdout lets bytes of file names through, and fails at any other sign that it has not."""
    done = subprocess.run(
        [sys.executable, "-c", "from region_core.cli.console import *\nwith tolerant_streams(): print('\\u7ea2')"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        env={
            **{name: value for name, value in os.environ.items() if name != "PYTHONIOENCODING"},
            "LC_ALL": "C",
            "PYTHONUTF8": "0",
            "PYTHONCOERCECLOCALE": "0",
        },
    )
    assert (done.returncode, done.stdout.strip()) == (0, b"\\u7ea2"), done.stderr


def console(encoding: str, *args: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "region_core", *args],
        cwd=ROOT,
        check=False,
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": encoding},
    )


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_bad_input_in_chinese_on_a_narrow_console(tmp_path: Path, encoding: str) -> None:
    done = console(
        encoding,
        "edit",
        "--image_file_path",
        str(tmp_path / "\u7ea2.png"),
        "--models",
        "shapes",
        "--image_caption",
        "\u7ea2",
        "--editing_prompt",
        "\u84dd",
        "--output_dir",
        str(tmp_path / "out"),
    )
    assert done.returncode == 2
    assert b"\\u7ea2.png" in done.stderr
    assert b"Traceback" not in done.stderr


def test_an_edit_in_chinese_on_a_narrow_console_is_kept_and_told(tmp_path: Path) -> None:
    grey = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(grey).save(tmp_path / "\u7ea2.png")
    out = tmp_path / "\u7ed3\u679c"
    done = console(
        "cp1252",
        "edit",
        "--image_file_path",
        str(tmp_path / "\u7ea2.png"),
        "--models",
        "shapes",
        "--image_caption",
        "\u7ea2",
        "--editing_prompt",
        "\u84dd \U0001f600",
        "--output_dir",
        str(out),
        "--preset",
        "fast",
        "--steps",
        "2",
        "--device",
        "cpu",
    )
    assert done.returncode == 0, done.stderr
    assert b"written to" in done.stdout
    assert b"\\u7ed3\\u679c" in done.stdout
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert report["editing_prompt"] == "\u84dd \U0001f600"
    assert (out / "edited.png").is_file()
