"""Encoders from folders, files and without a network."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import open_clip
import pytest
import torch
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel

from benchmark.training.vocabulary import write_tokenizer
from region_core.encoders import ClipScorer, DinoEncoder, load_clip, load_dino
from region_core.encoders.clip_loading import _trained_with_quick_gelu
from region_core.errors import InputError

from .tiny import MEAN, SMALL_TEXT, STD, VISIONS, pictures, tiny_vit

ROOT = Path(__file__).parents[2]


@pytest.fixture
def no_network(monkeypatch):
    """Any connection is an error; what is local must not try one."""

    def refuse(*_args, **_kwargs):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.usefixtures("no_network")
def test_load_dino_from_a_folder_needs_no_network_and_leaves_the_random_state(tmp_path):
    model = tiny_vit()
    model.save_pretrained(tmp_path)
    before = torch.get_rng_state()
    encoder = load_dino(tmp_path, image_size=32)
    assert torch.equal(torch.get_rng_state(), before)
    images = pictures(1, 32, 32)
    torch.testing.assert_close(encoder(images).features, DinoEncoder(model, 32)(images).features)


def test_load_dino_refuses_another_kind_of_model(tmp_path):
    config = CLIPTextConfig(
        hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1, vocab_size=32
    )
    CLIPTextModel(config).save_pretrained(tmp_path)
    with pytest.raises(InputError, match=r"dino-vitb8"):
        load_dino(tmp_path)


def test_load_dino_without_network_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match=r"facebook/dino-nowhere.*give a local folder") as caught:
        load_dino("facebook/dino-nowhere", cache_dir=str(tmp_path))
    assert "\n" not in str(caught.value)


OFFLINE = """
import os, sys
from region_core.encoders import load_clip, load_dino
from region_core.errors import InputError
from region_core.paint.diffusers_painter import load_pipeline
for load, name in ((load_dino, "facebook/dino-vitb8"), (load_clip, "ViT-B-16"), (load_pipeline, "a/inpaint")):
    try:
        load(name)
    except InputError as error:
        print(error)
"""


@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_offline_mode_is_named_with_the_place_and_the_way_out_and_nothing_else_is_said(tmp_path, variable):
    settings = {"HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "", "TRANSFORMERS_OFFLINE": "", variable: "1"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", OFFLINE],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 3, done.stdout
    for line, repository in zip(
        lines, ("facebook/dino-vitb8", "timm/vit_base_patch16_clip_224.openai", "a/inpaint"), strict=True
    ):
        assert f"{repository} was looked for in '{tmp_path / 'hub'}'" in line
        assert f"{variable} is set" in line
        assert f"unset {variable} once, or give a local folder." in line
    assert done.stderr == ""


def test_a_mirror_that_does_not_answer_is_named_with_the_way_out(tmp_path):
    script = OFFLINE.replace('(load_clip, "ViT-B-16"), ', "")  # which tries again for a minute
    settings = {"HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "", "TRANSFORMERS_OFFLINE": ""}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        env={**os.environ, **settings, "HF_ENDPOINT": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 2, done.stdout
    for line, repository in zip(lines, ("facebook/dino-vitb8", "a/inpaint"), strict=True):
        assert f"HF_ENDPOINT, http://127.0.0.1:9, does not answer or has no {repository}; unset HF_ENDPOINT" in line


# --- CLIP: loading ----------------------------------------------------------------------------


def save_clip(folder, *, hf_tokenizer: bool) -> open_clip.CLIP:
    text = dict(SMALL_TEXT)
    if hf_tokenizer:
        text["vocab_size"] = write_tokenizer(folder)
        text["hf_tokenizer_name"] = "somewhere/else"
    model = open_clip.CLIP(embed_dim=16, vision_cfg=dict(VISIONS["transformer"]), text_cfg=text)
    config = {
        "model_cfg": {"embed_dim": 16, "vision_cfg": VISIONS["transformer"], "text_cfg": text},
        "preprocess_cfg": {"mean": MEAN, "std": STD},
    }
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    return model


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("hf_tokenizer", [False, True])
@pytest.mark.parametrize("prefix", ["local-dir:", ""])
def test_load_clip_from_a_folder_needs_no_network(tmp_path, hf_tokenizer, prefix):
    saved = save_clip(tmp_path, hf_tokenizer=hf_tokenizer).eval()
    before = torch.get_rng_state()
    scorer = load_clip(f"{prefix}{tmp_path}", dtype=torch.float32)
    assert torch.equal(torch.get_rng_state(), before)
    assert (scorer.mean, scorer.std, scorer.image_size) == (MEAN, STD, 32)
    assert scorer.context_length == 20
    images = pictures(1, 32, 32)
    expected = ClipScorer(saved, scorer.tokenizer, 32, MEAN, STD).encode_images(images)
    torch.testing.assert_close(scorer.encode_images(images), expected)
    assert scorer.encode_text("a red circle").shape == (1, 16)
    long = " ".join(["a blue square and"] * 9)
    assert len(scorer.split_text(long)) > 1
    torch.testing.assert_close(scorer.encode_text(long).norm(), torch.tensor(1.0))


@pytest.mark.usefixtures("no_network")
def test_load_clip_never_returns_random_weights(tmp_path):
    save_clip(tmp_path, hf_tokenizer=False)
    (tmp_path / "open_clip_model.safetensors").unlink()
    with pytest.raises(InputError, match="could not be loaded"):
        load_clip(f"local-dir:{tmp_path}")
    with pytest.raises(InputError, match="no weights"):
        load_clip("ViT-B-32", None)


def test_load_clip_without_network_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match=r"ViT-B-16.*openai.*local folder") as caught:
        load_clip("ViT-B-16", "openai", cache_dir=str(tmp_path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("pretrained", "quick"), [("openai", True), ("laion2b_s34b_b88k", False)])
def test_openai_weights_get_the_activation_they_were_trained_with(monkeypatch, pretrained, quick):
    asked = []

    def create_model(*_args, **options):
        asked.append(options["force_quick_gelu"])
        raise RuntimeError("enough seen")

    monkeypatch.setattr(open_clip, "create_model", create_model)
    with pytest.raises(InputError, match="enough seen"):
        load_clip("ViT-B-16", pretrained)
    assert asked == [quick]


@pytest.mark.parametrize(
    ("name", "file", "quick"),
    [
        ("ViT-B-32", "ViT-B-32-laion400m_e31.safetensors", True),
        ("ViT-B-32", "vit_b_32-laion400m-e32.pt", True),
        ("ViT-B-32", "ViT-B-32-laion2b_s34b_b79k.safetensors", False),
        ("ViT-B-16", "ViT-B-16-openai.safetensors", True),
        ("ViT-B-16", "ViT-B-16.pt", False),
        ("ViT-H-14", "ViT-H-14-dfn5b.safetensors", True),
        ("ViT-L-14", "ViT-L-14-metaclip_400m.pt", True),
        ("ViT-B-32-quickgelu", "mine.safetensors", False),
    ],
)
def test_a_file_of_weights_gets_the_activation_of_its_tag(tmp_path, name, file, quick):
    (tmp_path / file).touch()
    assert _trained_with_quick_gelu(name, str(tmp_path / file)) == quick
