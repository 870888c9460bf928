"""The command line: bad input is one sentence and exit code 2, results are whole, Ctrl-C keeps some."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from benchmark import __main__ as shapes_cli
from region_core.checks import check_inpainting_model
from region_core.cli import main as cli
from region_core.cli.engine import Engine
from region_core.cli.parser import build_parser, given_settings, settings_from, suited
from region_core.demo.models import SUITED
from region_core.demo.scenes import make_edit, make_scene
from region_core.demo.worlds import held_out
from region_core.edit import Candidate, EditResult
from region_core.encoders.loading import Models
from region_core.errors import InputError
from region_core.events import Event
from region_core.settings import PRESETS, SETTINGS, SearchSettings

ROOT = Path(__file__).resolve().parents[2]


def python(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *args], cwd=ROOT, capture_output=True, text=True, check=False)


class NoEngine(Engine):
    """No test with it may get as far as loading a model."""

    def load(self, choice: Any, max_window_size: int) -> Models:
        raise AssertionError("models were loaded before the input was checked")


class Played(NoEngine):
    """Models and method played by others; `edit` gets the picture and what `edit_image` gets by name."""

    def __init__(self, edit: Callable[..., EditResult]) -> None:
        self.play = edit

    def load(self, choice: Any, max_window_size: int) -> Models:
        return Models(None, None, None)  # type: ignore[arg-type]

    def inpainter(self, models: Models, prompt: str, negative_prompt: str) -> Any:
        return SimpleNamespace(evaluations=8, prompt=prompt, negative_prompt=negative_prompt)

    def edit(self, models: Models, image: Any, caption: str, prompt: str, **options: Any) -> EditResult:
        return self.play(image, **options)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with good and bad files."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(make_scene(1).image).save("good.png")
    Path("cut.png").write_bytes(Path("good.png").read_bytes()[:2000])
    Path("text.png").write_text("no picture")
    Image.new("RGB", (31, 200)).save("small.png")
    Path("file").write_text("")
    Path("plain").mkdir()
    unet = Path("four/unet")
    unet.mkdir(parents=True)
    Path("four/model_index.json").write_text("{}")
    (unet / "config.json").write_text('{"in_channels": 4}')
    Path("out").mkdir()
    Path("out/edited.png").write_text("kept")
    return tmp_path


def arguments(*more: str) -> list[str]:
    return [
        "edit",
        "--image_file_path",
        "good.png",
        "--image_caption",
        "a red circle",
        "--editing_prompt",
        "a blue square",
        "--output_dir",
        "out",
        "--models",
        "shapes",
        *more,
    ]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--image_file_path", "none.png"], "none.png"),
        (["--image_file_path", "plain"], "folder"),
        (["--image_file_path", "text.png"], "not an image"),
        (["--image_file_path", "cut.png"], "cut short"),
        (["--image_file_path", "small.png"], "at least 32"),
        (["--editing_prompt", " "], "editing_prompt is empty"),
        (["--image_caption", ""], "image_caption is empty"),
        (["--editing_prompt", "A  red circle"], "not there yet"),
        (["--steps", "-3"], "steps is -3"),
        (["--per_image_iteration", "0"], "per_image_iteration is 0"),
        (["--max_window_size", "0"], "max_window_size is 0"),
        (["--point_number", "-1"], "point_number is -1"),
        (["--lr", "0"], "lr is 0"),
        (["--lr", "nan"], "lr is nan"),
        (["--loss_alpha", "-1"], "loss_alpha is -1"),
        (["--seed", "-1"], "seed is -1"),
        (["--seed", "many"], "'many'"),
        (["--learning", "fast"], "learning is 'fast'"),
        (["--preset", "best"], "fast, standard, quality"),
        (["--pre", "fast"], "--pre"),
        (["--models", "large"], "models is 'large'"),
        (["--device", "abacus"], "device is 'abacus'"),
        (["--dtype", "int4"], "dtype is 'int4'"),
        (["--diffusion_model_path", "./none"], "no such file or folder"),
        (["--diffusion_model_path", "none"], "no such file or folder"),
        (["--diffusion_model_path", "plain"], "model_index.json"),
        (["--diffusion_model_path", "four"], "4 input channels"),
        (["--diffusion_model_path", "file"], ".safetensors"),
        (["--dino_model", "./none"], "dino_model is './none'"),
        (["--clip_model", "local-dir:none"], "clip_model is 'none'"),
        (["--clip_pretrained", "./none.pt"], "clip_pretrained is './none.pt'"),
        (["--load_checkpoint_path", "none"], "no checkpoint 'none'"),
        (["--load_checkpoint_path", "file"], "'file'"),
        (["--save_path", "file/a.safetensors"], "save_path is 'file'"),
        (["--save_path", "saved", "--learning", "off"], "learning is off"),
        (["--output_dir", "file/out"], "is a file"),
    ],
    ids=lambda value: "=".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_one_sentence_and_changes_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str], more: list[str], says: str
) -> None:
    before = sorted(folder.rglob("*"))
    assert cli.main(arguments(*more), NoEngine()) == 2
    out, err = capsys.readouterr()
    assert not out
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert says in err
    assert Path("out/edited.png").read_text() == "kept"
    assert sorted(folder.rglob("*")) == before


@pytest.mark.usefixtures("folder")
def test_an_output_folder_that_cannot_be_written_to(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(**_options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refused)  # the tests may run as root
    assert cli.main(arguments(), NoEngine()) == 2
    assert "output_dir is 'out', which cannot be written to" in capsys.readouterr().err


@pytest.mark.usefixtures("folder")
def test_a_result_never_replaces_the_picture_that_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    Path("good.png").rename("edited.png")
    before = Path("edited.png").read_bytes()
    assert cli.main(arguments("--image_file_path", "edited.png", "--output_dir", "."), NoEngine()) == 2
    assert "another output_dir" in capsys.readouterr().err
    assert Path("edited.png").read_bytes() == before


def test_a_single_file_model_is_judged_by_its_header(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    file, key = tmp_path / "model.safetensors", "model.diffusion_model.input_blocks.0.0.weight"
    save_file({key: torch.zeros(2, 9, 3, 3)}, file)
    check_inpainting_model("model", str(file))
    save_file({key: torch.zeros(2, 4, 3, 3)}, file)
    with pytest.raises(InputError, match="takes 4 input channels"):
        check_inpainting_model("model", str(file))
    save_file({"other": torch.zeros(1)}, file)
    with pytest.raises(InputError, match="not a Stable Diffusion"):
        check_inpainting_model("model", str(file))


def test_a_hub_id_without_a_network_is_one_sentence(tmp_path: Path) -> None:
    Image.fromarray(make_scene(1).image).save(tmp_path / "good.png")
    code = (
        "import os, sys; os.environ['HF_HUB_OFFLINE'] = '1'; "
        "from region_core.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    ran = python(
        "-c",
        code,
        *arguments(
            "--image_file_path",
            str(tmp_path / "good.png"),
            "--output_dir",
            str(tmp_path / "out"),
            "--diffusion_model_path",
            "nobody/nothing",
        ),
    )
    assert ran.returncode == 2, ran.stderr
    assert ran.stderr.count("\n") == 1
    assert ran.stderr.startswith("error: inpainting model 'nobody/nothing' could not be loaded")
    assert not (tmp_path / "out").exists()


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
        expected = PRESETS["quality"].with_values(**{field.name: want})
        assert settings_from(args) == (expected.with_values(preview_steps=1) if look else expected)


def result_of(image: object, on_event: object, settings: SearchSettings) -> EditResult:
    rgb = torch.from_numpy(np.asarray(image)[..., :3] / 255).permute(2, 0, 1)[None].float()
    alpha = torch.full_like(rgb[:, :1], 0.4)
    mask = torch.zeros_like(alpha)
    mask[..., 10:30, 20:50] = 1
    edited = torch.where(mask > 0, torch.zeros_like(rgb), rgb)
    box = (20, 10, 50, 30)
    for done in (1, 2):
        on_event(Event("look", done, 2, torch.tensor([box]).float(), edited, 0.5, 0.7))  # type: ignore[operator]
    return EditResult(
        edited,
        alpha,
        mask,
        box,
        "edited",
        0.7,
        float("nan"),
        [Candidate(edited, box, 0.7)],
        [{"round": 0, "loss": 0.5, "best": 0.5}],
        12,
        0.1,
        torch.tensor([box]).float(),
        mask,
        settings,
        settings.seed,
    )


def fake(image: object, *, settings: SearchSettings, on_event: object, **_rest: object) -> EditResult:
    return result_of(image, on_event, settings)


@pytest.mark.usefixtures("folder")
def test_all_results_are_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(arguments("--draw_box", "--seed", "3"), Played(fake)) == 0
    out, err = capsys.readouterr()
    assert "edited" in out
    assert "loss 0.500, best score 0.700" in err
    found = {str(p.relative_to("out")) for p in Path("out").rglob("*") if p.is_file()}
    assert found == {"edited.png", "region.png", "candidates.png", "loss.png", "report.json", "boxes/good.png"}
    edited, region = np.asarray(Image.open("out/edited.png")), np.asarray(Image.open("out/region.png"))
    source = np.asarray(Image.open("good.png"))
    assert edited.shape == (128, 128, 4)
    assert region.shape == (128, 128)
    assert (edited[..., 3] == 102).all()
    assert (edited[region == 0, :3] == source[region == 0]).all()
    assert (edited[region == 255, :3] == 0).all()
    report = json.loads(Path("out/report.json").read_text())
    assert report["box"] == [20, 10, 50, 30]
    assert report["source_score"] is None  # NaN is no JSON
    assert report["settings"]["seed"] == report["seed"] == 3
    assert {"verdict", "score", "versions", "rounds", "unet_evaluations", "seconds"} <= set(report)
    assert report["versions"]["region_core"]


@pytest.mark.usefixtures("folder")
def test_the_boxes_are_drawn_only_when_asked_for() -> None:
    assert cli.main(arguments("--quiet"), Played(fake)) == 0
    assert not Path("out/boxes").exists()


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("looks", [0, 2])
def test_ctrl_c_leaves_the_best_so_far(looks: int, capsys: pytest.CaptureFixture[str]) -> None:
    best = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(0))

    def stopped(_image: object, *, on_event: object, **_rest: object) -> EditResult:
        for done in range(looks):
            on_event(
                Event(
                    "look",
                    done,
                    9,
                    torch.zeros(1, 4),
                    best,
                    0.5,
                    0.7,  # type: ignore[operator]
                    torch.tensor([1.0, 2, 30, 40]),
                    {"round": done, "loss": 0.5},
                )
            )
        raise KeyboardInterrupt

    Path("out/region.png").write_text("of an earlier run")
    assert cli.main(arguments("--quiet"), Played(stopped)) == 130
    assert "Stopped" in capsys.readouterr().err
    if looks:
        edited = np.asarray(Image.open("out/edited.png"))
        want = (best[0].permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
        assert (edited == want).all()
        report = json.loads(Path("out/report.json").read_text())
        assert (report["verdict"], report["box"], report["score"]) == ("stopped", [1, 2, 30, 40], None)
        assert [one["round"] for one in report["rounds"]] == [0, 1]
        assert report["unet_evaluations"] == 8
        assert np.asarray(Image.open("out/loss.png")).shape == (400, 640, 3)
        assert not Path("out/region.png").exists()
    else:
        assert Path("out/edited.png").read_text() == "kept"
        assert Path("out/region.png").read_text() == "of an earlier run"


@pytest.mark.usefixtures("folder")
def test_the_inpainter_is_given_the_prompt_and_not_the_files_name() -> None:
    given = []

    def seen(
        image: object, *, inpainter: Any, settings: SearchSettings, on_event: object, **_rest: object
    ) -> EditResult:
        given.append((inpainter.prompt, inpainter.negative_prompt))
        return result_of(image, on_event, settings)

    asked = arguments("--negative_prompt", "grey")
    assert cli.main(asked, Played(seen)) == 0
    assert given == [("a blue square", "grey")]


def test_a_real_edit_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The whole way with the embedded models and as little work as there can be."""
    scene, wish = held_out(3, 0)
    picture = tmp_path / "scene.png"
    Image.fromarray(scene.image).save(picture)
    saved = tmp_path / "saved"
    little = [
        "--image_file_path",
        str(picture),
        "--image_caption",
        wish.caption,
        "--editing_prompt",
        wish.prompt,
        "--output_dir",
        str(tmp_path / "out"),
        "--preset",
        "fast",
        "--per_image_iteration",
        "2",
        "--steps",
        "3",
        "--preview_steps",
        "1",
        "--quiet",
    ]
    teach = [*little, "--save_path", str(saved), "--previews", "always"]
    assert cli.main(arguments(*teach)) == 0, capsys.readouterr().err
    assert (saved / "generator.safetensors").is_file()
    first = (tmp_path / "out" / "edited.png").read_bytes()
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["unet_evaluations"] > 0
    assert report["settings"]["guidance_scale"] == SUITED["guidance_scale"]
    assert [len(record["boxes"]) for record in report["rounds"]] == [1, 1]  # previews
    assert cli.main(arguments(*teach)) == 0
    assert (tmp_path / "out" / "edited.png").read_bytes() == first
    # from the folder that save_path named, and with no preview of its own
    assert cli.main(arguments(*little, "--load_checkpoint_path", str(saved), "--previews", "never")) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["rounds"] == []
    assert any(c["parts"]["learned"] != 0 for c in report["candidates"])
    assert report["stopped"] == "no previews by the settings"


