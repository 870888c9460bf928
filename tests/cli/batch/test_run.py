"""A run over a list: what is left on disk, what is done again, what happens to an item that fails."""

from __future__ import annotations

import json
import threading
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from region_core.cli.job import check_edit
from region_core.cli.main import main
from region_core.cli.options import parse
from region_core.edits import Edits
from region_core.edits_list.items import safe_name

from .conftest import PICTURES
from .quick import QuickEngine, batch, begun, opened, pictures, quick_edit, table, write_list

LITTLE = (
    "--preset",
    "paper",
    "--max_window_size",
    "3",
    "--point_number",
    "2",
    "--per_image_iteration",
    "1",
    "--steps",
    "1",
)


@pytest.mark.usefixtures("folder")
def test_what_a_run_leaves(capsys: pytest.CaptureFixture[str]) -> None:
    assert batch("--draw_box", "--seed", "5") == 0
    out, err = capsys.readouterr()
    assert out.startswith("4 items: 4 edited\n")
    assert not err
    rows = table()
    assert [row["key"] for row in rows] == list(PICTURES)
    for row, name in zip(rows, PICTURES, strict=True):
        result = Path("out") / row["result"]
        inside = Path("out/items") / result.stem
        assert {p.name for p in inside.iterdir()} == {
            "edited.png",
            "region.png",
            "candidates.png",
            "report.json",
            "before.jpg",
            "region.jpg",
            "after.jpg",
        }
        assert result.read_bytes() == (inside / "edited.png").read_bytes()
        assert opened(Path("out/boxes") / result.name).shape[2] == 3
        report = json.loads((inside / "report.json").read_text(encoding="utf-8"))
        assert (report["key"], report["image_caption"]) == (name, PICTURES[name])
        assert row["seed"] == str(report["seed"])
        assert row["x0"] == str(report["box"][0])
        source, edited = opened(Path("in") / name), opened(result)
        where = opened(inside / "region.png") > 0
        assert (edited[~where] == source[~where]).all()
        assert (edited[where] != source[where]).any()
    assert len({row["seed"] for row in rows}) == 4
    page = Path("out/index.html").read_text(encoding="utf-8")
    assert "a &lt;b&gt;tree&lt;/b&gt;" in page
    assert "<b>tree" not in page
    assert page.count("<article") == 4
    assert page.count('loading="lazy"') == 12


@pytest.mark.usefixtures("folder")
def test_only_what_changed_is_done_again() -> None:
    assert batch() == 0
    begun()
    first = pictures()
    assert batch() == 0
    assert begun() == []
    Image.new("RGB", (40, 40), "red").save("in/one.png")
    assert batch() == 0
    assert begun() == ["a cat"]
    write_list({**PICTURES, "two words.png": "a puppy"})
    assert batch() == 0
    assert begun() == ["a puppy"]
    write_list(PICTURES | {"new.png": "new"})
    Image.new("RGB", (40, 40)).save("in/new.png")
    assert batch() == 0
    assert begun() == ["a dog", "new"]
    next(Path("out/results").glob("4-*")).unlink()
    assert batch() == 0
    assert begun() == ["x"]
    same = {name: data for name, data in first.items() if "one-" not in name}
    assert same.items() <= pictures().items()
    assert batch("--steps", "9") == 0
    assert len(begun()) == 5
    assert batch("--steps", "9", "--draw_box") == 0  # the boxes are not there
    assert len(begun()) == 5
    assert batch("--steps", "9") == 0
    assert begun() == []


@pytest.mark.usefixtures("folder")
def test_a_failing_item_is_told_and_the_rest_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BATCH_FAIL", "a dog")
    damaged = Path("in/4.png")
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:-300])
    assert batch() == 1
    out, err = capsys.readouterr()
    assert "2 edited, 2 failed" in out.replace("1 failed, ", "")
    assert "failed: two words.png: ArithmeticError: this one cannot be done" in err
    assert "failed: 4.png:" in err
    assert "cut short" in err
    assert [row["status"] for row in table()] == ["edited", "failed", "edited", "failed"]
    assert "this one cannot be done" in Path("out/index.html").read_text()
    monkeypatch.delenv("BATCH_FAIL")
    damaged.write_bytes(whole)
    begun()
    assert batch() == 0
    assert begun() == ["a dog", "x"]
    assert [row["error"] for row in table()] == [""] * 4
    assert not list(Path("out").rglob("failed.json"))


@pytest.mark.usefixtures("folder")
def test_a_result_that_cannot_be_written_is_a_failing_item(capsys: pytest.CaptureFixture[str]) -> None:
    Path("out/results", f"{safe_name('4.png')}.png").mkdir(parents=True)
    assert batch() == 1
    assert "failed: 4.png:" in capsys.readouterr().err
    assert [row["status"] for row in table()] == ["edited"] * 3 + ["failed"]


