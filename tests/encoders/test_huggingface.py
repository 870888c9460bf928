"""CLIP and SigLIP in Hugging Face's layout: the same numbers as open_clip's, or a sentence."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import timm
import torch
import transformers as hf
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg
from safetensors.torch import load_file, save_file

from benchmark.training.vocabulary import write_tokenizer
from region_core.demo.models import WEIGHTS
from region_core.encoders import ClipScorer, load_clip
from region_core.encoders.huggingface import HuggingFaceModel, HuggingFaceTokenizer
from region_core.errors import InputError

from .towers import PICTURE, WORDS, siglip, siglip2

TRUNK = {"ln_1": "layer_norm1", "ln_2": "layer_norm2", "mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2"}


def as_open_clip(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Weights of transformers' CLIPModel under open_clip's names."""
    seen, read = "vision_model", "text_model"
    ours = {
        "logit_scale": state["logit_scale"],
        "text_projection": state["text_projection.weight"].T,
        "visual.proj": state["visual_projection.weight"].T,
        "visual.class_embedding": state[f"{seen}.embeddings.class_embedding"],
        "visual.conv1.weight": state[f"{seen}.embeddings.patch_embedding.weight"],
        "visual.positional_embedding": state[f"{seen}.embeddings.position_embedding.weight"],
        "positional_embedding": state[f"{read}.embeddings.position_embedding.weight"],
        "token_embedding.weight": state[f"{read}.embeddings.token_embedding.weight"],
    }
    norms = {
        "visual.ln_pre": f"{seen}.pre_layrnorm",
        "visual.ln_post": f"{seen}.post_layernorm",
        "ln_final": f"{read}.final_layer_norm",
    }
    for w in ("weight", "bias"):
        ours |= {f"{name}.{w}": state[f"{there}.{w}"] for name, there in norms.items()}
        for prefix, tower in (("visual.transformer", seen), ("transformer", read)):
            for n in range(2):
                here, there = f"{prefix}.resblocks.{n}", f"{tower}.encoder.layers.{n}"
                ours |= {f"{here}.{name}.{w}": state[f"{there}.{name_there}.{w}"] for name, name_there in TRUNK.items()}
                parts = [state[f"{there}.self_attn.{part}_proj.{w}"] for part in "qkv"]
                ours[f"{here}.attn.in_proj_{w}"] = torch.cat(parts)
                ours[f"{here}.attn.out_proj.{w}"] = state[f"{there}.self_attn.out_proj.{w}"]
    return ours


def letters(texts: list[str], context_length: int = 8) -> torch.Tensor:
    """Ids of 3 to 48, an end of 49."""
    ids = torch.zeros(len(texts), context_length, dtype=torch.long)
    for row, text in enumerate(texts):
        codes = [3 + ord(letter) % 46 for letter in text[-7:]]
        ids[row, : len(codes) + 1] = torch.tensor([*codes, 49])
    return ids


