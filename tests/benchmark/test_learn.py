"""What learning is worth: the arms differ in their previews, and the differences are paired."""

import json
from pathlib import Path

import pytest

from benchmark.__main__ import main
from benchmark.learn import differences, table


def row(hit: float, previews: float) -> dict[str, float]:
    return {"iou": hit / 2, "hit": hit, "regret": 1 - hit, "previews": previews, "cost": 10.0}


def test_only_scenes_with_previews_count_where_the_rule_is_judged() -> None:
    rows = {
        "never": [row(0, 0)] * 6 + [row(1, 0)] * 6,
        "auto": [row(1, 2)] * 6 + [row(1, 0)] * 6,
        "always": [row(1, 10)] * 12,
    }
    lines = differences(rows).splitlines()
    assert "| auto | never | scenes with previews | 6 | +1.000 | +0.500 | -1.000 |" in lines
    assert any(line.startswith("| auto | never | all | 12 | **+0.500 (") for line in lines)
    assert "| auto | 12 | 0.50 | 1.0 | 1.00 | 0.500 | 0.000 | 10.0 |" in table(rows).splitlines()


def test_the_arms_preview_as_they_are_called(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = ["learn", "--world", "shapes", "--clip", "demo", "--painter", "faultless", "--seed", "3"]
    assert main([*wanted, "--scenes", "1", "--teach", "1", "--json", str(tmp_path / "learn.json")]) == 0
    assert "| never, taught | never | all | 1 |" in capsys.readouterr().out
    rows = json.loads((tmp_path / "learn.json").read_text())["rows"]
    assert list(rows) == ["never", "auto", "always", "never, taught", "auto, taught"]
    assert rows["never"][0]["previews"] == 0 < rows["always"][0]["previews"]
    assert rows["never"][0]["cost"] < rows["always"][0]["cost"]


def test_what_no_region_answers_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["learn", "--kind", "plain,absent", "--scenes", "1", "--seed", "1"]) == 2
    assert "kind names 'absent'" in capsys.readouterr().err


def test_an_arm_that_nothing_taught_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["learn", "--arms", "never; never, taught", "--scenes", "1", "--seed", "1"]) == 2
    assert "give --teach a number above 0" in capsys.readouterr().err
    assert main(["learn", "--arms", "sometimes", "--scenes", "1", "--seed", "1"]) == 2
    assert "arms names 'sometimes'" in capsys.readouterr().err
