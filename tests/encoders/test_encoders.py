"""DINO and CLIP wrappers on tiny random models: normalisation, layout, long texts, loading."""

from __future__ import annotations

import json
import socket

import open_clip
import pytest
import torch
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, ViTConfig, ViTModel

from benchmark.training.vocabulary import write_tokenizer
from region_core.encoders import IMAGENET_MEAN, IMAGENET_STD, TEMPLATE, ClipScorer, DinoEncoder, load_clip, load_dino
from region_core.encoders.clip import _trained_with_quick_gelu
from region_core.errors import InputError

SMALL_TEXT = {"context_length": 20, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
VISIONS = {
    "transformer": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8},
    "resnet": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8},
    "timm": {
        "image_size": 32,
        "timm_model_name": "test_vit",
        "timm_model_pretrained": False,
        "timm_pool": "token",
        "timm_proj": "linear",
    },
}
TOKENS = {"transformer": 16, "resnet": 4, "timm": 4}
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


def tiny_vit(attention: str = "eager") -> ViTModel:
    config = ViTConfig(
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=32,
        image_size=32,
        patch_size=8,
        attn_implementation=attention,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = ViTModel(config, add_pooling_layer=False).eval()
        for parameter in model.parameters():  # the default init is too timid to tell heads apart
            torch.nn.init.normal_(parameter, std=0.3)
    return model


def tiny_clip(kind: str = "transformer") -> torch.nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        build = open_clip.CustomTextCLIP if kind == "timm" else open_clip.CLIP
        return build(embed_dim=16, vision_cfg=dict(VISIONS[kind]), text_cfg=dict(SMALL_TEXT))


def tiny_scorer(kind: str = "transformer") -> ClipScorer:
    tokenizer = open_clip.SimpleTokenizer(context_length=20)
    return ClipScorer(tiny_clip(kind), tokenizer, VISIONS[kind]["image_size"], MEAN, STD)


def pictures(count: int, height: int, width: int) -> torch.Tensor:
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(1))


def normalised(images: torch.Tensor, mean: tuple, std: tuple) -> torch.Tensor:
    return (images - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)


# --- DINO -------------------------------------------------------------------------------------


def test_dino_normalises_for_itself():
    encoder = DinoEncoder(tiny_vit(), image_size=32)
    received = []
    encoder.model.embeddings.register_forward_pre_hook(lambda _, args: received.append(args[0]))
    images = pictures(2, 32, 32)
    encoder(images)
    torch.testing.assert_close(received[0], normalised(images, IMAGENET_MEAN, IMAGENET_STD))


def test_dino_features_are_the_patch_tokens_row_by_row():
    model = tiny_vit()
    images = pictures(1, 64, 64)
    pixels = normalised(images, IMAGENET_MEAN, IMAGENET_STD)
    with torch.no_grad():
        out = model(pixels, output_attentions=True, interpolate_pos_encoding=True)
    found = DinoEncoder(model, image_size=64)(images)
    assert found.features.shape == (1, 24, 8, 8)
    assert found.attention.shape == (1, 8, 8)
    for row, column in [(0, 1), (3, 6), (7, 0)]:
        token = 1 + row * 8 + column
        torch.testing.assert_close(found.features[0, :, row, column], out.last_hidden_state[0, token])
        torch.testing.assert_close(found.attention[0, row, column], out.attentions[-1][0, :, 0, token].mean())


def test_dino_shows_attention_whatever_the_model_was_built_with():
    images = pictures(1, 32, 32)
    eager = DinoEncoder(tiny_vit("eager"), 32)(images)
    fused = DinoEncoder(tiny_vit("sdpa"), 32)(images)
    torch.testing.assert_close(fused.attention, eager.attention)
    assert fused.attention.std() > 0


def test_dino_keeps_the_aspect_works_in_chunks_and_rounds_the_sides_to_whole_patches():
    encoder = DinoEncoder(tiny_vit(), image_size=45)
    assert encoder.image_size == 40
    encoder.batch_size = 2
    images = pictures(3, 50, 31)
    found = encoder(images)
    assert found.features.shape == (3, 24, 6, 4)  # the picture is higher than wide, and so is its grid
    torch.testing.assert_close(found.features[2], encoder(images[2:]).features[0])


