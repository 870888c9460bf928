"""The options: quick help, every setting an option, defaults that suit the models, what there was once."""

from __future__ import annotations

import pytest

from region_core.cli.job import CLIP_MODEL, CLIP_PRETRAINED, DINO_MODEL
from region_core.cli.options import OPTIONS, parse, settings_from
from region_core.demo.models import SUITED
from region_core.paint.diffusers_painter import DEFAULT_MODEL
from region_core.settings import PRESETS, SETTINGS, EditSettings

from .played import arguments, python


@pytest.mark.parametrize("command", [[], ["demo"], ["find"], ["edit"], ["batch"]])
def test_help_is_quick_and_needs_no_torch(command: list[str]) -> None:
    code = (
        "import sys\nfrom region_core.cli.main import main\n"
        f"assert main({[*command, '--help']}) == 0\n"
        "assert 'torch' not in sys.modules"
    )
    ran = python("-c", code)
    assert ran.returncode == 0, ran.stderr
    assert "Usage: python -m region_core" in ran.stdout


def test_the_core_needs_neither_comfyui_nor_diffusers() -> None:
    code = (
        "import sys\nfrom region_core import edit_image, EditSettings\n"
        "import region_core.cli.main\n"
        "named = {'diffusers', 'comfy', 'folder_paths'} & set(sys.modules)\n"
        "assert not named, named"
    )
    ran = python("-c", code)
    assert ran.returncode == 0, ran.stderr


def test_the_help_names_the_models_that_are_taken_by_default() -> None:
    taken = {"clip_model": CLIP_MODEL, "clip_pretrained": CLIP_PRETRAINED, "dino_model": DINO_MODEL}
    for name, model in {**taken, "diffusion_model_path": DEFAULT_MODEL}.items():
        assert OPTIONS[name]["show_default"] == model


def settings(*more: str) -> EditSettings:
    asked = parse(arguments(*more))
    assert asked is not None
    return settings_from(asked)


def test_every_setting_is_an_option_and_changes_only_itself() -> None:
    for name, one in SETTINGS.items():
        if one.option:
            want = one.choices[1] if one.choices else {int: 1, float: 0.5, bool: not one.default}[one.kind]
            given = [f"--{name}", str(want)] if one.kind is not bool else [f"--{'' if want else 'no-'}{name}"]
            expected = PRESETS["quality"].with_values(**{**SUITED, name: want})
            assert settings("--preset", "quality", *given) == expected


def test_what_suits_the_embedded_model_gives_way_to_what_was_said() -> None:
    assert settings().paint.guidance_scale == 3.0
    assert settings("--grow", "4").paint.grow == 4
    assert settings("--guidance_scale", "5").paint.guidance_scale == 5.0
    assert settings("--diffusion_model_path", "owner/name").paint.guidance_scale == 7.5


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--finalists", "3"], "--finalists is called --num_regions now.\n"),
        (["--previews", "never"], "--previews does nothing any more; leave it out.\n"),
        (["--noise_samples", "2"], "--noise_samples does nothing any more; leave it out.\n"),
        (["--no-refine"], "--refine does nothing any more; leave it out.\n"),
        (["--epochs", "2"], "--epochs does nothing for one picture; a list is edited by the command batch.\n"),
        (["--no-pin_mem"], "--pin_mem does nothing any more; leave it out.\n"),
        (["--lr", "0.1"], "--lr does nothing in preset standard.\n"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_what_there_was_once_is_read_and_told_of(
    more: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = settings(*more)
    assert capsys.readouterr().err == says
    assert found.paint.num_regions == (3 if "--finalists" in more else 1)
