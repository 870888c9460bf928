"""Damaged model files: told by name before a library stumbles over them."""

from __future__ import annotations

import io
import json
import pickle
import shutil
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from region_core.checks import check_clip, check_dino, check_inpainting_model
from region_core.demo.models import WEIGHTS
from region_core.encoders import load_clip, load_dino
from region_core.errors import InputError
from region_core.paint.diffusers_painter import load_pipeline
from region_core.weights import check_folder, problem_with

PAGE = b"<!DOCTYPE html><html><body>Sign in to the network</body></html>"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 99\n"


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    save_file({"a": torch.arange(64.0), "b": torch.ones(3, 5)}, path)
    return path


def test_a_sound_file_has_no_problem(weights: Path, tmp_path: Path) -> None:
    assert problem_with(weights) == ""
    save_file({}, tmp_path / "none.safetensors")
    assert problem_with(tmp_path / "none.safetensors") == ""
    for file in WEIGHTS.rglob("*"):
        if file.is_file():
            assert problem_with(file) == "", file


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (lambda data: data[:-20], "is cut short"),
        (lambda data: data[:40], "is cut short"),
        (lambda data: data[:5], "is no safetensors file"),
        (lambda data: b"", "is empty"),
        (lambda data: data + b"more", "is damaged"),
        (lambda data: b"\xff" * 99, "is no safetensors file"),
        (lambda data: data[:9] + b"\xff" + data[10:], "is no safetensors file"),
        (lambda data: PAGE, "is a web page"),
        (lambda data: b"\xef\xbb\xbf \n" + PAGE, "is a web page"),
        (lambda data: POINTER, "is a pointer of Git LFS"),
        (lambda data: b"\x0a" + bytes(7) + b'{"a":{"":1}' + bytes(9), "is no safetensors file"),
    ],
)
def test_what_is_wrong_with_weights(weights: Path, made, says: str) -> None:
    weights.write_bytes(made(weights.read_bytes()))
    assert problem_with(weights).startswith(says)


def test_archives_and_json(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(9)}, tmp_path / "model.bin")
    assert problem_with(tmp_path / "model.bin") == ""
    whole = (tmp_path / "model.bin").read_bytes()
    (tmp_path / "model.bin").write_bytes(whole[:-30])
    assert problem_with(tmp_path / "model.bin") == "is cut short"
    (tmp_path / "config.json").write_text('{"hidden_size": 3')
    assert problem_with(tmp_path / "config.json").startswith("is not JSON")
    (tmp_path / "page.pt").write_bytes(PAGE)
    assert problem_with(tmp_path / "page.pt").startswith("is a web page")


def test_files_that_no_loader_would_take_are_not_looked_at(tmp_path: Path, weights: Path) -> None:
    for name in ("model.fp16.safetensors", "pytorch_model.bin", "flax_model.msgpack"):
        (tmp_path / name).write_bytes(PAGE)
    check_folder(tmp_path)
    weights.unlink()
    with pytest.raises(InputError, match=r"model\.fp16\.safetensors' is a web page"):
        check_folder(tmp_path)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    assert "cannot be read" in problem_with(tmp_path / "none.safetensors")


@pytest.fixture
def models(tmp_path: Path) -> Path:
    shutil.copytree(WEIGHTS, tmp_path / "weights")
    return tmp_path / "weights"


DAMAGED = [
    "inpaint/text_encoder/model.safetensors",
    "inpaint/unet/diffusion_pytorch_model.safetensors",
    "inpaint/vae/config.json",
    "inpaint/tokenizer/tokenizer_config.json",
    "dino/model.safetensors",
    "dino/config.json",
    "clip/open_clip_config.json",
    "clip/open_clip_model.safetensors",
]
LOADERS = {
    "inpaint": (lambda path: check_inpainting_model("diffusion_model_path", path), load_pipeline),
    "dino": (lambda path: check_dino(path), load_dino),
    "clip": (lambda path: check_clip(f"local-dir:{path}", ""), lambda path: load_clip(f"local-dir:{path}")),
}