def test_dino_in_bfloat16_answers_in_float32():
    exact = DinoEncoder(tiny_vit(), 48)(pictures(1, 40, 40))
    rough = DinoEncoder(tiny_vit().to(torch.bfloat16), 48)(pictures(1, 40, 40))
    assert rough.features.dtype == rough.attention.dtype == torch.float32
    assert torch.cosine_similarity(rough.features, exact.features).mean() > 0.98


def test_dino_refuses_what_is_no_batch_of_pictures():
    encoder = DinoEncoder(tiny_vit(), 32)
    for bad in (torch.rand(3, 32, 32), torch.rand(1, 4, 32, 32), torch.zeros(1, 3, 8, 8).byte()):
        with pytest.raises(InputError, match="B, 3, H, W"):
            encoder(bad)
    with pytest.raises(InputError, match="at least 8"):
        DinoEncoder(tiny_vit(), image_size=7)


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
    with pytest.raises(InputError, match=r"facebook/dino-nowhere.*pass a folder") as caught:
        load_dino("facebook/dino-nowhere", cache_dir=str(tmp_path))
    assert "\n" not in str(caught.value)


# --- CLIP: images -----------------------------------------------------------------------------


def test_clip_normalises_for_itself_with_the_models_own_numbers():
    scorer = tiny_scorer()
    received = []
    scorer.visual.register_forward_pre_hook(lambda _, args: received.append(args[0]))
    images = pictures(2, 32, 32)
    scorer.encode_images(images)
    torch.testing.assert_close(received[0], normalised(images, MEAN, STD))


def test_clip_resizes_with_antialiasing_and_stays_in_range():
    scorer = tiny_scorer()
    received = []
    scorer.visual.register_forward_pre_hook(lambda _, args: received.append(args[0]))
    stripes = torch.zeros(1, 3, 256, 256)
    stripes[..., 3::8] = 1.0  # one column of each eight that become one: an eighth, or it aliases
    edge = torch.zeros(1, 3, 64, 64)
    edge[..., 32:] = 1.0  # bicubic overshoots here
    scorer.encode_images(stripes)
    scorer.encode_images(edge)
    mean, std = torch.tensor(MEAN).view(3, 1, 1), torch.tensor(STD).view(3, 1, 1)
    back = [x * std + mean for x in received]
    assert back[0].mean() == pytest.approx(1 / 8, abs=0.01)
    assert (back[0] - 1 / 8).abs().max() < 0.1
    assert back[1].min() > -1e-5
    assert back[1].max() < 1 + 1e-5


@pytest.mark.parametrize("kind", list(VISIONS))
def test_tokens_and_embeddings_come_from_one_forward_and_agree_with_the_plain_one(kind):
    scorer = tiny_scorer(kind)
    scorer.batch_size = 2
    images = pictures(3, 40, 56)
    embeddings = scorer.encode_images(images)
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(3))
    both, tokens = scorer.encode_images_and_tokens(images)
    torch.testing.assert_close(both, embeddings)
    assert tokens.shape[:2] == (3, TOKENS[kind])
    torch.testing.assert_close(scorer.patch_tokens(images), tokens)
    some, first = scorer.encode_images_and_tokens(images, with_tokens=1)
    torch.testing.assert_close(some, embeddings)
    torch.testing.assert_close(first, tokens[:1])
    assert len(scorer.encode_images_and_tokens(images, with_tokens=0)[1]) == 0


def test_patch_tokens_are_row_major():
    scorer = tiny_scorer("resnet")  # convolutions keep a spot where it is
    blank = torch.full((1, 3, 64, 64), 0.5)
    spot = blank.clone()
    spot[..., 40:64, 0:12] = 1.0  # bottom left of a 2 x 2 grid: token 2
    change = (scorer.patch_tokens(spot) - scorer.patch_tokens(blank)).norm(dim=2)[0]
    assert int(change.argmax()) == 2


