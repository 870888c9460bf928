"""What a caption is compared with."""

from __future__ import annotations

import pytest

from region_core.find.texts import DISTRACTORS, distractors, is_background

from .colours import ColourScorer


def test_other_texts_are_encoded_once_for_each_scorer_with_their_article() -> None:
    one, other = ColourScorer(), ColourScorer()
    first = distractors(one)
    assert first.shape == (len(DISTRACTORS), 17)
    assert (distractors(one) == first).all()
    assert len(one.texts) == len(DISTRACTORS) == len(set(one.texts))
    assert {"a person", "an insect", "an apple", "an umbrella", "a red circle"} <= set(one.texts)
    for text in one.texts:
        article, noun = text.split()[:2]
        assert article == ("an" if noun[0] in "aeiou" else "a")
    distractors(other)
    assert len(other.texts) == len(DISTRACTORS)


@pytest.mark.parametrize("caption", ["background", " The  Background", "a background"])
def test_the_background_is_known_however_it_is_written(caption: str) -> None:
    assert is_background(caption)
    assert not is_background(f"{caption} of trees")
