"""The `find` command: regions of captions without a painter, on disk, as JSON, for a person."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from region_core.boxes import overlap
from region_core.cli.engine import Engine
from region_core.cli.main import main
from region_core.demo.worlds import with_company
from region_core.encoders.loading import Models
from region_core.report_text import pixels

from .batch.quick import QuickEngine, opened
from .played import NoEngine

ABSENT = "a white ring"


class Counted(Engine):
    """The real one, without what paints, and the models that it loaded."""

    def load(self, choice: Any) -> Models:
        raise AssertionError("what paints was loaded")

    def load_encoders(self, choice: Any) -> Models:
        self.models = super().load_encoders(choice)
        return self.models


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A scene of several things in scene.png."""
    monkeypatch.chdir(tmp_path)
    made, _ = with_company(9)
    Image.fromarray(made.image).save("scene.png")
    return made


def test_three_captions_encode_the_picture_once(scene: Any, capsys: pytest.CaptureFixture[str]) -> None:
    engine, names = Counted(), [one.name for one in scene.objects[:2]]
    assert main(["find", "scene.png", *names, ABSENT, "--models", "shapes", "--json", "--out", "out"], engine) == 0
    told = json.loads(capsys.readouterr().out)
    assert engine.models.dino.images_encoded == 1
    assert (told["width"], told["height"], told["image"]) == (128, 128, "scene.png")
    assert [one["image_caption"] for one in told["captions"]] == [*names, ABSENT]
    for one, thing in zip(told["captions"][:2], scene.objects, strict=False):
        assert one["found"]
        best = one["regions"][0]
        assert overlap(tuple(best["box"]), thing.box) > 0.6
        x0, y0, x1, y1 = best["box"]
        assert best["bounding_box"] == {"x": x0, "y": y0, "width": x1 - x0, "height": y1 - y0}
    absent = told["captions"][2]
    assert (absent["found"], absent["regions"]) == (False, [])
    assert "nothing in the picture answers to" in absent["why"]
    folders = sorted(Path("out").iterdir())
    assert len(folders) == 3
    assert [(folder / "mask.png").exists() for folder in folders].count(False) == 1


def test_what_is_written_for_one_caption(scene: Any, capsys: pytest.CaptureFixture[str]) -> None:
    caption = scene.objects[0].name
    ask = ["find", "scene.png", caption, "--models", "shapes", "--out", "out"]
    assert main([*ask, "--pick", "2"]) == 0
    said = capsys.readouterr().out
    found = json.loads(Path("out/regions.json").read_text(encoding="utf-8"))
    assert f"* 2: {pixels(tuple(found['regions'][1]['box']))}" in said
    files = {path.name for path in Path("out").iterdir()}
    masks = {one["mask"] for one in found["regions"]}
    assert files == {"mask.png", "heatmap.png", "sheet.png", "regions.json", "relevance.png", *masks}
    mask = opened(Path("out/mask.png"))
    assert (mask == opened(Path("out/2.png"))).all()
    assert mask.shape == (128, 128)
    rows, columns = np.nonzero(mask)
    box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert overlap(tuple(int(v) for v in box), tuple(found["regions"][1]["box"])) > 0.9
    assert opened(Path("out/heatmap.png")).shape == (128, 128, 3)
    assert main([*ask[:2], ABSENT, *ask[3:]]) == 0  # nothing of the search before stays
    assert {path.name for path in Path("out").iterdir()} == {
        "heatmap.png",
        "sheet.png",
        "regions.json",
        "relevance.png",
    }


def test_without_a_folder_nothing_is_written(scene: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["find", "scene.png", "a cat"], QuickEngine()) == 0
    assert capsys.readouterr().out.startswith("a cat:\n* 1: x 4, y 8, 16 x 16 pixels, upper left")
    assert [path.name for path in Path().iterdir()] == ["scene.png"]


@pytest.mark.usefixtures("scene")
def test_what_was_found_before_it_is_stopped_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    class Pressed(QuickEngine):
        def find(self, models: Models, encoded: Any, caption: str, settings: Any) -> Any:
            if caption == "a dog":
                raise KeyboardInterrupt
            return super().find(models, encoded, caption, settings)

    assert main(["find", "scene.png", "a cat", "a dog", "--out", "out"], Pressed()) == 130
    told = capsys.readouterr()
    assert told.out.startswith("a cat:\n* 1: x 4, y 8, 16 x 16 pixels")
    assert "written to out/" in told.out.replace("\\", "/")
    assert "Stopped" in told.err


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["none.png", "a cat"], "none.png"),
        (["scene.png", " "], "caption 1 is empty"),
        (["scene.png", "a cat", "x\ud800"], "caption 2 has half of a character"),
        (["scene.png"], "Missing argument 'CAPTION..."),
        (["scene.png", "a cat", "--pick", "0"], "pick is 0"),
        (["scene.png", "a cat", "--max_window_size", "0"], "max_window_size is 0"),
        (["scene.png", "a cat", "--steps", "3"], "No such option"),
    ],
    ids=lambda value: ascii(value[-1]) if isinstance(value, list) else "",
)
def test_bad_input_is_one_sentence(scene: Any, more: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    class Nothing(NoEngine):
        def load_encoders(self, choice: Any) -> Models:
            raise AssertionError("models were loaded before the input was checked")

    assert main(["find", *more, "--models", "shapes", "--out", "out"], Nothing()) == 2
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1
    assert not Path("out").exists()


def test_regions_are_told_that_can_be_picked(scene: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["find", "scene.png", "background", "--models", "shapes", "--out", "out"]) == 0
    told = [line for line in capsys.readouterr().out.splitlines() if line[2:3].isdigit()]
    kept = json.loads(Path("out/regions.json").read_text(encoding="utf-8"))["regions"]
    assert 1 < len(told) <= len(kept)
