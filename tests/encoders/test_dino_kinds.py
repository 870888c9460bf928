"""DINO of each generation and layout: the same two answers, a grid that follows the model's patch."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import timm
import torch
import transformers as hf
from safetensors.torch import load_file, save_file

from region_core.encoders import DinoEncoder, load_dino
from region_core.errors import InputError

from .tiny import normalised, pictures, tiny_vit

SIZES = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3}
REGISTERS = {"num_register_tokens": 4}
KINDS = {  # model, patch, tokens before the patches
    "dino": (lambda: hf.ViTModel(hf.ViTConfig(**SIZES, image_size=32, patch_size=8)), 8, 1),
    "dinov2": (lambda: hf.Dinov2Model(hf.Dinov2Config(**SIZES, image_size=56, patch_size=14)), 14, 1),
    "dinov2 with registers": (
        lambda: hf.Dinov2WithRegistersModel(
            hf.Dinov2WithRegistersConfig(**SIZES, **REGISTERS, image_size=56, patch_size=14)
        ),
        14,
        5,
    ),
    "dinov3": (
        lambda: hf.DINOv3ViTModel(hf.DINOv3ViTConfig(**SIZES, **REGISTERS, image_size=64, patch_size=16)),
        16,
        5,
    ),
}


def made(kind: str) -> torch.nn.Module:
    if kind.startswith("dinov3") and not hasattr(hf, "DINOv3ViTModel"):
        pytest.skip("this transformers has no DINOv3")
    torch.manual_seed(0)
    model = KINDS[kind][0]().eval()
    for name, value in model.named_parameters():  # the default init is too timid to tell places apart
        if value.ndim > 1 and "token" not in name:
            torch.nn.init.normal_(value, std=0.3)
    return model


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_loaded_and_answers_in_a_grid_of_its_patches(kind: str, tmp_path: Path) -> None:
    model, patch, prefix = made(kind), *KINDS[kind][1:]
    model.save_pretrained(tmp_path)
    encoder = load_dino(tmp_path, image_size=4 * patch)
    assert (encoder.patch_size, encoder.feature_dim, load_dino(tmp_path).image_size) == (patch, 24, 32 * patch)
    assert encoder.grid(50, 200) == (2, 8)
    images = pictures(2, 4 * patch, 4 * patch)
    found = encoder(images)
    assert found.features.shape == (2, 24, 4, 4)
    assert found.attention.shape == (2, 4, 4)
    DinoEncoder(model)  # so that it shows its attention
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    with torch.no_grad():
        out = model(pixel_values=normalised(images, mean, std), output_attentions=True)
    for row, column in [(0, 0), (1, 2), (3, 3)]:
        token = prefix + row * 4 + column
        torch.testing.assert_close(found.features[..., row, column], out.last_hidden_state[:, token])
        torch.testing.assert_close(found.attention[:, row, column], out.attentions[-1][:, :, 0, token].mean(dim=1))


@pytest.mark.parametrize("kind", KINDS)
def test_a_change_shows_where_it_is(kind: str) -> None:
    encoder = DinoEncoder(made(kind), 6 * KINDS[kind][1])
    picture = torch.full((1, 3, 200, 300), 0.5)
    changed = picture.clone()
    changed[..., 170:200, 0:40] = torch.rand(3, 30, 40)
    change = (encoder(changed).features - encoder(picture).features).norm(dim=1)[0]
    row, column = divmod(int(change.argmax()), change.shape[1])
    assert (row, column) == (change.shape[0] - 1, 0)


def as_timm(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Weights of transformers' ViTModel under timm's names."""
    ours = {
        "cls_token": state["embeddings.cls_token"],
        "pos_embed": state["embeddings.position_embeddings"],
        **{f"patch_embed.proj.{w}": state[f"embeddings.patch_embeddings.projection.{w}"] for w in ("weight", "bias")},
        **{f"norm.{w}": state[f"layernorm.{w}"] for w in ("weight", "bias")},
    }
    names = {
        "norm1": "layernorm_before",
        "attn.proj": "attention.output.dense",
        "norm2": "layernorm_after",
        "mlp.fc1": "intermediate.dense",
        "mlp.fc2": "output.dense",
    }
    for n in range(2):
        theirs = f"encoder.layer.{n}"
        for w in ("weight", "bias"):
            ours |= {
                f"blocks.{n}.{name}.{w}": state[f"{theirs}.{name_there}.{w}"] for name, name_there in names.items()
            }
            parts = [state[f"{theirs}.attention.attention.{part}.{w}"] for part in ("query", "key", "value")]
            ours[f"blocks.{n}.attn.qkv.{w}"] = torch.cat(parts)
    return {name: value.contiguous() for name, value in ours.items()}


