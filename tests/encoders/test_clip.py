"""The CLIP wrapper: normalisation, tokens, long texts."""

from __future__ import annotations

import open_clip
import pytest
import torch

from region_core.cost import progress_scope
from region_core.encoders import TEMPLATE, ClipScorer, DinoEncoder
from region_core.errors import InputError

from .tiny import MEAN, SMALL_TEXT, STD, VISIONS, normalised, pictures, tiny_vit

TOKENS = {"transformer": 16, "resnet": 4, "timm": 4}


def tiny_clip(kind: str = "transformer") -> torch.nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        build = open_clip.CustomTextCLIP if kind == "timm" else open_clip.CLIP
        return build(embed_dim=16, vision_cfg=dict(VISIONS[kind]), text_cfg=dict(SMALL_TEXT))


def tiny_scorer(kind: str = "transformer") -> ClipScorer:
    tokenizer = open_clip.SimpleTokenizer(context_length=20)
    return ClipScorer(tiny_clip(kind), tokenizer, VISIONS[kind]["image_size"], MEAN, STD)


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
    some, first = scorer.encode_images_and_tokens(images, with_tokens=1)
    torch.testing.assert_close(some, embeddings)
    torch.testing.assert_close(first, tokens[:1])
    assert len(scorer.encode_images_and_tokens(images, with_tokens=0)[1]) == 0


def test_patch_tokens_are_row_major():
    scorer = tiny_scorer("resnet")  # convolutions keep a spot where it is
    blank = torch.full((1, 3, 64, 64), 0.5)
    spot = blank.clone()
    spot[..., 40:64, 0:12] = 1.0  # bottom left of a 2 x 2 grid: token 2
    there, plain = (scorer.encode_images_and_tokens(picture)[1] for picture in (spot, blank))
    change = (there - plain).norm(dim=2)[0]
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
        (lambda: scorer.encode_images_and_tokens(pictures(1, 32, 32)), "CLIP model's embeddings of pict"),
        (lambda: dino(pictures(1, 32, 32)), "DINO encoder's features"),
    ):
        with pytest.raises(InputError, match=f"{says}.*are not numbers"):
            call()


def test_whoever_watches_is_told_of_every_forward():
    scorer, dino, images = tiny_scorer(), DinoEncoder(tiny_vit(), 32), pictures(3, 32, 32)
    scorer.batch_size = dino.batch_size = 2
    for call in (
        lambda: scorer.encode_images(images),
        lambda: scorer.encode_images_and_tokens(images),
        lambda: scorer.encode_texts(["a cat", "a dog", "a cow"]),
        lambda: scorer.places(images, torch.rand(3, 4, 4, 4)),
        lambda: dino(images),
    ):
        told = []
        with progress_scope(lambda told=told: told.append(scorer.images_encoded + scorer.texts_encoded)):
            call()
        assert len(told) == 2


def test_one_shortage_of_memory_is_over_with_its_call():
    scorer, dino, images = tiny_scorer(), DinoEncoder(tiny_vit(), 32), pictures(4, 32, 32)
    sizes = []

    def full_above_two(_module, args, kwargs):
        sizes.append(len(args[0] if args else kwargs["pixel_values"]))
        if sizes[-1] > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    for model, call in ((scorer.visual, scorer.encode_images), (dino.model, dino)):
        handle = model.register_forward_pre_hook(full_above_two, with_kwargs=True)
        sizes.clear()
        call(images)
        assert sizes == [4, 2, 2]
        handle.remove()
        model.register_forward_pre_hook(
            lambda _, args, kwargs: sizes.append(len(args[0] if args else kwargs["pixel_values"])), with_kwargs=True
        )
        sizes.clear()
        call(images)
        assert sizes == [4]