@pytest.mark.parametrize("name", DAMAGED)
@pytest.mark.parametrize("how", ["cut", "page"])
def test_a_damaged_file_of_a_model_is_named_before_loading_and_by_the_loader(models: Path, name: str, how: str) -> None:
    file = models / name
    if not file.is_file():
        pytest.skip(f"the embedded models have no {name}")
    file.write_bytes(file.read_bytes()[:-20] if how == "cut" else PAGE)
    folder = name.split("/")[0]
    for load in LOADERS[folder]:
        with pytest.raises(InputError) as caught:
            load(str(models / folder))
        assert file.name in str(caught.value)
        assert len(str(caught.value).splitlines()) == 1


class Evil:
    ran: list[str] = []

    def __reduce__(self) -> tuple:
        return (Evil.ran.append, ("ran",))


@pytest.mark.parametrize("folder", ["dino", "clip", "inpaint/unet"])
def test_no_pickle_in_a_models_place_is_run(models: Path, folder: str) -> None:
    (weights,) = (models / folder).glob("*.safetensors")
    names = {
        "dino": "pytorch_model.bin",
        "clip": "open_clip_pytorch_model.bin",
        "inpaint/unet": "diffusion_pytorch_model.bin",
    }
    weights.unlink()
    body = io.BytesIO()
    torch.save({"weight": torch.ones(1)}, body)
    with zipfile.ZipFile(body) as old, zipfile.ZipFile(models / folder / names[folder], "w") as new:
        for entry in old.namelist():
            new.writestr(entry, pickle.dumps(Evil()) if entry.endswith("data.pkl") else old.read(entry))
    Evil.ran.clear()
    with pytest.raises(InputError):
        LOADERS[folder.split("/")[0]][1](str(models / folder.split("/")[0]))
    assert Evil.ran == []


def test_a_tilde_is_the_home_folder_in_every_name_of_a_model(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(models))
    monkeypatch.setenv("USERPROFILE", str(models))
    check_clip("local-dir:~/clip", "")
    for name in ("local-dir:~/clip", "~/clip"):
        assert load_clip(name).image_size
    (models / "page.safetensors").write_bytes(PAGE)
    with pytest.raises(InputError, match="page.safetensors' is a web page"):
        load_clip("ViT-B-16", "~/page.safetensors")


def in_cache(cache: Path, repository: str, folder: Path) -> Path:
    """A hub's cache that holds a folder's files as those of a repository."""
    place = cache / f"models--{repository.replace('/', '--')}"
    shutil.copytree(folder, place / "snapshots" / ("0" * 40))
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text("0" * 40)
    return place / "snapshots" / ("0" * 40)


