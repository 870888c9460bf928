"""The `batch` command refuses a bad list or option before it loads a model or touches a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from region_core.cli.main import main

from ..played import NoEngine
from .lists import TEXTS


def test_three_bad_items_among_two_thousand(odd_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows: list[dict[str, Any]] = [
        {"image": "1.png", "image_caption": "a", "editing_prompt": f"b {n}"} for n in range(2000)
    ]
    rows[3]["image"], rows[1000]["steps"], rows[1999]["editing_prompt"] = "none.png", 0, ""
    (odd_folder / "edits.json").write_text(json.dumps(rows))
    ask = [
        "batch",
        "--image_dir_path",
        str(odd_folder / "pictures"),
        "--json_file",
        str(odd_folder / "edits.json"),
        "--output_dir",
        str(odd_folder / "out"),
        "--models",
        "shapes",
    ]
    assert main(ask, NoEngine()) == 2
    out, err = capsys.readouterr()
    assert not out
    first, *others = err.splitlines()
    assert first.startswith("error: ")
    assert "3 problems" in first
    assert [line.split(":")[0] for line in others] == [
        '  entry 4 ("none.png")',
        '  entry 1001 ("1.png")',
        '  entry 2000 ("1.png")',
    ]
    assert not (odd_folder / "out").exists()


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--json_file", "none.json"], "none.json"),
        (["--image_dir_path", "none"], "no such folder"),
        (["--epochs", "0"], "epochs is 0"),
        (["--batch_size", "0"], "batch_size is 0"),
        (["--threads", "0"], "threads is 0"),
        (["--ckpt_interval", "2"], "ckpt_interval"),
        (["--steps", "0"], "steps is 0"),
        (["--load_checkpoint_path", "none"], "no checkpoint 'none'"),
        (["--save_path", "edits.json/x"], "save_path"),
        (["--output_dir", "edits.json/x"], "is a file"),
        (["--save_path", "g", "--preset", "paper", "--learning", "off"], "learning is off"),
        (["--save_path", "g"], "give --preset paper"),
        (["--epochs", "2", "--preset", "fast"], "give --preset paper"),
        (["--image_dir_path", "out/results"], "where results would go"),
        (["--output_dir", "a\0b"], "a NUL in it"),
        (["--image_dir_path", "a\ud800b"], "half of a character"),
        (["--json_file", "a\0b"], "a NUL in it"),
        (["--image_dir_path", "x" * 300], "there is no such folder"),
        (["--threads", "1025"], "threads is 1025; it must be from 1 to 1024"),  # more may end the process
        (["--threads", "9" * 30], "it must be from 1 to 1024"),
    ],
    ids=lambda value: ascii(value[:60]),
)
def test_bad_options(
    odd_folder: Path, monkeypatch: pytest.MonkeyPatch, more: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(odd_folder)
    (odd_folder / "out" / "results").mkdir(parents=True)
    (odd_folder / "edits.json").write_text(json.dumps({"1.png": TEXTS}))
    before = sorted(odd_folder.rglob("*"))
    ask = [
        "batch",
        "--image_dir_path",
        "pictures",
        "--json_file",
        "edits.json",
        "--output_dir",
        "out",
        "--models",
        "shapes",
        *more,
    ]
    assert main(ask) == 2
    assert says in capsys.readouterr().err
    assert sorted(odd_folder.rglob("*")) == before
