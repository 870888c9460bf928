"""Bad input is one sentence and exit code 2, before a model is loaded or a file is touched."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from region_core.checks import check_inpainting_model
from region_core.cli import main as cli
from region_core.cli.job import choose_device
from region_core.demo.scenes import make_scene
from region_core.errors import InputError

from .played import NoEngine, arguments, python


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
        (["--preset", "paper", "--loss_alpha", "0", "--loss_beta", "0", "--loss_gamma", "0"], "loss_gamma are all 0"),
        (["--seed", "-1"], "seed is -1"),
        (["--seed", "many"], "'many'"),
        (["--learning", "fast"], "learning is 'fast'"),
        (["--preset", "best"], "fast, standard, quality"),
        (["--pre", "fast"], "--pre"),
        (["--models", "large"], "models is 'large'"),
        (["--device", "abacus"], "device is 'abacus'"),
        (["--device", "hpu"], "device is 'hpu'"),
        (["--device", "privateuseone"], "device is 'privateuseone'"),
        (["--device", "mkldnn"], "device is 'mkldnn'"),
        (["--device", "meta"], "device is 'meta'"),
        (["--steps=--"], "'--' is not a valid integer"),
        (["--load_checkpoint_path", ""], "load_checkpoint_path is empty"),
        (["--image_caption", "\u200b"], "image_caption is empty"),
        (["--editing_prompt", "\x01"], "editing_prompt is empty"),
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
        (["--save_path", "saved", "--preset", "paper", "--learning", "off"], "learning is off"),
        (["--save_path", "saved", "--preset", "paper", "--generator_steps", "0"], "generator_steps is 0"),
        (["--save_path", "saved"], "give --preset paper"),
        (["--pick", "0"], "pick is 0"),
        (["--seed", str(2**64)], "seed is 18446744073709551616; it must be from 0 to 18446744073709551615"),
        (["--no-such"], "No such option"),
        (["more"], "unexpected extra argument"),
        (["--output_dir", "file/out"], "is a file"),
        (["--output_dir", "a\0b"], r"'a\x00b' has half of a character or a NUL in it"),
        (["--output_dir", "a\ud800b"], r"'a\ud800b' has half of a character"),
        (["--save_path", "a\0b"], "a NUL in it"),
        (["--save_path", "a\ud800b"], "half of a character"),
        (["--image_file_path", "~a\0b"], "a NUL in it"),
        (["--image_file_path", "a\ud800b"], "half of a character"),
        (["--dino_model", "./a\0b"], "a NUL in it"),
        (["--load_checkpoint_path", "a\ud800b"], "half of a character"),
    ],
    ids=lambda value: ascii("=".join(value)) if isinstance(value, list) else "",
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
    assert ran.stderr.startswith("error: the inpainting model 'nobody/nothing' is not on this disk")
    assert not (tmp_path / "out").exists()


def test_a_folder_name_that_is_too_long_is_one_sentence(capsys) -> None:
    code = cli.main(["demo", "--output_dir", "x" * 300])
    assert code == 2
    assert "output_dir" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to"), "device is 'cpu', whose memory is full"),
        (RuntimeError("no kernel image"), "which cannot be used here"),
    ],
)
def test_a_device_that_is_full_is_told_from_one_that_is_not_there(
    monkeypatch: pytest.MonkeyPatch, error: Exception, says: str
) -> None:
    def fail(*_args: object, **_more: object) -> None:
        raise error

    monkeypatch.setattr(torch, "zeros", fail)
    with pytest.raises(InputError, match=says) as caught:
        choose_device("cpu")
    assert caught.value.__cause__ is error
