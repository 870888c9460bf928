"""The parser: quick help, every setting an option, defaults that suit the models."""

from __future__ import annotations

import json
from dataclasses import fields
from importlib.resources import files

import pytest

from region_core.cli.job import CLIP_MODEL, CLIP_PRETRAINED, DINO_MODEL
from region_core.cli.parser import build_parser, settings_from
from region_core.demo.models import SUITED
from region_core.paint.diffusers_painter import DEFAULT_MODEL
from region_core.settings import PRESETS, SETTINGS, SearchSettings

from .played import arguments, python


@pytest.mark.parametrize("command", [[], ["demo"], ["edit"]])
def test_help_is_quick_and_needs_no_torch(command: list[str]) -> None:
    code = (
        "import sys\nfrom region_core.cli.main import main\n"
        f"try: main({[*command, '--help']})\nexcept SystemExit as end: assert not end.code\n"
        "assert 'torch' not in sys.modules"
    )
    ran = python("-c", code)
    assert ran.returncode == 0, ran.stderr
    assert "usage: python -m region_core" in ran.stdout


def test_the_core_needs_neither_comfyui_nor_diffusers() -> None:
    code = (
        "import sys\nfrom region_core import edit_image, SearchSettings\n"
        "import region_core.cli.main\n"
        "named = {'diffusers', 'comfy', 'folder_paths'} & set(sys.modules)\n"
        "assert not named, named"
    )
    ran = python("-c", code)
    assert ran.returncode == 0, ran.stderr


def test_the_help_names_the_models_that_are_taken_by_default() -> None:
    texts = json.loads(files("region_core.cli").joinpath("options.json").read_text(encoding="utf-8"))["options"]
    taken = {"clip_model": CLIP_MODEL, "clip_pretrained": CLIP_PRETRAINED, "dino_model": DINO_MODEL}
    for name, model in {**taken, "diffusion_model_path": DEFAULT_MODEL}.items():
        assert f"(default: {model})" in texts[name]["help"]


def test_every_setting_is_an_option_and_changes_only_itself() -> None:
    for field in fields(SearchSettings):
        default = field.default
        if isinstance(default, bool):
            given, want = [f"--no-{field.name}" if default else f"--{field.name}"], not default
        elif isinstance(default, str):
            if not SETTINGS[field.name].option:
                continue
            want = SETTINGS[field.name].choices[1]
            given = [f"--{field.name}", want]
        else:
            want = 1 if isinstance(default, int) else 0.5
            given = [f"--{field.name}", str(want)]
        look = ["--preview_steps", "1"] if field.name == "steps" else []
        args = build_parser().parse_args(arguments("--preset", "quality", *given, *look))
        expected = PRESETS["quality"].with_values(**{**SUITED, field.name: want})
        assert settings_from(args) == (expected.with_values(preview_steps=1) if look else expected)


def test_what_suits_the_embedded_model_gives_way_to_what_was_said() -> None:
    def settings(*more: str):
        args = build_parser().parse_args(
            [
                "edit",
                "--image_file_path",
                "a.png",
                "--image_caption",
                "a",
                "--editing_prompt",
                "b",
                "--output_dir",
                "o",
                *more,
            ]
        )
        found = settings_from(args)
        return found.guidance_scale, found.grow

    assert settings() == (7.5, 0)
    assert settings("--models", "shapes") == (3.0, 0)
    assert settings("--models", "shapes", "--grow", "4") == (3.0, 4)  # pixels, as once
    assert settings("--models", "shapes", "--guidance_scale", "5") == (5.0, 0)
    assert settings("--models", "shapes", "--diffusion_model_path", "owner/name") == (7.5, 0)
