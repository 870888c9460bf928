"""What CLIPs of small worlds are trained on: whole pictures and what is in them, nothing of a search."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from benchmark.training.contrastive import clips, framing, shapes, things, train
from benchmark.worlds.things.world import World

NAMES = {"dog", "cat", "owl"}


def bank(count: int = 6, side: int = 64) -> framing.Bank:
    """Pictures whose every pixel tells where it is: red its column, green its row, blue the picture."""
    across = torch.arange(side, dtype=torch.uint8) * 2 + 60
    pictures = torch.stack(
        [
            torch.stack(
                [
                    across.expand(side, side),
                    across[:, None].expand(side, side),
                    torch.full((side, side), 40 + 20 * i, dtype=torch.uint8),
                ]
            )
            for i in range(count)
        ]
    )
    return framing.Bank(pictures, [[("dog", (10, 10, 30, 30)), ("cat", (36, 34, 60, 60))]] * (count - 1) + [[]])


@pytest.mark.parametrize("size", [24, 64])
def test_pictures_are_shown_whole_no_part_is_ever_covered(size):
    """A covered part would be flat, blurred, or of another picture; here every pixel is what a straight
    window of the one picture has there, up to its light."""
    rng = np.random.default_rng(0)
    index = rng.integers(5, size=40)
    made = bank()
    frames = np.array([framing.window(rng, made.things[i], made.side) for i in index])
    pictures = framing.photographs(made, index, frames, size, rng)
    centre = (torch.arange(size) + 0.5) / size
    for picture, frame, which in zip(pictures, frames, index, strict=True):
        at_x = (frame[0] + centre * frame[2] - 0.5) * 2 + 60
        at_y = (frame[1] + centre * frame[2] - 0.5) * 2 + 60
        wanted = (
            torch.stack(
                [at_x.expand(size, size), at_y[:, None].expand(size, size), torch.full((size, size), 40.0 + 20 * which)]
            )
            / 255
        )
        errors = []
        for way in (wanted, wanted.flip(-1)):
            line = torch.stack([way.flatten(1), torch.ones(3, size * size)], 2)  # gain and offset by channel
            fit = torch.linalg.lstsq(line[:2], picture[:2].flatten(1)[..., None]).solution
            errors.append((line[:2] @ fit - picture[:2].flatten(1)[..., None]).abs().max())
        assert min(errors) < 0.02
        assert picture[2].std() < 1e-3


def test_a_covered_picture_would_be_noticed():
    """The test above fails for a picture with a part hidden: what it looks at is able to tell."""
    rng = np.random.default_rng(0)
    made = bank()
    picture = framing.photographs(made, np.array([0]), np.array([[0.0, 0.0, 64.0]]), 64, rng)[0]
    picture[:, 20:40, 20:40] = picture[:, 20:40, 20:40].mean()
    line = torch.stack([made.pictures[0, 0].flatten().float() / 255, torch.ones(64 * 64)], 1)
    errors = []
    for way in (picture, picture.flip(-1)):
        fit = torch.linalg.lstsq(line, way[0].flatten()[:, None]).solution
        errors.append((line @ fit - way[0].flatten()[:, None]).abs().max())
    assert min(errors) > 0.05


def test_captions_name_only_what_is_there_in_several_wordings():
    rng = np.random.default_rng(1)
    made, texts, counts = bank(), set(), set()
    for _ in range(300):
        frame = framing.window(rng, made.things[0], made.side)
        there = framing.in_sight(made.things[0], frame)
        text, said = framing.caption(rng, there)
        named = {w.strip(".,") for w in text.split()} & NAMES
        assert named == set(said)
        assert set(said) <= set(there)
        assert not {"no", "not", "without"} & set(text.split())
        assert bool(said) or "background" in text
        texts.add(text)
        counts.add(len(said))
    assert counts >= {1, 2}
    assert len(texts) > 40


def test_a_caption_may_leave_things_out():
    rng = np.random.default_rng(2)
    assert any(len(framing.caption(rng, ["dog", "cat", "owl"])[1]) < 3 for _ in range(20))


def test_the_subject_often_fills_the_picture_and_sometimes_the_scene_is_whole():
    rng = np.random.default_rng(3)
    sides = np.array([framing.window(rng, [("dog", (10, 10, 30, 30))], 64)[2] for _ in range(400)])
    assert 0.4 < (sides < 48.1).mean() < 0.9
    assert (sides > 51).mean() > 0.15


def test_captions_that_say_the_same_are_not_rivals():
    seen = F.normalize(torch.randn(4, 8), dim=-1)
    said = seen[[0, 0, 2, 3]]
    same = torch.eye(4, dtype=torch.bool)
    apart = train.contrast(seen, said, torch.tensor(30.0), same)
    same[0, 1] = same[1, 0] = True
    assert train.contrast(seen, said, torch.tensor(30.0), same) < apart


def test_a_batch_tells_which_captions_say_the_same():
    pictures, texts, same = framing.batch(bank(), 64, 32, np.random.default_rng(5))
    assert pictures.shape == (64, 3, 32, 32)
    assert pictures.min() >= 0
    assert pictures.max() <= 1
    said = [frozenset(w.strip(".,") for w in t.split() if w.strip(".,") in NAMES) for t in texts]
    assert torch.equal(same, torch.tensor([[a == b for a in said] for b in said]))


@pytest.mark.parametrize("words", [things.words, shapes.words])
def test_every_word_of_a_caption_is_one_token(tmp_path, words):
    from transformers import CLIPTokenizer

    from benchmark.training.vocabulary import write_tokenizer

    size = write_tokenizer(tmp_path / "tokenizer", words())
    tokenizer = CLIPTokenizer.from_pretrained(tmp_path / "tokenizer")
    names = World().names if words is things.words else shapes.NAMES
    rng = np.random.default_rng(6)
    for _ in range(60):
        text, _ = framing.caption(rng, [names[int(rng.integers(len(names)))] for _ in range(3)])
        count = len(text.replace(".", " .").replace(",", " ,").split())
        assert len(tokenizer(text).input_ids) == count + 2
    assert max(tokenizer("a").input_ids) == size - 1


@pytest.mark.parametrize("tower", clips.TOWERS)
def test_a_saved_folder_loads_as_the_real_ones_do(tmp_path, tower):
    from region_core.encoders import load_clip

    words = ("dog", "cat", "a", "high", "quality", "image", "of", ".")
    model = clips.build(tower, 0 + _size(tmp_path, words))
    clips.save(model.state_dict(), tower, words, tmp_path / "clip", {"steps": 0})
    scorer = load_clip(str(tmp_path / "clip"))
    assert scorer.encode_images(torch.rand(2, 3, 40, 60)).shape == (2, clips.EMBED)
    ids = scorer.tokenizer(["a dog"])
    short = ids[:, :6]
    with torch.no_grad():
        whole = F.normalize(scorer.model.encode_text(ids), dim=-1)
        assert torch.allclose(clips.encode_texts(scorer.model, short), whole, atol=1e-5)


def _size(folder, words) -> int:
    from benchmark.training.vocabulary import write_tokenizer

    return write_tokenizer(folder / "size", words)


def test_a_thing_out_of_the_window_or_mostly_so_is_not_in_sight():
    here = [("dog", (10, 10, 30, 30)), ("cat", (36, 34, 60, 60))]
    assert framing.in_sight(here, (0.0, 0.0, 64.0)) == ["dog", "cat"]
    assert framing.in_sight(here, (0.0, 0.0, 32.0)) == ["dog"]
    assert framing.in_sight(here, (20.0, 0.0, 32.0)) == []  # half of the dog, a part of the cat
