"""Long texts in pieces: nothing is lost, whatever the script."""

from __future__ import annotations

import pytest
import torch

from region_core.chunk_text import pieces_that_fit
from region_core.paint.diffusers_painter import DiffusersPainter

CHINESE = "在一片宁静的湖面上有一只红色的小船" * 12


def short(text: str) -> bool:
    return len(text) <= 20


@pytest.mark.parametrize("text", [CHINESE, "word " * 99, "a " + CHINESE + " b", "x" * 999, "one"])
def test_pieces_are_all_of_the_text_each_as_long_as_fits(text: str) -> None:
    pieces = pieces_that_fit(text, short)
    assert "".join("".join(pieces).split()) == "".join(text.split())
    assert all(short(piece) for piece in pieces)
    assert len(pieces) <= 2 + len(text) / 12  # and none is much shorter than it could be


def test_words_stay_whole_where_they_fit() -> None:
    pieces = pieces_that_fit("a red circle on a blue and green ground", short)
    assert pieces == ["a red circle on a", "blue and green", "ground"]
    assert pieces_that_fit("  \n ", short) == []


def test_few_questions_are_asked_of_a_tokenizer() -> None:
    asked = []
    pieces_that_fit("word " * 5000, lambda text: asked.append(1) or short(text))
    assert len(asked) < 5000 / 4 * 8


def test_where_not_a_character_fits() -> None:
    with pytest.raises(ValueError, match="not even 'a' fits"):
        pieces_that_fit("abc", lambda _text: False)


def test_long_chinese_prompts_that_differ_at_the_end_are_two_prompts(pipe) -> None:
    one, other, same = (
        DiffusersPainter(pipe, CHINESE * 3 + end).positive for end in ("圆形", "蓝色的方块和三角形", "圆形")
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
