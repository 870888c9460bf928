"""Several edits of one picture: `--edit` repeated, and "edits" in a list; encoded once, the rest of it untouched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from region_core.cli.engine import Engine
from region_core.cli.main import main
from region_core.demo.worlds import held_out
from region_core.edits import Edits
from region_core.encoders.loading import Models
from region_core.events import Event
from region_core.several import SeveralEdits

from .batch.quick import QuickEngine, table
from .played import NoEngine

SCENE = held_out(8, 0)[0]
EDITS = ["a blue circle -> a black cross", "a black square -> a yellow ring", "a blue square -> a red star"]
LITTLE = ["--models", "shapes", "--quiet", "--steps", "4"]


class Kept(Engine):
    """The pack's own with models that are loaded already."""

    def __init__(self, models: Models) -> None:
        self.models = models

    def load(self, choice: Any) -> Models:
        return self.models


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A command line about a picture of three shapes."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(SCENE.image).save("scene.png")
    return ["edit", "--image_file_path", "scene.png", "--output_dir", "out", *LITTLE]


def edits_of(*lines: str) -> list[str]:
    return [word for line in lines for word in ("--edit", line)]


def opened(path: str) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def report_in(folder: str | Path) -> dict[str, Any]:
    return json.loads((Path(folder) / "report.json").read_text(encoding="utf-8"))


def nearest(box: list[int]) -> str:
    """The shape of the scene with that middle."""
    middle = np.array(box).reshape(2, 2).mean(axis=0)
    return min(SCENE.objects, key=lambda one: np.abs(np.array(one.box).reshape(2, 2).mean(axis=0) - middle).sum()).name


def test_three_edits_are_in_one_picture_that_is_encoded_once(
    scene: list[str], models: Models, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*scene, *edits_of(*EDITS), "--draw_box"], Kept(models)) == 0
    out = capsys.readouterr().out
    report, edited, region = report_in("out"), opened("out/edited.png"), opened("out/region.png")
    assert report["cost"]["dino_images"] == 1
    assert report["verdict"] == "edited"
    assert [one["request"] for one in report["edits"]] == EDITS
    painted = [one for one in report["edits"] if one["box"]]
    assert len(painted) >= 2
    assert report["unet_evaluations"] == 8 * len(EDITS)
    for one in report["edits"]:
        assert one["request"] in out
        assert bool(one["box"]) != bool(one["reason"])
    for one in painted:
        assert nearest(one["box"]) == one["request"].partition(" -> ")[0]
        x0, y0, x1, y1 = one["box"]
        assert one["bounding_box"] == {"x": x0, "y": y0, "width": x1 - x0, "height": y1 - y0}
        assert (region[y0:y1, x0:x1] > 0).mean() > 0.9, "the region is not in the union"
        assert (edited[y0:y1, x0:x1] != SCENE.image[y0:y1, x0:x1]).any()
    assert (edited[region == 0] == SCENE.image[region == 0]).all()
    assert (region == 0).any()
    assert Path("out/boxes/scene.png").is_file()
    assert Path("out/candidates.png").is_file()


def test_a_list_makes_of_an_item_s_edits_what_edit_makes(scene: list[str], models: Models) -> None:
    Path("list.json").write_text(json.dumps([{"image": "scene.png", "edits": EDITS[:2], "seed": 42}]))
    ask = ["batch", "--image_dir_path", ".", "--json_file", "list.json", "--output_dir", "all", *LITTLE]
    before = models.dino.images_encoded
    assert main(ask, Kept(models)) == 0
    assert models.dino.images_encoded == before + 1
    assert main([*scene, *edits_of(*EDITS[:2])], Kept(models)) == 0
    (row,) = table("all")
    assert (row["status"], row["image_caption"]) == ("edited", "a blue circle; a black square")
    report = report_in(Path("all/items") / Path(row["result"]).stem)
    assert report["edits"] == report_in("out")["edits"]
    assert (opened(f"all/{row['result']}") == opened("out/edited.png")).all()
    done = Path("all", row["result"]).stat().st_mtime_ns
    assert main(ask, Kept(models)) == 0
    assert Path("all", row["result"]).stat().st_mtime_ns == done, "what is finished was done again"
    others = ["a blue circle | 9th -> a black cross", EDITS[1]]  # of the same caption and prompt
    Path("list.json").write_text(json.dumps([{"image": "scene.png", "edits": others, "seed": 42, "name": row["key"]}]))
    assert main(ask, Kept(models)) == 0
    assert Path("all", row["result"]).stat().st_mtime_ns != done, "other edits were taken for the same"
    assert "a blue circle | 9th -&gt; a black cross: 9th was asked for" in Path("all/index.html").read_text(
        encoding="utf-8"
    )