def test_ctrl_c_after_half_of_a_real_edit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also where no preview is made there is a picture to keep by then."""
    scene, wish = held_out(3, 0)
    picture, out = tmp_path / "scene.png", tmp_path / "out"
    Image.fromarray(scene.image).save(picture)

    class Pressed(Engine):
        def edit(self, *asked: Any, on_event: Any, **options: Any) -> EditResult:
            def told(event: Event) -> None:
                on_event(event)
                if event.kind == "half":
                    raise KeyboardInterrupt

            return super().edit(*asked, on_event=told, **options)

    assert (
        cli.main(
            arguments(
                "--image_file_path",
                str(picture),
                "--image_caption",
                wish.caption,
                "--editing_prompt",
                wish.prompt,
                "--output_dir",
                str(out),
                "--steps",
                "4",
                "--previews",
                "never",
                "--quiet",
            ),
            Pressed(),
        )
        == 130
    )
    assert "2 of 3 stages" in capsys.readouterr().err
    report = json.loads((out / "report.json").read_text())
    assert report["verdict"] == "stopped"
    x0, y0, x1, y1 = report["box"]
    assert 0 <= x0 < x1 <= 128
    assert 0 <= y0 < y1 <= 128
    assert report["unet_evaluations"] == 2 * 2 * 2  # two regions, two of four steps, guidance
    assert report["score"] is None
    with Image.open(out / "edited.png") as edited:
        assert edited.size == (128, 128)
    assert (out / "loss.png").is_file()


def test_a_window_larger_than_the_grid(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "good.png"
    Image.fromarray(make_scene(1).image).save(picture)
    assert (
        cli.main(
            arguments(
                "--image_file_path", str(picture), "--max_window_size", "128", "--output_dir", str(tmp_path / "out")
            )
        )
        == 2
    )
    assert "max_window_size is 128" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


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
        ["bench", "--scenes", "1", "--seed", "1", "--methods", "magic"],
        ["bench", "--scenes", "1", "--seed", "1", "--methods", ","],
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
        found = suited(settings_from(args), args, given_settings(args))
        return found.guidance_scale, found.grow

    assert settings() == (7.5, 0)
    assert settings("--models", "shapes") == (3.0, 4)
    assert settings("--models", "shapes", "--grow", "0") == (3.0, 0)
    assert settings("--models", "shapes", "--guidance_scale", "3") == (3.0, 4)
    assert settings("--models", "shapes", "--guidance_scale", "5") == (5.0, 4)
    assert settings("--models", "shapes", "--diffusion_model_path", "owner/name") == (7.5, 0)


def test_a_folder_name_that_is_too_long_is_one_sentence(capsys) -> None:
    code = cli.main(["demo", "--output_dir", "x" * 300])
    assert code == 2
    assert "output_dir" in capsys.readouterr().err
