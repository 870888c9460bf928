"""The final score, by a CLIP that embeds a picture as its mean colour: every number can be worked out by hand."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from region_core.rank import Judgement, Ranking, improves, last

RED, GREEN, BLUE = torch.eye(3)
BOX = (24, 13, 44, 33)  # with AROUND times its sides: 21, 10, 47, 36
AROUND = 26


class ColourScorer:
    """The mean colour, not of unit length: what is said of a picture is a straight line in its pixels."""

    image_size = 26

    def encode_images(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean(dim=(2, 3))


def plain(colour: torch.Tensor) -> torch.Tensor:
    return colour.view(1, 3, 1, 1).expand(1, 3, 48, 80).clone()


def painted(colour: torch.Tensor, box: tuple[int, int, int, int] = BOX) -> torch.Tensor:
    edit = plain(RED)
    x0, y0, x1, y1 = box
    edit[..., y0:y1, x0:x1] = colour.view(3, 1, 1)
    return edit


def ranking(prompt: torch.Tensor = GREEN, caption: torch.Tensor = RED, **weights: float) -> Ranking:
    """Of edits of a red picture."""
    scorer, picture = ColourScorer(), plain(RED)
    texts = torch.stack([prompt, caption])
    found = SimpleNamespace(texts=texts, scorer=scorer, picture=picture, embedding=scorer.encode_images(picture))
    return Ranking(found, **weights)


def judged(edits: torch.Tensor, *boxes: tuple[int, int, int, int], **more) -> Judgement:
    return ranking(**more).judge(edits, torch.tensor(boxes, dtype=torch.float32))


def test_an_edit_from_caption_to_prompt_gains_one_and_pays_for_its_distance() -> None:
    said = judged(plain(GREEN), BOX)
    assert said.whole.item() == pytest.approx(1)
    assert said.near.item() == pytest.approx(1, abs=1e-5)
    assert said.text.item() == pytest.approx(1, abs=1e-5)
    assert said.picture.item() == pytest.approx(-0.5)  # half of its squared distance, in the texts' own
    assert said.score.item() == pytest.approx(2 * 1 - 0.5, abs=1e-5)


def test_each_weight_weighs_its_own_part() -> None:
    said = judged(plain(GREEN), BOX, alpha=3.0, beta=0.25)
    assert said.score.item() == pytest.approx(3 * 1 - 0.25 * 0.5, abs=1e-5)


@pytest.mark.parametrize("far", [1.0, 0.3, 4.0])
def test_the_texts_distance_is_the_unit(far: float) -> None:
    said = judged(plain(GREEN), BOX, prompt=RED + far * (GREEN - RED))
    assert said.whole.item() == pytest.approx(1 / far)
    assert said.picture.item() == pytest.approx(-0.5 / far**2)


def test_the_surroundings_are_judged_beside_the_whole() -> None:
    """The whole picture moves by the box's share of it, its surroundings by its share of them."""
    said = judged(painted(GREEN), BOX)
    share, around = 400 / (48 * 80), 400 / AROUND**2
    assert said.text.item() == pytest.approx((share + around) / 2, abs=0.01)
    assert said.whole.item() == pytest.approx(share)
    assert said.near.item() == pytest.approx(around, abs=0.01)
    moved = share**2 * 2 / 2 / 2  # squared, of a red and a green part, halved, in the texts' distance
    assert said.picture.item() == pytest.approx(-moved)
    assert said.score.item() == pytest.approx(share + around - moved, abs=0.01)


def test_the_surroundings_end_where_they_end() -> None:
    edit = plain(GREEN)
    edit[..., 10:36, 21:47] = RED.view(3, 1, 1)  # all but the surroundings
    said = judged(edit, BOX)
    assert said.whole.item() > 0.8
    assert abs(said.near.item()) < 0.02


def test_each_edit_is_judged_in_its_own_place() -> None:
    other = (2, 2, 12, 22)
    said = judged(torch.cat([painted(GREEN), painted(GREEN, other), painted(BLUE)]), BOX, BOX, BOX)
    assert said.near[0] > 0.5
    assert abs(said.near[1]) < 1e-5
    assert 0 < said.whole[1] < said.whole[0]
    assert said.whole[2] == pytest.approx(said.whole[0] / 2)  # away from the caption, not towards the prompt
    assert judged(painted(GREEN, other), other).near > 0.5


def test_what_is_no_change_is_no_better_than_the_source() -> None:
    said = judged(torch.cat([plain(RED), painted(GREEN)]), BOX, BOX)
    assert said.score[0] == 0
    assert improves(said).tolist() == [False, True]


def test_an_edit_away_from_the_prompt_is_worse_than_none() -> None:
    said = judged(painted(BLUE), BOX, prompt=RED, caption=BLUE)
    assert said.whole < 0
    assert said.near < 0
    assert said.score < 0
    assert not improves(said)


def test_it_is_enough_to_be_better_as_a_whole_or_near() -> None:
    whole, near = torch.tensor([0.1, -0.1, 0.0, -0.1]), torch.tensor([-0.1, 0.1, 0.0, -0.1])
    assert improves(Judgement(whole, near, whole, whole)).tolist() == [True, True, False, False]


def test_equal_texts_are_no_nan() -> None:
    said = judged(painted(GREEN), BOX, prompt=RED)
    assert said.whole.item() == 0
    assert bool(said.score.isfinite())


def test_what_is_no_number_is_behind_all_others() -> None:
    edits = torch.cat([painted(GREEN), plain(BLUE) * float("nan"), painted(BLUE)])
    said = judged(edits, BOX, BOX, BOX)
    assert said.score.argsort(descending=True).tolist() == [0, 2, 1]
    assert last(torch.tensor([1.0, float("nan"), -3.0])).tolist() == [1, -float("inf"), -3]