def test_clip_in_bfloat16_answers_in_float32():
    exact = tiny_scorer().encode_images(pictures(2, 32, 32))
    scorer = tiny_scorer()
    scorer.model.to(torch.bfloat16)
    rough, tokens = scorer.encode_images_and_tokens(pictures(2, 32, 32))
    text = scorer.encode_text("a red circle")
    assert rough.dtype == tokens.dtype == text.dtype == torch.float32
    assert (rough * exact).sum(dim=1).min() > 0.98


# --- CLIP: texts ------------------------------------------------------------------------------


def test_a_short_text_goes_through_the_template():
    scorer = tiny_scorer()
    ids = scorer.tokenizer(["a high quality image of a red circle."])
    with torch.no_grad():
        expected = torch.nn.functional.normalize(scorer.model.encode_text(ids), dim=-1)
    torch.testing.assert_close(scorer.encode_text("a  red circle "), expected)
    assert TEMPLATE == "a high quality image of {}."


def test_a_long_text_is_split_at_words_and_every_part_counts():
    scorer = tiny_scorer()
    words = [f"word{letter}" for letter in "abcdefghijklmnopqrst"]
    pieces = scorer.split_text(" ".join(words))
    assert len(pieces) > 1
    assert " ".join(pieces).split() == words
    end = scorer.tokenizer.eot_token_id
    for piece in pieces:  # nothing cut: the full stop before the end token is still there
        ids = scorer.tokenizer([TEMPLATE.format(piece)], context_length=20)[0]
        stop = scorer.tokenizer.encode(".")[0]
        assert ids[int((ids == end).nonzero()[0]) - 1] == stop
    singles = torch.cat([scorer.encode_text(piece) for piece in pieces])
    mean = torch.nn.functional.normalize(singles.mean(dim=0, keepdim=True), dim=-1)
    torch.testing.assert_close(scorer.encode_text(" ".join(words)), mean)


def test_a_text_that_just_fits_stays_whole():
    scorer = tiny_scorer()
    room = 20 - 2 - len(scorer.tokenizer.encode(TEMPLATE.format("")))
    assert len(scorer.split_text(" ".join(["red"] * room))) == 1
    assert len(scorer.split_text(" ".join(["red"] * (room + 1)))) == 2


def test_a_word_longer_than_the_context_is_cut_rather_than_lost():
    word = "zqxjkv" * 12
    pieces = tiny_scorer().split_text(word)
    assert len(pieces) > 1
    assert "".join(pieces).replace(" ", "") == word


@pytest.mark.parametrize("text", ["", "  \n "])
def test_an_empty_text_is_refused(text):
    with pytest.raises(InputError, match="empty"):
        tiny_scorer().encode_text(text)


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
    with pytest.raises(InputError, match=r"ViT-B-16.*openai.*local-dir:") as caught:
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


def test_encoders_that_give_no_numbers_are_told_of_and_pictures_of_none_pass():
    scorer, dino = tiny_scorer(), DinoEncoder(tiny_vit(), 32)
    spoilt = pictures(2, 32, 32)
    spoilt[1, 0, 3, 3] = torch.nan
    embeddings = scorer.encode_images(spoilt)
    assert [bool(one.isfinite().all()) for one in embeddings] == [True, False]
    with torch.no_grad():
        scorer.model.ln_final.bias[0] = torch.nan
        dino.model.layernorm.bias[0] = torch.nan
        scorer.visual.ln_post.bias[0] = torch.nan
    for call, says in (
        (lambda: scorer.encode_text("a cat"), "CLIP model's embeddings of texts"),
        (lambda: scorer.encode_images(pictures(1, 32, 32)), "CLIP model's embeddings of pict"),
        (lambda: dino(pictures(1, 32, 32)), "DINO encoder's features"),
    ):
        with pytest.raises(InputError, match=f"{says}.*are not numbers"):
            call()