@pytest.mark.parametrize(
    ("repository", "folder", "name", "load"),
    [
        ("a/dino", "dino", "model.safetensors", lambda cache: load_dino("a/dino", cache_dir=cache)),
        ("a/clip", "clip", "open_clip_model.safetensors", lambda cache: load_clip("hf-hub:a/clip", cache_dir=cache)),
        (
            "timm/vit_base_patch16_clip_224.openai",
            "clip",
            "open_clip_model.safetensors",
            lambda cache: load_clip("ViT-B-16", "openai", cache_dir=cache),
        ),
    ],
)
def test_a_page_in_the_hubs_cache_is_named(
    models: Path, monkeypatch: pytest.MonkeyPatch, repository: str, folder: str, name: str, load
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    kept = in_cache(models / "cache", repository, models / folder)
    (kept / name).write_bytes(PAGE)
    with pytest.raises(InputError, match=f"{kept / name}' is a web page, not a model's file; remove it"):
        load(str(models / "cache"))


def test_a_page_in_the_cache_of_an_inpainting_model_is_named(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("diffusers.pipelines.pipeline_utils.HF_HUB_OFFLINE", True, raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(models / "cache"))
    kept = in_cache(models / "cache", "a/inpaint", models / "inpaint")
    load_pipeline("a/inpaint")
    (kept / "vae" / "config.json").write_bytes(PAGE)
    with pytest.raises(InputError, match=r"vae/config.json' is a web page"):
        load_pipeline("a/inpaint")


EVIL = "import pathlib\npathlib.Path(__file__).with_suffix('.ran').touch()\nclass Evil: pass\n"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"unet": ["evil", "Evil"]}, "unet/evil.py"),
        ({"unet": ["diffusers", "UNet2DConditionModel"]}, "unet/diffusers.py"),
        ({"_class_name": ["evil", "Evil"]}, "evil.py"),
        ({"vae": ["diffusers", "DiffusionPipeline"]}, ""),
        ({"text_encoder": ["transformers", "AutoModel"]}, ""),
        ({"text_encoder": ["os", "system"]}, ""),
    ],
)
def test_no_code_in_a_pipelines_folder_is_run(models: Path, changed: dict, code: str) -> None:
    index = models / "inpaint" / "model_index.json"
    index.write_text(json.dumps(json.loads(index.read_text(encoding="utf-8")) | changed))
    if code:
        (models / "inpaint" / code).write_text(EVIL)
    for load in LOADERS["inpaint"]:
        with pytest.raises(InputError, match="model_index.json|is code"):
            load(str(models / "inpaint"))
    assert not list(models.rglob("*.ran"))


def test_no_code_of_a_clip_folders_tokenizer_is_run(models: Path) -> None:
    path = models / "clip" / "open_clip_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["model_cfg"]["text_cfg"] |= {"hf_tokenizer_name": "x", "tokenizer_kwargs": {"trust_remote_code": True}}
    path.write_text(json.dumps(config))
    auto = {"auto_map": {"AutoTokenizer": ["evil.Evil", None]}, "tokenizer_class": "Evil"}
    (models / "clip" / "tokenizer_config.json").write_text(json.dumps(auto))
    (models / "clip" / "tokenizer.json").unlink(missing_ok=True)
    (models / "clip" / "evil.py").write_text(EVIL.replace("__file__", repr(str(models / "evil"))))
    with pytest.raises(InputError):
        load_clip(f"local-dir:{models / 'clip'}")
    assert not list(models.rglob("*.ran"))


def test_the_embedded_tokenizer_is_there_for_older_libraries_too() -> None:
    """transformers 5 writes and reads tokenizer.json alone, version 4 wants the two others."""
    folder = WEIGHTS / "inpaint" / "tokenizer"
    newer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    assert json.loads((folder / "vocab.json").read_text(encoding="utf-8")) == newer["vocab"]
    merges = (folder / "merges.txt").read_text(encoding="utf-8").splitlines()[1:]
    assert [line.split() for line in merges if line] == [list(pair) for pair in newer["merges"]]


def test_the_embedded_weights_have_the_names_of_the_hub() -> None:
    """transformers 4 leaves what it does not know at random values, without an error."""
    dino = load_file(WEIGHTS / "dino" / "model.safetensors")
    assert {name.split(".")[0] for name in dino} == {"embeddings", "encoder", "layernorm"}
    text = load_file(WEIGHTS / "inpaint" / "text_encoder" / "model.safetensors")
    assert {name.split(".")[0] for name in text} == {"text_model"}


def test_a_text_encoder_left_at_random_is_told(models: Path) -> None:
    path = models / "inpaint" / "text_encoder" / "model.safetensors"
    save_file({f"odd.{name}": value for name, value in load_file(path).items()}, path)
    with pytest.raises(InputError, match="text_encoder/model.safetensors' names its weights in a way"):
        load_pipeline(models / "inpaint")


@pytest.mark.parametrize("content", [[], 3, None, {"in_channels": "nine"}])
def test_a_config_of_another_kind_is_one_sentence(models: Path, content: object) -> None:
    (models / "inpaint" / "unet" / "config.json").write_text(json.dumps(content))
    with pytest.raises(InputError):
        check_inpainting_model("diffusion_model_path", str(models / "inpaint"))
