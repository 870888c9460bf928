"""Bent CLIPs: every cosine the same increasing line of what it was, and nothing else."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from benchmark.__main__ import main
from benchmark.bend import bend_folder, line_to, moments
from benchmark.bent_clip import bend_model, constants_for, load_folder
from benchmark.training.contrastive import clips
from benchmark.training.vocabulary import write_tokenizer
from benchmark.worlds.opening import clip_folder, load_models, open_world
from region_core.errors import InputError
from region_core.find import find_regions

WORDS = ("red", "blue", "circle", "square", "a", "high", "quality", "image", "of", ".")
TEXTS = ("a red circle", "a blue square", "red", "a circle of a square")


@pytest.fixture(scope="module", params=clips.TOWERS)
def folder(request, tmp_path_factory):
    home = tmp_path_factory.mktemp(request.param)
    torch.manual_seed(3)
    model = clips.build(request.param, write_tokenizer(home / "size", WORDS))
    clips.save(model.state_dict(), request.param, WORDS, home / "clip")
    return home / "clip"


def cosines(scorer):
    images = torch.rand(6, 3, 50, 70, generator=torch.Generator().manual_seed(1))
    texts = torch.cat([scorer.encode_text(t) for t in TEXTS])
    return scorer.encode_images(images) @ texts.T


@pytest.mark.parametrize(("slope", "shift"), [(0.4, 0.2), (0.9, -0.1), (0.3, 0.7), (0.05, 0.0)])
def test_every_cosine_lies_on_the_line(folder, tmp_path, slope, shift):
    bend_folder(folder, tmp_path / "bent", slope, shift)
    before, after = cosines(load_folder(folder)), cosines(load_folder(tmp_path / "bent"))
    assert torch.allclose(after, shift + slope * before, atol=2e-6)


def test_orders_are_kept(folder, tmp_path):
    bend_folder(folder, tmp_path / "bent", 0.35, 0.1)
    before, after = (cosines(load_folder(f)).flatten() for f in (folder, tmp_path / "bent"))
    clear = (before[:, None] - before[None]) > 1e-4
    assert clear.any()
    assert ((after[:, None] - after[None]) > 0)[clear].all()


def test_the_model_is_as_sure_as_it_was_up_to_clips_limit(folder, tmp_path):
    for slope, most in ((0.5, False), (0.05, True)):
        bend_folder(folder, tmp_path / "bent", slope, 0.0)
        models = (load_folder(f).model for f in (folder, tmp_path / "bent"))
        before, after = (float(m.logit_scale.detach().exp()) for m in models)
        assert after == pytest.approx(100.0 if most else before / slope, rel=1e-3)


def test_a_bend_of_a_bend_is_a_bend(folder, tmp_path):
    bend_folder(folder, tmp_path / "one", 0.6, 0.1)
    bend_folder(tmp_path / "one", tmp_path / "two", 0.5, 0.2)
    before, after = cosines(load_folder(folder)), cosines(load_folder(tmp_path / "two"))
    assert torch.allclose(after, 0.2 + 0.5 * (0.1 + 0.6 * before), atol=2e-6)


def test_weights_are_copied_and_an_old_floor_is_not(folder, tmp_path):
    file = folder / "open_clip_config.json"
    config = json.loads(file.read_text())
    file.write_text(json.dumps({**config, "evidence_floor": 0.14}))
    bend_folder(folder, tmp_path / "bent", 0.4, 0.2)
    bent = json.loads((tmp_path / "bent" / "open_clip_config.json").read_text())
    assert "evidence_floor" not in bent
    assert bent["model_cfg"] == config["model_cfg"]
    assert bent["bend"] == {"slope": 0.4, "shift": 0.2}


def test_a_text_projection_that_is_a_layer_bends_too(folder):
    scorer, other = load_folder(folder), load_folder(folder)
    layer = torch.nn.Linear(128, clips.EMBED, bias=False)
    layer.weight.data = other.model.text_projection.data.T.clone()
    del other.model.text_projection
    other.model.text_projection = layer
    bend_model(other.model, 0.4, 0.2)
    assert torch.allclose(cosines(other), 0.2 + 0.4 * cosines(scorer), atol=2e-6)


@pytest.mark.parametrize(("slope", "shift"), [(0.0, 0.0), (-0.5, 0.1), (0.6, 0.5), (1.2, 0.0)])
def test_a_line_that_no_vectors_have_is_refused(slope, shift):
    with pytest.raises(InputError, match="at most 1 together"):
        constants_for(slope, shift)


def test_constants_make_unit_vectors_with_the_shift_between_them():
    image, text = (torch.tensor(c) for c in constants_for(0.3, -0.4))
    assert image.square().sum().item() == pytest.approx(0.7)
    assert text.square().sum().item() == pytest.approx(0.7)
    assert (image @ text).item() == pytest.approx(-0.4, abs=1e-6)


def test_the_line_takes_one_pair_of_moments_to_the_other():
    slope, shift = line_to(0.310, 0.162, {"matched": 0.5, "unmatched": 0.2})
    assert shift + slope * 0.5 == pytest.approx(0.310)
    assert shift + slope * 0.2 == pytest.approx(0.162)
    with pytest.raises(InputError, match="tells nothing apart"):
        line_to(0.3, 0.1, {"matched": 0.2, "unmatched": 0.2})


def test_moments_are_of_own_and_of_others_captions():
    class Scorer:
        def encode_images(self, images):
            light = images.mean(dim=(1, 2, 3))
            return F.normalize(torch.stack([light, torch.full_like(light, 0.5)], 1), dim=1)

        def encode_text(self, text):
            return F.normalize(torch.tensor([[float(text), 0.5]]), dim=1)

    import numpy as np

    found = moments(Scorer(), lambda i: (np.full((4, 4, 3), 255 * (i % 2), np.uint8), str(i % 2)), 2)
    assert found["matched"] == pytest.approx(1.0, abs=1e-5)
    assert found["unmatched"] == pytest.approx(math.cos(math.atan2(1, 0.5)), abs=1e-5)


def test_bad_requests_are_one_sentence(tmp_path, capsys, folder):
    assert main(["bend", str(tmp_path / "none"), str(tmp_path / "out")]) == 2
    assert "holds no open_clip_config.json" in capsys.readouterr().err
    assert main(["bend", str(folder), str(tmp_path / "out"), "--moments", "odd"]) == 2
    assert "choose one of vit-b-16" in capsys.readouterr().err


def test_what_is_found_does_not_depend_on_the_scale(tmp_path: Path) -> None:
    world = open_world("shapes")
    plain, settings = load_models("shapes", "demo"), world.settings("standard").find
    bend_folder(clip_folder("shapes", "demo"), tmp_path / "bent", 0.2, 0.1)
    bent = load_folder(tmp_path / "bent")
    for number in range(3):
        task = world.task("replace", 11, number)
        there = [
            find_regions(task.picture, task.caption, dino=plain.dino, scorer=scorer, settings=settings)
            for scorer in (plain.scorer, bent)
        ]
        assert len(there[0])
        assert there[0][0].box == there[1][0].box
