"""A run that was stopped goes on, and figures that do not belong together are not mixed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmark import __main__ as command
from benchmark import run as measuring
from benchmark.ledger import Ledger, digest_of
from benchmark.painting import Outcome, untouched
from benchmark.rows import Row
from benchmark.worlds.shapes import ShapesWorld
from region_core.cost import Cost
from region_core.encoders.loading import Models
from region_core.errors import InputError
from region_core.settings import SearchSettings

ROW = Row(
    scene=0,
    kind="replace",
    clip="demo",
    box=None,
    iou=0.0,
    hit=0.0,
    recognised=None,
    false_alarm=1.0,
    success=0.0,
    background_psnr=60.0,
    cost=Cost().as_dict(),
    seconds=0.5,
)
SETTINGS = {"standard": SearchSettings()}


def kept(file: Path) -> Ledger:
    ledger = Ledger(file, "shapes", "", 7, SETTINGS)
    ledger.add("standard", ROW)
    ledger.add("standard", replace(ROW, scene=1, iou=0.5))
    ledger.write(["standard"])
    return ledger


def test_rows_come_back_as_they_were(tmp_path: Path) -> None:
    before = kept(tmp_path / "b.json")
    after = Ledger(tmp_path / "b.json", "shapes", "", 7, SETTINGS)
    after.check(["standard"])
    assert after.rows == before.rows
    assert after.has("standard", "demo", "replace", 1)
    assert not after.has("standard", "demo", "remove", 1)


def test_the_file_has_the_shape_it_is_said_to_have(tmp_path: Path) -> None:
    kept(tmp_path / "b.json")
    report = json.loads((tmp_path / "b.json").read_text())
    assert (report["world"], report["seed"], report["painter"]) == ("shapes", 7, "")
    standard = report["methods"]["standard"]
    mean = standard["means"]["demo replace"]
    for column in ("iou", "hit", "success", "background_psnr", "total", "clip_images", "seconds"):
        assert isinstance(mean[column], float)
    assert mean["iou"] == 0.25
    assert [row["scene"] for row in standard["per_scene"]] == [0, 1]


def test_another_seed_world_other_settings_or_weights_do_not_mix(tmp_path: Path) -> None:
    file = tmp_path / "b.json"
    kept(file)
    with pytest.raises(InputError, match="seed is '7', and seed is '8'"):
        Ledger(file, "shapes", "", 8, SETTINGS)
    changed = Ledger(file, "shapes", "", 7, {"standard": SearchSettings(views=3)})
    with pytest.raises(InputError, match="another views.*--redo standard"):
        changed.check(["standard"])
    changed.check([])  # rows of methods that are not asked for are let be
    changed.forget(["standard"])
    changed.check(["standard"])
    assert not changed.has("standard", "demo", "replace", 0)
    with pytest.raises(InputError, match="world is 'shapes', and world is 'things'"):
        Ledger(file, "things", "", 7, SETTINGS)
    changed.use_weights("demo", "some")
    with pytest.raises(InputError, match="CLIP 'demo' were measured with other weights"):
        changed.use_weights("demo", "others")
    changed.use_weights("conv", "others")


def test_a_file_of_something_else_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "b.json"
    file.write_text('{"cats": 3}')
    with pytest.raises(InputError, match="no file of this benchmark"):
        Ledger(file, "shapes", "", 7, SETTINGS)
    assert file.read_text() == '{"cats": 3}'


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, int]]:
    """Two methods that only remember what they were asked, in place of the real ones."""
    calls: list[tuple[str, str, int]] = []

    def method(name: str):
        def run(task, setup) -> Outcome:
            calls.append((name, task.kind, setup.seed - measuring.SEED))
            return untouched(task)

        return run

    from benchmark import methods

    table = {name: method(name) for name in ("standard", "exhaustive")}
    for module in (measuring, methods):
        monkeypatch.setattr(module, "METHODS", table)
    monkeypatch.setattr(measuring, "load_models", lambda *_, **__: Models(None, None, None))
    monkeypatch.setattr(ShapesWorld, "painter", lambda self, task, models: None)
    return calls


def ask(*more: object) -> int:
    return command.main(["run", "--seed", "7", "--methods", "standard,exhaustive", *map(str, more)])


def test_what_was_measured_is_not_measured_again(tmp_path: Path, asked: list) -> None:
    file = tmp_path / "b.json"
    assert ask("--scenes", 1, "--json", file) == 0
    assert asked == [("standard", "replace", 0), ("exhaustive", "replace", 0)]
    asked.clear()
    assert ask("--scenes", 2, "--json", file, "--kind", "replace,add") == 0
    assert sorted(asked) == sorted(
        [
            (name, kind, scene)
            for name in ("standard", "exhaustive")
            for kind, scene in (("add", 0), ("replace", 1), ("add", 1))
        ]
    )
    asked.clear()
    assert ask("--scenes", 2, "--json", file, "--redo", "exhaustive") == 0
    assert asked == [("exhaustive", "replace", 0), ("exhaustive", "replace", 1)]


def test_a_stopped_run_leaves_its_scenes(tmp_path: Path, asked: list, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "b.json"
    real = ShapesWorld.task

    def stops(self, kind: str, seed: int, number: int):
        if number == 2:
            raise KeyboardInterrupt
        return real(self, kind, seed, number)

    with monkeypatch.context() as patch:
        patch.setattr(ShapesWorld, "task", stops)
        try:
            code = ask("--scenes", 4, "--json", file)
        except KeyboardInterrupt:
            code = 130
    assert code != 0
    asked.clear()
    assert ask("--scenes", 4, "--json", file) == 0
    assert {scene for *_, scene in asked} == {2, 3}


def test_dear_methods_run_on_the_first_scenes_only(tmp_path: Path, asked: list, capsys: pytest.CaptureFixture) -> None:
    assert ask("--scenes", 3, "--first", 5, "--limits", "exhaustive=2") == 0
    assert [scene for name, _, scene in asked if name == "exhaustive"] == [5, 6]
    assert [scene for name, _, scene in asked if name == "standard"] == [5, 6, 7]
    assert "| exhaustive | 2 |" in capsys.readouterr().out


def test_markdown_and_sheets_are_written(tmp_path: Path, asked: list, capsys: pytest.CaptureFixture) -> None:
    assert ask("--scenes", 1, "--markdown", tmp_path / "b.md", "--sheets", tmp_path / "sheets") == 0
    assert (tmp_path / "b.md").read_text().strip() == capsys.readouterr().out.strip()
    assert (tmp_path / "sheets" / "standard_failures.png").is_file()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--limits", "paper=3"), "none of the methods"),
        (("--limits", "standard=x"), "whole number"),
        (("--kind", "replace,paint"), "kind is 'paint'"),
        (("--world", "moon"), "world is 'moon'"),
        (("--world", "things", "--painter", "real"), "no diffusion model"),
        (("--clip", "bent:x"), "holds no CLIP"),
        (("--redo", "magic"), "method 'magic' is not known"),
        (("--first", -1), "first is -1"),
    ],
)
def test_bad_words_are_refused_before_any_work(
    more: tuple, words: str, asked: list, capsys: pytest.CaptureFixture
) -> None:
    assert ask("--scenes", 1, *more) == 2
    assert words in capsys.readouterr().err
    assert not asked


def test_weights_on_another_scale_have_another_digest(tmp_path: Path) -> None:
    digests = []
    for bend in (None, {"slope": 0.5, "shift": 0.1}, {"slope": 0.5, "shift": 0.2}):
        config = {} if bend is None else {"bend": bend}
        (tmp_path / "open_clip_config.json").write_text(json.dumps(config))
        (tmp_path / "open_clip_model.safetensors").write_bytes(b"the same")
        digests.append(digest_of(tmp_path))
    assert len(set(digests)) == 3
