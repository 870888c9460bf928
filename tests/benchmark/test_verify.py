"""`verify`: found boxes beside the true ones, on photographs that other packages ship."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from region_core.cli import verify
from region_core.cli.engine import Engine
from region_core.cli.main import main
from region_core.cli.photographs import PHOTOGRAPHS

BOXES = {q.caption: q.box for p in PHOTOGRAPHS for q in p.questions}


class Told(Engine):
    """An engine that loads nothing and answers as it is told."""

    def __init__(self, answers: dict) -> None:
        self.answers = answers

    def load_encoders(self, choice):
        return SimpleNamespace(dino=None, scorer=None)

    def find(self, models, picture, caption, prompt, settings):
        return self.answers.get(caption)


@pytest.fixture
def one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the photographs of scikit-image."""
    pytest.importorskip("skimage")
    monkeypatch.setattr(verify, "PHOTOGRAPHS", tuple(p for p in PHOTOGRAPHS if p.package == "skimage"))


def ask(folder: Path, answers: dict) -> tuple[int, dict]:
    code = main(["verify", "--models", "shapes", "--quiet", "--output_dir", str(folder)], Told(answers))
    return code, json.loads((folder / "report.json").read_text())


def test_there_are_a_dozen_photographs_and_true_boxes_lie_in_them() -> None:
    assert len(PHOTOGRAPHS) >= 12
    there = [(p, p.file()) for p in PHOTOGRAPHS if p.file() is not None]
    for photograph, file in there:
        with Image.open(file) as image:
            width, height = image.size
        for question in photograph.questions:
            assert question.caption != question.prompt
            if question.box is not None:
                x0, y0, x1, y1 = question.box
                assert 0 <= x0 < x1 <= width
                assert 0 <= y0 < y1 <= height


def test_right_answers_are_counted_as_right(tmp_path: Path, one: None, capsys: pytest.CaptureFixture) -> None:
    code, report = ask(tmp_path, BOXES)
    out = capsys.readouterr().out
    assert code == 0
    assert all(a["right"] for a in report["answers"])
    assert {a["iou"] for a in report["answers"]} == {1.0, None}
    assert "IoU 1.00" in out
    assert "missed ('no region') 0" in out
    assert "Nothing was found" not in out
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 320


def test_models_that_know_nothing_are_told_of(tmp_path: Path, one: None, capsys: pytest.CaptureFixture) -> None:
    code, report = ask(tmp_path, {})
    assert code == 0
    assert "Nothing was found in any photograph" in capsys.readouterr().out
    for answer in report["answers"]:
        assert answer["right"] == (answer["true_box"] is None)


def test_a_region_for_what_is_not_there_is_wrong(tmp_path: Path, one: None) -> None:
    absent = next(caption for caption, box in BOXES.items() if box is None)
    _, report = ask(tmp_path, {absent: (0, 0, 50, 50)})
    answer = next(a for a in report["answers"] if a["caption"] == absent)
    assert (answer["right"], answer["iou"]) == (False, None)


def test_without_any_of_the_packages_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(verify.Photograph, "file", lambda self: None)
    assert main(["verify", "--output_dir", str(tmp_path / "out")], Told({})) == 2
    said = capsys.readouterr().err
    assert "pip install scikit-image scikit-learn matplotlib gradio" in said
    assert said.count("\n") == 1


def test_a_photograph_that_is_none_is_named(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["verify", "--only", "mona", "--output_dir", str(tmp_path / "out")], Told({})) == 2
    assert "only names 'mona'" in capsys.readouterr().err


def test_the_embedded_models_run_through(tmp_path: Path, one: None) -> None:
    assert main(["verify", "--models", "shapes", "--quiet", "--only", "chelsea", "--output_dir", str(tmp_path)]) == 0
    answers = json.loads((tmp_path / "report.json").read_text())["answers"]
    assert len(answers) == 2
    assert all(a["cost"] > 0 for a in answers)