def test_timms_layout_answers_as_hugging_faces(tmp_path: Path) -> None:
    model = tiny_vit()
    model.save_pretrained(tmp_path / "hf")
    folder = tmp_path / "timm"
    folder.mkdir()
    save_file(as_timm(load_file(tmp_path / "hf" / "model.safetensors")), folder / "model.safetensors")
    sizes = {"img_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 2, "num_heads": 3, "mlp_ratio": 32 / 24}
    config = {"architecture": "vit_tiny_patch16_224", "num_classes": 0, "model_args": sizes}
    (folder / "config.json").write_text(json.dumps(config))
    images = pictures(2, 32, 32)
    ours, theirs = load_dino(folder, image_size=32)(images), DinoEncoder(model, 32)(images)
    torch.testing.assert_close(ours.features, theirs.features, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(ours.attention, theirs.attention, atol=1e-5, rtol=1e-4)
    assert load_dino(folder).grid(100, 100) == (32, 32)


@pytest.mark.parametrize(
    ("name", "wanted", "says"),
    [
        ("resnet10t", "resnet10t", "timm model 'resnet10t' .* could not be loaded"),
        ("test_vit", "vit_tiny_patch16_224", "lacks .* of the weights|could not be loaded"),
    ],
)
def test_what_is_no_dino_in_timms_layout_is_told(tmp_path: Path, name: str, wanted: str, says: str) -> None:
    save_file(timm.create_model(name).state_dict(), tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({"architecture": wanted}))
    with pytest.raises(InputError, match=says):
        load_dino(tmp_path)


def test_weights_of_another_size_are_named(tmp_path: Path) -> None:
    made("dinov2").save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"patch_size": 7, "image_size": 28}))
    with pytest.raises(InputError, match=r"another size than its config.json says \(embeddings") as caught:
        load_dino(tmp_path)
    assert "report" not in str(caught.value)


@pytest.mark.parametrize("named", [".", "model.fp16.safetensors"])
def test_a_folder_with_halves_alone_is_loaded_also_by_its_file(tmp_path: Path, named: str) -> None:
    model = made("dinov2").half()
    model.save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "model.fp16.safetensors")
    found, expected = load_dino(tmp_path / named, image_size=56), DinoEncoder(model.float(), 56)
    torch.testing.assert_close(found(pictures(1, 56, 56)).features, expected(pictures(1, 56, 56)).features)


@pytest.mark.parametrize(
    ("name", "says"),
    [("dino_vitbase8_pretrain.pth", "is one file"), ("nowhere/at/all", "neither a folder"), ("dino_vitb8", "neither")],
)
def test_what_is_no_folder_is_told_before_the_hub_is_asked(tmp_path: Path, name: str, says: str) -> None:
    torch.save({}, tmp_path / "dino_vitbase8_pretrain.pth")
    with pytest.raises(InputError, match=f"{says}.*; pass a folder with config.json and model.safetensors"):
        load_dino(tmp_path / name if name.endswith("pth") else name)


def test_a_model_of_another_kind_is_told_its_kind(tmp_path: Path) -> None:
    config = {"model_type": "clip", "hidden_size": 3}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=r"is of the kind 'clip', none of DINO's; pass a DINO, DINOv2 or DINOv3"):
        load_dino(tmp_path)
