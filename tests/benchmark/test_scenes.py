"""Scenes of the shapes world: held out, written with their truth, bad words to it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmark import __main__ as shapes_cli
from region_core.demo.scenes import make_edit, make_scene
from region_core.demo.worlds import held_out


def test_scenes_are_written_with_their_edits_and_truth(tmp_path: Path) -> None:
    ask = ["scenes", "--scenes", "3", "--seed", "5", "--output_dir"]
    assert shapes_cli.main([*ask, str(tmp_path / "a")]) == 0
    assert shapes_cli.main([*ask, str(tmp_path / "b")]) == 0
    edits = json.loads((tmp_path / "a" / "edits.json").read_text())
    truth = json.loads((tmp_path / "a" / "truth.json").read_text())
    assert list(edits) == list(truth) == ["0000.png", "0001.png", "0002.png"]
    scene, wish = held_out(5, 1)
    assert (np.asarray(Image.open(tmp_path / "a" / "0001.png")) == scene.image).all()
    assert edits["0001.png"] == [wish.caption, wish.prompt]
    target = truth["0001.png"]["objects"][truth["0001.png"]["target"]]
    assert target["name"] == wish.caption
    assert target["box"] == list(scene.objects[wish.target or 0].box)
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()


def test_held_out_scenes_are_those_of_the_pair_of_numbers() -> None:
    rng = np.random.default_rng(np.random.SeedSequence([7, 2]))
    scene, wish = held_out(7, 2, "remove")
    want = make_scene(rng)
    assert (scene.image == want.image).all()
    assert wish == make_edit(want, "remove", rng)
    assert not (held_out(7, 3)[0].image == scene.image).all()


def test_no_held_out_scene_is_one_of_trainings() -> None:
    for seed in (0, 5, 42):
        trained = make_scene(seed).image
        for index in range(3):
            assert not (held_out(seed, index)[0].image == trained).all()


@pytest.mark.parametrize(
    "ask",
    [
        ["scenes", "--scenes", "0", "--seed", "1", "--output_dir", "x"],
        ["scenes", "--scenes", "1", "--seed", "-1", "--output_dir", "x"],
        ["scenes", "--scenes", "1", "--seed", "1", "--kind", "paint", "--output_dir", "x"],
        ["run", "--scenes", "1", "--seed", "1", "--methods", "magic"],
        ["run", "--scenes", "1", "--seed", "1", "--methods", ","],
        ["run", "--seed", "1", "--methods", "found"],
        ["paint"],
        ["settings", "--names", "colour"],
        ["settings", "--presets", "slow"],
        ["run", "--world", "photographs"],
        ["run", "--world", "photographs", "--photographs", "."],
        ["train", "--parts", "moon"],
        ["train", "--minutes", "0"],
        [],
    ],
)
def test_bad_words_to_the_shapes_world(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], ask: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert shapes_cli.main(ask) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not list(tmp_path.iterdir())