@pytest.mark.usefixtures("folder")
def test_old_results_are_not_shown_as_new_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    assert batch() == 0
    monkeypatch.setenv("BATCH_FAIL", "a dog")
    assert batch("--steps", "9") == 1
    assert [row["status"] for row in table()] == ["edited", "failed", "edited", "edited"]


@pytest.mark.usefixtures("folder")
def test_saving_goes_on_behind_the_next_edit() -> None:
    second = threading.Event()

    class Slow(Edits):
        @property
        def image(self) -> Any:
            assert second.wait(60), "the second edit waits for the first one's files"
            return super().image

    def watched(image: Any, caption: str, *texts: str, **rest: Any) -> Any:
        if caption == "a dog":
            second.set()
        edits = quick_edit(image, caption, *texts, **rest)
        return Slow(**{one.name: getattr(edits, one.name) for one in fields(edits)})

    assert batch(edit=watched) == 0


def test_one_real_item_is_what_edit_makes_of_it(tmp_path: Path) -> None:
    """With the embedded models, and as little work as there can be."""
    from region_core.demo.scenes import make_scene

    (tmp_path / "in").mkdir()
    Image.fromarray(make_scene(1).image).save(tmp_path / "in" / "scene.png")
    (tmp_path / "edits.json").write_text('{"scene.png": ["a red circle", "a blue square"]}')
    little = ["--models", "shapes", "--no-refine", "--quiet", *LITTLE]
    assert (
        main(
            [
                "batch",
                "--image_dir_path",
                str(tmp_path / "in"),
                "--json_file",
                str(tmp_path / "edits.json"),
                "--output_dir",
                str(tmp_path / "out"),
                "--save_path",
                str(tmp_path / "learned"),
                *little,
            ]
        )
        == 0
    )
    (row,) = table(str(tmp_path / "out"))
    alone = [
        "edit",
        "--image_file_path",
        str(tmp_path / "in" / "scene.png"),
        "--image_caption",
        "a red circle",
        "--editing_prompt",
        "a blue square",
        *little,
        "--seed",
        row["seed"],
    ]
    assert main([*alone, "--output_dir", str(tmp_path / "edit")]) == 0
    if row["status"] == "edited":
        assert (tmp_path / "out" / row["result"]).read_bytes() == (tmp_path / "edit" / "edited.png").read_bytes()
    assert (
        main(
            [
                *alone,
                "--output_dir",
                str(tmp_path / "from"),
                "--load_checkpoint_path",
                str(tmp_path / "learned" / "generator.safetensors"),
            ]
        )
        == 0
    )


def test_a_home_folder_may_be_written_as_a_tilde(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    assert (
        main(
            [
                "batch",
                "--image_dir_path",
                "~/in",
                "--json_file",
                "~/edits.json",
                "--output_dir",
                "~/out",
                "--save_path",
                "~/g",
                "--models",
                "shapes",
                "--preset",
                "paper",
                "--quiet",
            ],
            QuickEngine(),
        )
        == 0
    )
    assert (folder / "out" / "summary.csv").is_file()
    assert (folder / "g" / "generator.safetensors").is_file()
    ask = parse(
        [
            "edit",
            "--image_file_path",
            "~/in/one.png",
            "--image_caption",
            "a",
            "--editing_prompt",
            "b",
            "--output_dir",
            "~/edited",
            "--save_path",
            "~/h.safetensors",
            "--models",
            "shapes",
            "--preset",
            "paper",
        ]
    )
    job = check_edit(ask)
    assert (job.output_dir, job.save_path) == (folder / "edited", folder / "h.safetensors")
    assert not list(Path().iterdir())


@pytest.mark.usefixtures("folder")
def test_what_is_odd_about_a_picture_is_told_with_its_key(capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(np.full((64, 64), 1.5, np.float32)).save("in/bright.tiff")
    write_list({"bright.tiff": "a wall"})
    assert batch() == 0
    assert capsys.readouterr().err.startswith("bright.tiff: The picture's values reach from 1.5 to 1.5: ")


@pytest.mark.usefixtures("folder")
def test_edits_of_one_picture_and_caption_search_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEARCH_LOG", "searches")
    one = {"image": "one.png", "image_caption": "a cat"}
    rows = [{**one, "editing_prompt": wish} for wish in ("a fox", "a dog")]
    rows += [{**one, "image_caption": "a mat", "editing_prompt": "a rug"}]
    rows += [{"image": "4.png", "image_caption": "a cat", "editing_prompt": "a fox"}]
    Path("edits.json").write_text(json.dumps(rows))
    assert batch() == 0
    assert Path("searches").read_text().splitlines() == [
        *("encoded", "found a cat", "found a mat"),
        *("encoded", "found a cat"),
    ]
