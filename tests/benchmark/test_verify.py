"""`verify`: found boxes beside the true ones, on photographs that other packages ship."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from benchmark.__main__ import main
from benchmark.verify import Answer, summary
from benchmark.worlds.photographs.questions import packaged

FOUND = Answer("cat", "a cat", (0, 0, 10, 10), (0, 0, 10, 8), 0.8, 2.0, 1.0)
ABSENT = replace(FOUND, true_box=None, box=None, iou=None)


def test_right_answers_are_counted_as_right() -> None:
    missed = replace(FOUND, box=None, iou=0.0)
    wrong = replace(ABSENT, box=(0, 0, 5, 5))
    assert [one.right for one in (FOUND, ABSENT, missed, wrong)] == [True, True, False, False]
    told = summary([FOUND, ABSENT, missed, wrong])
    assert "things that are there  2: IoU 0.40, hit (IoU >= 0.5) 1, missed ('no region') 1" in told
    assert "things that are not    2: recognised 1" in told
    assert "Nothing was found" not in told
    assert "Nothing was found in any photograph" in summary([missed, ABSENT])


def test_the_embedded_models_run_through(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = list(packaged())
    if not asked:
        pytest.skip("no photographs here")
    assert main(["verify", "--models", "shapes", "--output_dir", str(tmp_path)]) == 0
    assert "cost of a question" in capsys.readouterr().out
    answers = json.loads((tmp_path / "report.json").read_text())["answers"]
    assert [one["caption"] for one in answers] == [one.caption for one in asked]
    assert all(one["cost"] > 0 for one in answers)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 320
