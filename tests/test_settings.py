"""A setting is described once, and everything that speaks of it says the same."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from region_core.cli.parser import build_parser, settings_from
from region_core.errors import InputError
from region_core.settings import PRESETS, REMOVED, SETTINGS, SearchSettings, current_name, preset

ROOT = Path(__file__).resolve().parents[1]
EDIT = ["edit", "--image_file_path", "a", "--image_caption", "b", "--editing_prompt", "c", "--output_dir", "d"]


def test_every_setting_is_described() -> None:
    texts = json.loads((ROOT / "region_core/settings/texts.json").read_text(encoding="utf-8"))
    assert list(SETTINGS) == [field.name for field in fields(SearchSettings)] == list(texts)
    for name, one in SETTINGS.items():
        assert one.en.endswith("."), name
        assert one.zh.endswith("。"), name
        assert one.choices or one.kind is bool or (one.low is not None and one.high is not None), name
        assert not one.problem(one.default), name


@pytest.mark.parametrize("name", list(SETTINGS))
def test_a_value_out_of_range_is_told_with_its_limit(name: str) -> None:
    one = SETTINGS[name]
    wrong: list[object] = ["neither"] if one.choices else []
    if one.low is not None and one.high is not None:
        wrong = [one.kind(one.low - 1), one.kind(one.high + 1), *([one.low] if one.above else [])]
        if one.kind is float:
            wrong += [float("nan"), float("inf")]
    for value in wrong:
        with pytest.raises(InputError, match=f"{name} is") as caught:
            SearchSettings(**{name: value}).validate()
        assert "must be" in str(caught.value) or "choose one of" in str(caught.value)


def test_presets_differ_from_the_defaults_as_described() -> None:
    for name, settings in PRESETS.items():
        settings.validate()
        for key, one in SETTINGS.items():
            assert getattr(settings, key) == one.presets.get(name, one.default), (name, key)
    assert preset("standard") == SearchSettings()
    assert "fast 5, standard 9, quality 12, paper 9" in SETTINGS["point_number"].values_by_preset()


def test_an_old_name_is_still_read(capsys: pytest.CaptureFixture[str]) -> None:
    olds = [(old, one) for one in SETTINGS.values() for old in one.old_names]
    assert {"look_steps", "finalists", "drafts"} <= {old for old, _ in olds}
    for old, one in olds:
        assert old not in SETTINGS
        assert current_name(old) == one.name
        value = one.kind(3)
        assert SearchSettings().with_values(**{old: value}) == SearchSettings(**{one.name: value})
        args = build_parser().parse_args([*EDIT, f"--{old}", "3"])
        assert getattr(settings_from(args), one.name) == value
        assert f"--{old} is called --{one.name} now" in capsys.readouterr().err


def test_old_names_are_not_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        build_parser().parse_args(["edit", "--help"])
    told = capsys.readouterr().out
    for name, one in SETTINGS.items():
        assert (f"--{name}" in told) == one.option
        assert not any(f"--{old}" in told for old in one.old_names)


def test_what_was_removed_is_read_and_does_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    for name, kind in REMOVED.items():
        assert name not in SETTINGS
        assert SearchSettings().with_values(**{name: kind(1)}) == SearchSettings()
        options = [[f"--{name}"], [f"--no-{name}"]] if kind is bool else [[f"--{name}", "3"]]
        for option in options:
            assert settings_from(build_parser().parse_args([*EDIT, *option])) == SearchSettings()
            assert f"{option[0]} does nothing any more" in capsys.readouterr().err
    with pytest.raises(InputError, match="unknown setting 'area'"):
        SearchSettings().with_values(area=1)


def test_what_does_nothing_in_a_preset_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--preset", "paper", "--previews", "never", "--lr", "0.01"]
    assert settings_from(build_parser().parse_args([*EDIT, *given])).method == "published"
    assert capsys.readouterr().err == "--previews does nothing in preset paper.\n"


def test_translations_and_tables_say_what_the_settings_say() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / ".ci" / "settings_texts.py", "--check"], capture_output=True, text=True, check=False
    )
    assert not done.returncode, done.stdout + done.stderr