def test_a_clip_of_hugging_faces_answers_as_the_same_one_of_open_clips(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = hf.CLIPConfig(text_config=WORDS, vision_config=PICTURE, projection_dim=12)
    model = hf.CLIPModel(config).eval()
    for value in model.parameters():
        torch.nn.init.normal_(value, std=0.2)
    model.save_pretrained(tmp_path)
    vision = CLIPVisionCfg(image_size=64, layers=2, width=32, head_width=16, patch_size=16, mlp_ratio=2.0)
    text = CLIPTextCfg(context_length=8, vocab_size=50, width=32, heads=2, layers=2, mlp_ratio=2.0)
    same = CLIP(12, vision, text, quick_gelu=True).eval()
    same.load_state_dict(as_open_clip(load_file(tmp_path / "model.safetensors")), strict=False)
    ours, theirs = (ClipScorer(one, letters, 64, (0.5,) * 3, (0.5,) * 3) for one in (HuggingFaceModel(model), same))
    pictures, features = torch.rand(3, 3, 80, 70), torch.rand(3, 6, 4, 4)
    for ask in (
        lambda scorer: scorer.encode_images(pictures),
        lambda scorer: scorer.encode_images_and_tokens(pictures)[1],
        lambda scorer: scorer.places(pictures, features)[1],
        lambda scorer: scorer.encode_texts(["cat", "house"]),
    ):
        torch.testing.assert_close(ask(ours), ask(theirs), atol=1e-4, rtol=1e-3)


def test_siglip_2_is_given_patches_as_its_own_processor_makes_them() -> None:
    torch.manual_seed(0)
    model, picture = siglip2().eval(), torch.rand(1, 3, 64, 64)
    processor = hf.Siglip2ImageProcessor(
        do_resize=False, do_rescale=False, do_normalize=False, patch_size=16, max_num_patches=16
    )
    given = processor(images=[picture[0].movedim(0, -1).numpy()], return_tensors="pt")
    with torch.no_grad():
        expected = model.vision_model(
            given["pixel_values"].float(), given["pixel_attention_mask"], given["spatial_shapes"]
        ).pooler_output
        torch.testing.assert_close(HuggingFaceModel(model).encode_image(picture), expected)


def test_texts_are_read_in_small_letters() -> None:
    """SigLIP 2's tokenizer tells capitals apart, and its model was not taught them."""

    def keeps_capitals(texts: list[str], **_more: object) -> SimpleNamespace:
        return SimpleNamespace(input_ids=texts)

    assert HuggingFaceTokenizer(keeps_capitals, 8)(["A Cat"]) == ["a cat"]


def saved_clip(folder: Path, words: int) -> hf.CLIPModel:
    config = hf.CLIPConfig(
        text_config=WORDS | {"vocab_size": words, "max_position_embeddings": 20}, vision_config=PICTURE
    )
    model = hf.CLIPModel(config).eval()
    model.save_pretrained(folder)
    return model


@pytest.mark.parametrize("layout", ["model.fp16.safetensors", "pytorch_model.bin"])
@pytest.mark.parametrize("named", ["folder", "file"])
def test_halves_alone_and_bin_files_are_loaded(tmp_path: Path, layout: str, named: str) -> None:
    model = saved_clip(tmp_path, 49408).half()
    (tmp_path / "model.safetensors").unlink()
    if layout.endswith(".bin"):
        torch.save(model.state_dict(), tmp_path / layout)
    else:
        save_file(model.state_dict(), tmp_path / layout, metadata={"format": "pt"})
    scorer = load_clip(str(tmp_path)) if named == "folder" else load_clip("ViT-B-16", str(tmp_path / layout))
    ids = scorer.tokenizer(["a high quality image of a cat."])
    with torch.no_grad():
        expected = model.float().text_projection(model.text_model(input_ids=ids).pooler_output)
    torch.testing.assert_close(scorer.encode_text("a cat"), torch.nn.functional.normalize(expected, dim=1))


@pytest.mark.parametrize("how", ["folder", "local-dir:", "file"])
def test_a_folder_is_loaded_with_its_tokenizer_and_normalisation(tmp_path: Path, how: str) -> None:
    model = saved_clip(tmp_path, write_tokenizer(tmp_path))
    (tmp_path / "preprocessor_config.json").write_text('{"image_mean": [0.1, 0.2, 0.3], "image_std": [1, 2, 3]}')
    name, weights = {
        "folder": (str(tmp_path), "openai"),
        "local-dir:": (f"local-dir:{tmp_path}", None),
        "file": ("ViT-B-16", str(tmp_path / "model.safetensors")),
    }[how]
    scorer = load_clip(name, weights)
    assert (scorer.mean, scorer.std, scorer.image_size) == ((0.1, 0.2, 0.3), (1, 2, 3), 64)
    assert scorer.context_length == 20
    ids = hf.AutoTokenizer.from_pretrained(tmp_path)(
        ["a high quality image of a red circle."], padding="max_length", max_length=20, return_tensors="pt"
    ).input_ids
    with torch.no_grad():
        expected = model.text_projection(model.text_model(input_ids=ids).pooler_output)
    torch.testing.assert_close(scorer.encode_text("A Red Circle"), torch.nn.functional.normalize(expected, dim=1))
    assert len(scorer.split_text("a blue square and " * 9)) > 1
    assert scorer.places(torch.rand(1, 3, 70, 60), torch.rand(1, 4, 8, 8))[1].shape == (1, 512, 4, 4)


def test_openais_words_are_known_without_a_tokenizer_in_the_folder(tmp_path: Path) -> None:
    saved_clip(tmp_path, 49408)
    scorer = load_clip(str(tmp_path))
    assert scorer.tokenizer(["a cat"])[0, 0] == 49406
    torch.testing.assert_close(scorer.encode_text("a cat").norm(), torch.tensor(1.0))


def test_what_cannot_be_loaded_is_told_with_the_way_out(tmp_path: Path) -> None:
    saved_clip(tmp_path / "clip", 49408)
    siglip().save_pretrained(tmp_path / "siglip")
    lone, image = tmp_path / "ViT-B-16.safetensors", tmp_path / "image"
    lone.write_bytes((tmp_path / "clip" / "model.safetensors").read_bytes())
    image.mkdir()
    save_file(timm.create_model("test_vit").state_dict(), image / "model.safetensors")
    (image / "config.json").write_text(json.dumps({"architecture": "test_vit"}))
    cut = load_file(tmp_path / "clip" / "model.safetensors")
    text, script, other = (tmp_path / name for name in ("clip_l.safetensors", "ViT-B-32.pt", "ViT-B-32.gguf"))
    save_file({name: value for name, value in cut.items() if name.startswith("text_model")}, text)
    torch.jit.save(torch.jit.trace(torch.nn.Linear(1, 1), torch.zeros(1, 1)), str(script))
    other.write_bytes(b"GGUF")
    bare = tmp_path / "bare"
    shutil.copytree(WEIGHTS / "clip", bare, ignore=shutil.ignore_patterns("*token*", "vocab*", "merges*"))
    del cut["vision_model.post_layernorm.weight"]
    for name, weights, says in (
        (tmp_path / "siglip", None, "without its tokenizer .*; put tokenizer.json"),
        ("ViT-B-16", lone, "has Hugging Face's names .* give the model's whole folder"),
        (image, None, "of the kind 'test_vit', no whole CLIP or SigLIP; give a folder"),
        ("ViT-B-16", image / "model.safetensors", "no weights of CLIP's text encoder; give those of a whole CLIP"),
        ("ViT-L-14", text, "holds CLIP's text encoder alone.*; give a whole CLIP model"),
        ("ViT-B-32", script, "is TorchScript, as OpenAI published CLIP.*; give the same weights as .safetensors"),
        ("ViT-B-32", other, "no file of weights that is read here; give one of .safetensors"),
        (lone, None, "is one file; give it as the weights of a model such as ViT-B-16"),
        ("local-dir:nowhere", None, "'nowhere' is not there"),
        (bare, None, "without its tokenizer .*; put tokenizer.json"),
        ("ViT-B-77", "openai", "knows no model 'ViT-B-77'; give one of its names"),
        ("ViT-B/16", "nonsense", "knows no weights 'nonsense' of 'ViT-B/16'.* one of openai, "),
    ):
        with pytest.raises(InputError, match=says) as caught:
            load_clip(str(name), weights and str(weights))
        assert "connect to the network" not in str(caught.value)
    save_file(cut, tmp_path / "clip" / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"lacks 1 of the weights .*post_layernorm.weight\); download it again"):
        load_clip(str(tmp_path / "clip"))
