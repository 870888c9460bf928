"""A run over a list: what is left on disk, what is done again, what happens when something breaks."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from region_core.cli.batch import loading
from region_core.cli.batch.places import Place
from region_core.cli.job import check_edit
from region_core.cli.main import main
from region_core.cli.parser import build_parser

from .conftest import PICTURES
from .quick import QuickEngine, batch, begun, opened, pictures, quick_edit, table, write_list


def begun_lines() -> list[str]:
    """Lines of the log, left where they are."""
    return Path("log").read_text().splitlines() if Path("log").exists() else []


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
            "loss.png",
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
def test_a_result_that_cannot_be_written_is_a_failing_item(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = Place.write

    def full(self: Place, *rest: Any) -> None:
        if self.name.startswith("4-"):
            raise OSError(28, "No space left on device")
        real(self, *rest)

    monkeypatch.setattr(Place, "write", full)
    assert batch() == 1
    assert "No space left" in capsys.readouterr().err
    assert [row["status"] for row in table()] == ["edited"] * 3 + ["failed"]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("by", [KeyboardInterrupt, signal.SIGTERM])
def test_stopping_leaves_what_is_finished(
    monkeypatch: pytest.MonkeyPatch, by: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(image: Any, caption: str, *texts: str, **rest: Any) -> Any:
        if caption == "a <b>tree</b>":
            if by is KeyboardInterrupt:
                raise by
            os.kill(os.getpid(), by)
        return quick_edit(image, caption, *texts, **rest)

    assert batch(edit=stop) == 130
    assert "the same command goes on" in capsys.readouterr().err
    assert [row["status"] for row in table()] == ["edited", "edited", "waiting", "waiting"]
    begun()
    assert batch() == 0
    assert begun() == ["a <b>tree</b>", "x"]


@pytest.mark.usefixtures("folder")
def test_old_results_are_not_shown_as_new_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    assert batch() == 0
    monkeypatch.setenv("BATCH_FAIL", "a dog")
    assert batch("--steps", "9") == 1
    assert [row["status"] for row in table()] == ["edited", "failed", "edited", "edited"]


@pytest.mark.usefixtures("folder")
def test_pictures_hang_neither_on_workers_nor_on_what_else_is_in_the_list() -> None:
    assert batch() == 0
    assert batch("--num_workers", "2", out="other") == 0
    assert pictures("other") == pictures()
    write_list(dict(reversed(PICTURES.items())))
    assert batch("--no-pin_mem", out="reversed") == 0
    assert pictures("reversed") == pictures()


@pytest.mark.usefixtures("folder")
def test_saving_goes_on_behind_the_next_edit(monkeypatch: pytest.MonkeyPatch) -> None:
    second, real = threading.Event(), Place.write

    def write(self: Place, *rest: Any) -> None:
        assert second.wait(60), "the second edit waits for the first one's files"
        real(self, *rest)

    def watched(image: Any, caption: str, *texts: str, **rest: Any) -> Any:
        if caption == "a dog":
            second.set()
        return quick_edit(image, caption, *texts, **rest)

    monkeypatch.setattr(Place, "write", write)
    assert batch(edit=watched) == 0


@pytest.mark.usefixtures("folder")
def test_loading_goes_on_behind_the_edit(monkeypatch: pytest.MonkeyPatch) -> None:
    real = loading.load_picture

    def load(path: Path) -> Any:
        Path(f"read {path.name}").touch()  # in the loader's process, which shares the disk alone
        return real(path)

    def watched(image: Any, caption: str, *texts: str, **rest: Any) -> Any:
        deadline = time.monotonic() + 60
        while not Path("read two words.png").exists():
            assert time.monotonic() < deadline, "nothing is read while the first picture is edited"
            time.sleep(0.01)
        return quick_edit(image, caption, *texts, **rest)

    monkeypatch.setattr(loading, "load_picture", load)
    assert batch("--num_workers", "1", edit=watched) == 0


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    "more",
    [(), ("--save_path", "g", "--batch_size", "3", "--epochs", "2", "--max_window_size", "4")],
    ids=["a generator each", "a shared one"],
)
def test_killed_at_any_moment_it_goes_on(monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]) -> None:
    write_list({f"{n}.png": f"thing {n}" for n in range(26)})
    for n in range(26):
        Image.new("RGB", (40, 40), (n, 2 * n, 3 * n)).save(f"in/{n}.png")
    assert batch(*more, out="whole") == 0
    edits = len(begun())
    monkeypatch.setenv("BATCH_SLEEP", "0.1")
    chance, killed, kept, seen = random.Random(0), 0, 0, 0
    finished: set[str] = set()
    while killed < 5:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of threads: the child needs none
            child = os.fork()
        if not child:
            os._exit(batch(*more))
        while kept == len(list(Path("out").rglob("report.json"))) and not more:
            time.sleep(0.002)  # so that every life brings something forward
        time.sleep(chance.uniform(0, 0.2))
        os.kill(child, signal.SIGKILL)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL, (
            "it came to its end before it was killed: make the list longer"
        )
        killed += 1
        if not more:  # with a shared generator a second epoch does each again
            assert not finished & {line.split(" ", 1)[1] for line in begun_lines()[seen:]}
            finished = {json.loads(file.read_text())["image_caption"] for file in Path("out").rglob("report.json")}
            seen = len(begun_lines())
        kept = len(list(Path("out").rglob("report.json")))
        for file in Path("out").rglob("*.*"):  # none is half written
            if file.suffix in (".png", ".jpg"):
                opened(file)
            elif file.suffix == ".json":
                json.loads(file.read_text(encoding="utf-8"))
    monkeypatch.setenv("BATCH_SLEEP", "0")
    assert batch(*more) == 0
    assert pictures() == pictures("whole")
    assert [row["status"] for row in table()] == ["edited"] * 26
    # one begun and not finished, and one or two not written yet, are lost with each life
    assert edits <= len(begun()) <= edits + 5 * 4
    left = [p for p in Path("out").rglob("*") if p.name.endswith((".tmp", ".part")) or p.name == "learned.safetensors"]
    assert not left
    if more:
        learned = [load_file(f"{out}/learning.safetensors") for out in ("out", "whole")]
        assert learned[0].keys() == learned[1].keys()
        assert all(torch.equal(learned[0][name], learned[1][name]) for name in learned[0])
    assert batch(*more) == 0
    assert begun() == []


def test_one_real_item_is_what_edit_makes_of_it(tmp_path: Path) -> None:
    """With the embedded models, and as little work as there can be."""
    from region_core.demo.scenes import make_scene

    (tmp_path / "in").mkdir()
    Image.fromarray(make_scene(1).image).save(tmp_path / "in" / "scene.png")
    (tmp_path / "edits.json").write_text('{"scene.png": ["a red circle", "a blue square"]}')
    little = [
        "--models",
        "shapes",
        "--preset",
        "fast",
        "--point_number",
        "2",
        "--no-refine",
        "--per_image_iteration",
        "1",
        "--steps",
        "2",
        "--preview_steps",
        "1",
        "--quiet",
    ]
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
                "--num_workers",
                "1",
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


@pytest.mark.usefixtures("folder")
def test_a_picture_with_unreadable_exif_is_edited_as_it_is() -> None:
    with Image.open("in/one.png") as image:
        image.load()
        pixels = np.asarray(image)
        image.save("in/one.png", exif=b"Exif\0\0junk junk")
    assert batch() == 0
    assert [row["status"] for row in table()] == ["edited"] * 4
    where = opened(Path("out/items") / Path(table()[0]["result"]).stem / "region.png") > 0
    assert (opened(Path("out") / table()[0]["result"])[~where] == pixels[~where]).all()


@pytest.mark.usefixtures("folder")
def test_whatever_a_decoder_raises_is_one_failing_item(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = loading.load_picture

    def load(path: Path) -> Any:
        if path.name == "one.png":
            raise SyntaxError("what a file")
        return real(path)

    monkeypatch.setattr(loading, "load_picture", load)
    assert batch("--num_workers", "1") == 1
    assert "SyntaxError: what a file" in capsys.readouterr().err
    assert [row["status"] for row in table()] == ["failed"] + ["edited"] * 3


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("stop", [False, True])
def test_a_reader_that_is_killed(
    monkeypatch: pytest.MonkeyPatch, stop: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """Alone, or by a SIGTERM to all processes that reaches it first."""

    def kill(image: Any, caption: str, *texts: str, **rest: Any) -> Any:
        if caption == "a dog":
            (reader,) = multiprocessing.active_children()
            if stop:
                threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()
            assert reader.pid
            os.kill(reader.pid, signal.SIGKILL)
            reader.join(10)
        return quick_edit(image, caption, *texts, **rest)

    assert batch("--num_workers", "1", edit=kill) == (130 if stop else 1)
    err = capsys.readouterr().err
    assert "Traceback" not in err
    assert ("the same command goes on" if stop else "run the command again") in err
    rows = [row["status"] for row in table()]
    assert rows[0] == "edited"
    assert rows[-1] == "waiting"
    assert "failed" not in rows
    assert batch() == 0


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
                "--quiet",
                "--num_workers",
                "0",
            ],
            QuickEngine(),
        )
        == 0
    )
    assert (folder / "out" / "summary.csv").is_file()
    assert (folder / "g" / "generator.safetensors").is_file()
    ask = build_parser().parse_args(
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
        ]
    )
    job = check_edit(ask)
    assert (job.output_dir, job.save_path) == (folder / "edited", folder / "h.safetensors")
    assert not list(Path().iterdir())