def test_what_is_not_there_is_said_and_the_others_are_made(
    scene: list[str], models: Models, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = ["a magenta crescent -> a red star", EDITS[0], "a blue circle | 9th -> a red star"]
    assert main([*scene, *edits_of(*lines)], Kept(models)) == 0
    missing, found, ninth = report_in("out")["edits"]
    assert ninth["reason"].startswith("9th was asked for, and of 'a blue circle' ")
    assert (missing["box"], found["reason"]) == (None, "")
    assert missing["reason"] in capsys.readouterr().out


def test_ctrl_c_leaves_the_edits_that_were_made(
    scene: list[str], models: Models, capsys: pytest.CaptureFixture[str]
) -> None:
    class Pressed(Kept):
        def edit_several(self, *given: Any, on_event: Any, **options: Any) -> SeveralEdits:
            def told(event: Event) -> None:
                on_event(event)
                if event.best is not None:
                    raise KeyboardInterrupt

            return super().edit_several(*given, on_event=told, **options)

    assert main([*scene, *edits_of(*EDITS)], Pressed(models)) == 130
    report, edited, region = report_in("out"), opened("out/edited.png"), opened("out/region.png")
    x0, y0, x1, y1 = report["box"]
    assert (edited[y0:y1, x0:x1] != SCENE.image[y0:y1, x0:x1]).any()
    assert (edited[region == 0] == SCENE.image[region == 0]).all()
    assert report["verdict"] == "stopped"
    *others, last = report["edits"]
    assert [one["request"] for one in report["edits"]] == EDITS[: len(report["edits"])]
    assert last["box"] == report["box"]
    assert not any(one["box"] for one in others)
    assert report["unet_evaluations"] == 8 * len(report["edits"])
    assert report["cost"]["dino_images"] == 1
    assert f"with 1 of {len(EDITS)} edits is" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (edits_of("coffee"), "'coffee' is no edit"),
        (edits_of("cup -> cup"), "not there yet"),
        (edits_of("cup | middle -> vase"), "'middle' says not which"),
        ([*edits_of("a -> b"), "--image_caption", "a"], "image_caption is of one edit"),
        ([*edits_of("a -> b"), "--pick", "2"], "pick is of one edit"),
        ([*edits_of("a -> b"), "--preset", "paper"], "preset paper makes one"),
        ([], "Missing option '--image_caption'"),
        (["--image_caption", "a"], "Missing option '--editing_prompt'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_edits_are_one_sentence(
    scene: list[str], more: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*scene, *more], NoEngine()) == 2
    err = capsys.readouterr().err
    assert says in err
    assert err.count("\n") == 1


@pytest.mark.usefixtures("scene")
@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"edits": "a -> b"}, 'edits is "a -> b"; it must be texts'),
        ({"edits": []}, "edits is []"),
        ({"edits": ["a"]}, "'a' is no edit"),
        ({"edits": ["a -> b"], "image_caption": "a"}, "image_caption is beside edits"),
        ({"edits": ["a -> b"], "preset": "paper"}, "preset paper makes one"),
    ],
    ids=str,
)
def test_wrong_edits_of_a_list_are_said_with_their_entry(
    entry: dict[str, Any], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("list.json").write_text(json.dumps([{"image": "scene.png", **entry}]))
    ask = ["batch", "--image_dir_path", ".", "--json_file", "list.json", "--output_dir", "all", *LITTLE]
    assert main(ask, NoEngine()) == 2
    err = capsys.readouterr().err
    assert says in err
    assert 'entry 1 ("scene.png")' in err


@pytest.mark.usefixtures("scene")
def test_another_region_of_an_item_is_painted_on_the_next_run(capsys: pytest.CaptureFixture[str]) -> None:
    boxes = []

    class Seen(QuickEngine):
        def edit(self, *given: Any, regions: Any, **options: Any) -> Edits:
            boxes.append([one.box for one in regions])
            return super().edit(*given, regions=regions, **options)

    Image.fromarray(SCENE.image).save("other.png")
    Path("list.json").write_text(json.dumps({"scene.png": ["a", "b"], "other.png": ["a", "b"]}))
    ask = ["batch", "--image_dir_path", ".", "--json_file", "list.json", "--output_dir", "all", *LITTLE]
    assert main(ask, Seen()) == 0
    first = boxes.copy()
    boxes.clear()
    assert main([*ask, "--pick", "scene.png=2"], Seen()) == 0
    assert boxes == [first[0][1:2]]
    for wrong, says in (("x=2", "pick is 'x=2'"), ("scene.png", "write NAME=N"), ("scene.png=0", "at least 1")):
        assert main([*ask, "--pick", wrong], NoEngine()) == 2
        assert says in capsys.readouterr().err
    assert main([*ask, "--pick", "scene.png=3"], Seen()) == 1
    assert "failed: scene.png: pick is 3, and there are 2 regions" in capsys.readouterr().err
