"""What a caption is compared with."""

from __future__ import annotations

import pytest
import torch

from region_core.find.texts import NEAREST, RIVALS, contrast, is_ground, rivals, spread, standardised


class Reader:
    """Embeds a text as its length and what it begins with."""

    device = torch.device("cpu")

    def __init__(self) -> None:
        self.asked: list[str] = []

    def encode_texts(self, texts: list[str]) -> torch.Tensor:
        self.asked += texts
        return torch.tensor([[float(len(text)), float(ord(text[0]))] for text in texts])


def test_other_texts_are_encoded_once_for_each_model_with_their_article():
    one, other = Reader(), Reader()
    first = rivals(one)
    assert first is rivals(one)
    assert len(one.asked) == len(RIVALS)
    assert {"a person", "an insect", "an apple", "an umbrella", "a red circle"} <= set(one.asked)
    assert not [text for text in one.asked if text.split()[1][0] in "aeiou" and not text.startswith("an ")]
    assert not [text for text in one.asked if text.startswith("an ") and text.split()[1][0] not in "aeiou"]
    rivals(other)
    assert len(other.asked) == len(RIVALS)


def test_the_nearest_other_texts_are_what_a_caption_has_to_beat():
    seen, caption = torch.eye(3)[:1], torch.tensor([[0.9, 0, 0]])
    others = torch.tensor([[share, 1.0, 0] for share in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)])
    assert NEAREST == 5
    assert contrast(seen, caption, others).tolist() == pytest.approx([0.9 - 0.5])
    assert contrast(seen, caption, others[:2]).tolist() == pytest.approx([0.9 - 0.15])  # there are not always five


def test_how_far_a_caption_stands_out_is_in_standard_deviations():
    seen, caption = torch.eye(3)[:2], torch.tensor([[0.9, 0.1, 0]])
    others = torch.tensor([[0.1, 0.3, 0], [0.3, 0.3, 0], [0.5, 0.3, 0]])
    assert spread(seen, caption, others)[0] == pytest.approx((0.9 - 0.3) / 0.2)
    assert -1e12 < spread(seen, caption, others)[1] < -1000  # all others say the same: no division by zero


def test_deviations_have_mean_0_and_spread_1_and_equal_numbers_have_none():
    assert standardised(torch.tensor([1.0, 3.0])).tolist() == pytest.approx([-1, 1])
    assert standardised(torch.tensor([0.1, 0.3, 0.5])).tolist() == pytest.approx([-(1.5**0.5), 0, 1.5**0.5], abs=1e-5)
    assert standardised(torch.full((4,), 0.3)).tolist() == [0] * 4
    assert standardised(torch.tensor([7.0])).tolist() == [0]


@pytest.mark.parametrize("caption", ["background", " The  Background", "a background"])
def test_the_ground_is_known_however_it_is_written(caption):
    assert is_ground(caption)
    assert not is_ground(f"{caption} of trees")
