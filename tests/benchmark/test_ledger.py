"""A run that was stopped goes on, and figures that do not belong together are not mixed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmark import __main__ as command
from benchmark.ledger import Ledger, digest_of
from benchmark.painting import Outcome, untouched
from benchmark.rows import Row
from benchmark.run import SEED, Plan, run
from benchmark.worlds.shapes import ShapesWorld
from region_core.cost import Cost
from region_core.encoders.loading import Models
from region_core.errors import InputError
from region_core.settings import EditSettings

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
SETTINGS = {"standard": EditSettings()}


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
    changed = Ledger(file, "shapes", "", 7, {"standard": EditSettings().with_values(views=3)})
    with pytest.raises(InputError, match="another views.*--redo standard"):
        changed.check(["standard"])
    changed.check([])  # rows of methods that are not asked for are let be
    changed.forget(["standard"])
    changed.check(["standard"])
    assert not changed.has("standard", "demo", "replace", 0)
    with pytest.raises(InputError, match="world is 'shapes', and world is 'things'"):
        Ledger(file, "things", "", 7, SETTINGS)
    changed.use("CLIP demo", "some")
    with pytest.raises(InputError, match="measured with another CLIP demo"):
        changed.use("CLIP demo", "others")
    changed.use("CLIP conv", "others")


def test_a_file_of_something_else_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "b.json"
    file.write_text('{"cats": 3}')
    with pytest.raises(InputError, match="no file of this benchmark"):
        Ledger(file, "shapes", "", 7, SETTINGS)
    assert file.read_text() == '{"cats": 3}'


Asked = list[tuple[str, str, int]]


class Stopping(ShapesWorld):
    """Shapes whose third scene is Ctrl-C."""

    def task(self, kind: str, seed: int, number: int):
        if number == 2:
            raise KeyboardInterrupt
        return super().task(kind, seed, number)


def measured(file: Path | None, world: ShapesWorld | None = None, redo: list[str] | None = None, **plan) -> Asked:
    """What two methods were asked that only remember it."""
    calls: Asked = []

    def method(name: str):
        def ask(task, setup) -> Outcome:
            calls.append((name, task.kind, setup.seed - SEED))
            return untouched(task)

        return ask

    names = ["standard", "exhaustive"]
    world = world or ShapesWorld(faultless=True)
    ledger = Ledger(file, "shapes", "faultless", 7, {name: EditSettings() for name in names})
    ledger.forget(redo or [])
    own = Plan(names, **{"kinds": ["replace"], "clips": ["demo"], "scenes": 1, "seed": 7, **plan})
    run(own, world, ledger, lambda _: Models(None, None, None), {name: method(name) for name in names})
    return calls


def test_what_was_measured_is_not_measured_again(tmp_path: Path) -> None:
    file = tmp_path / "b.json"
    assert measured(file) == [("standard", "replace", 0), ("exhaustive", "replace", 0)]
    assert sorted(measured(file, scenes=2, kinds=["replace", "add"])) == sorted(
        [
            (name, kind, scene)
            for name in ("standard", "exhaustive")
            for kind, scene in (("add", 0), ("replace", 1), ("add", 1))
        ]
    )
    assert measured(file, scenes=2, redo=["exhaustive"]) == [("exhaustive", "replace", 0), ("exhaustive", "replace", 1)]


def test_a_stopped_run_leaves_its_scenes(tmp_path: Path) -> None:
    file = tmp_path / "b.json"
    with pytest.raises(KeyboardInterrupt):
        measured(file, Stopping(faultless=True), scenes=4)
    assert {scene for *_, scene in measured(file, scenes=4)} == {2, 3}


def test_dear_methods_run_on_the_first_scenes_only() -> None:
    asked = measured(None, scenes=3, first=5, limits={"exhaustive": 2})
    assert [scene for name, _, scene in asked if name == "exhaustive"] == [5, 6]
    assert [scene for name, _, scene in asked if name == "standard"] == [5, 6, 7]


def test_a_world_that_ends_is_asked_to_its_end() -> None:
    class Short(ShapesWorld):
        def count(self, kind: str) -> int:
            return 3

    assert [scene for *_, scene in measured(None, Short(faultless=True), scenes=None)] == [0, 0, 1, 1, 2, 2]
    assert [scene for *_, scene in measured(None, Short(faultless=True), scenes=9, first=2)] == [2, 2]
    with pytest.raises(InputError, match="scenes is not given"):
        measured(None, scenes=None)


def ask(*more: object) -> int:
    return command.main(["run", "--seed", "7", "--painter", "faultless", *map(str, more)])


def test_markdown_and_sheets_are_written(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    more = ["--markdown", tmp_path / "b.md", "--sheets", tmp_path / "sheets", "--json", tmp_path / "b.json"]
    assert ask("--scenes", 1, "--methods", "centre", *more) == 0
    assert (tmp_path / "b.md").read_text().strip() == capsys.readouterr().out.strip()
    assert (tmp_path / "sheets" / "centre_failures_0.png").is_file()
    assert json.loads((tmp_path / "b.json").read_text())["weights"].keys() == {"CLIP demo"}


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--limits", "paper=3"), "none of the methods"),
        (("--limits", "standard=x"), "whole number"),
        (("--kind", "replace,paint"), "'paint' is none of replace"),
        (("--world", "moon"), "world is 'moon'"),
        (("--world", "things", "--painter", "real"), "nothing was trained to paint things"),
        (("--clip", "bent:x"), "holds no CLIP"),
        (("--redo", "magic"), "method 'magic' is not known"),
        (("--first", -1), "-1 is not in the range"),
    ],
)
def test_bad_words_are_refused_before_any_work(more: tuple, words: str, capsys: pytest.CaptureFixture) -> None:
    assert command.main(["run", "--seed", "7", "--scenes", "1", *map(str, more)]) == 2
    assert words in capsys.readouterr().err


def test_weights_on_another_scale_have_another_digest(tmp_path: Path) -> None:
    digests = []
    for bend in (None, {"slope": 0.5, "shift": 0.1}, {"slope": 0.5, "shift": 0.2}):
        config = {} if bend is None else {"bend": bend}
        (tmp_path / "open_clip_config.json").write_text(json.dumps(config))
        (tmp_path / "open_clip_model.safetensors").write_bytes(b"the same")
        digests.append(digest_of(tmp_path))
    assert len(set(digests)) == 3
