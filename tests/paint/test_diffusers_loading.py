"""Inpainting pipelines as people have them on disk."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from region_core.demo.models import WEIGHTS
from region_core.errors import InputError
from region_core.paint.diffusers_loading import load_pipeline

ROOT = Path(__file__).parents[2]
PARTS = {
    "model.diffusion_model.input_blocks.0.0.weight": torch.zeros(320, 9, 3, 3),
    "first_stage_model.encoder.conv_in.weight": torch.zeros(128, 3, 3, 3),
    "cond_stage_model.transformer.text_model.embeddings.position_ids": torch.zeros(1, 77),
}


def said(script: str, **settings: str) -> str:
    """What a process of its own prints: settings of the network are read when libraries are imported."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert done.stderr == ""
    return done.stdout


LOAD = """
import sys
{before}
from region_core.errors import InputError
from region_core.paint.diffusers_loading import load_pipeline
try:
    load_pipeline({path!r})
except InputError as error:
    print(error)
"""


def test_a_missing_model_is_named():
    with pytest.raises(InputError, match="no such file or folder"):
        load_pipeline("./nowhere/at-all")


@pytest.mark.parametrize("parts", [("unet", "vae", "text_encoder"), ("unet",), ("vae",)])
def test_a_folder_with_half_precision_weights_alone_is_loaded(pipe, tmp_path, parts):
    folder = tmp_path / "model"
    shutil.copytree(WEIGHTS / "inpaint", folder)
    for part in parts:
        for path in (folder / part).glob("*.safetensors"):
            halves = {name: value.half() for name, value in load_file(path).items()}
            path.unlink()
            save_file(halves, path.with_name(f"{path.stem}.fp16.safetensors"), metadata={"format": "pt"})
    loaded = load_pipeline(folder)
    for part in ("unet", "vae", "text_encoder"):
        ours, theirs = getattr(loaded, part).state_dict(), getattr(pipe, part).state_dict()
        for name in theirs:
            torch.testing.assert_close(ours[name], theirs[name], atol=1e-3, rtol=1e-3)


def test_a_folder_with_bin_files_alone_is_loaded_and_nothing_said(tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(WEIGHTS / "inpaint", folder)
    for path in folder.glob("*/*.safetensors"):
        name = "pytorch_model.bin" if path.stem == "model" else f"{path.stem}.bin"  # as the libraries call theirs
        torch.save(load_file(path), path.with_name(name))
        path.unlink()
    assert said(LOAD.format(path=str(folder), before="")) == ""


@pytest.mark.parametrize(
    "part", ["unet", "vae/config.json", "text_encoder/config.json", "scheduler/scheduler_config.json", "tokenizer"]
)
def test_a_folder_that_lacks_a_part_is_told_which(tmp_path, part):
    folder = tmp_path / "model"
    shutil.copytree(WEIGHTS / "inpaint", folder)
    (folder / part).rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=rf"model/{part}.*' is not there, which model_index.json asks for; download"):
        load_pipeline(folder)


def test_a_tokenizer_that_knows_no_words_is_told(tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(WEIGHTS / "inpaint", folder)
    for name in ("vocab.json", "merges.txt", "tokenizer.json"):
        (folder / "tokenizer" / name).unlink()
    with pytest.raises(InputError, match="comes without its tokenizer; put vocab.json and merges.txt into"):
        load_pipeline(folder)


def test_a_folder_above_a_pipeline_is_told_where_it_is(tmp_path):
    inside = tmp_path / "models--of--somebody" / "snapshots" / "0123"
    shutil.copytree(WEIGHTS / "inpaint", inside)
    with pytest.raises(InputError, match=f"without model_index.json.*; give the folder of one, such as '{inside}'"):
        load_pipeline(inside.parents[1])


def test_a_single_file_without_a_network_is_told_why_and_what_to_give(tmp_path):
    path = tmp_path / "sd-v1-5-inpainting.safetensors"
    save_file(PARTS, path)
    settings = {"HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    line = said(LOAD.format(path=str(path), before=""), **settings)
    assert "settings of its parts" in line
    assert "HF_HUB_OFFLINE forbids" in line
    assert "give the model as a diffusers folder" in line
    assert len(line.splitlines()) == 1


@pytest.mark.parametrize(("lacking", "says"), [(1, "no VAE"), (2, "no text encoder")])
def test_a_single_file_that_lacks_a_part_is_told_which(tmp_path, lacking, says):
    path = tmp_path / "unet.safetensors"
    save_file({name: value for n, (name, value) in enumerate(PARTS.items()) if n != lacking}, path)
    with pytest.raises(InputError, match=rf"holds {says}; give a file with all parts"):
        load_pipeline(path)


def test_without_diffusers_it_is_said_how_to_get_it():
    line = said(LOAD.format(path=str(WEIGHTS / "inpaint"), before="sys.modules['diffusers'] = None"))
    assert "needs diffusers" in line
    assert 'pip install "diffusers>=0.32"' in line


def test_encoders_load_without_diffusers():
    script = (
        "import sys; sys.modules['diffusers'] = None\n"
        "from region_core.demo.models import CLIP, DINO\n"
        "from region_core.encoders import load_clip, load_dino\n"
        "print(load_dino(DINO).feature_dim > 0, load_clip(*CLIP).image_size > 0)"
    )
    assert said(script) == "True True\n"


def test_the_painter_of_the_demo_knows_an_as_it_knows_a(models) -> None:
    """It was taught "a orange square"; whoever writes "an" asks for the same."""
    tokens = [models.pipe.tokenizer(f"{article} orange square").input_ids for article in ("a", "an")]
    assert tokens[0] == tokens[1]
    for name in ("vocab.json", "merges.txt"):  # ComfyUI reads a copy of its own
        assert (WEIGHTS / "tokenizer" / name).read_text() == (WEIGHTS / "inpaint/tokenizer" / name).read_text()
