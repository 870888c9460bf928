"""Edits as people write them, one a line."""

from __future__ import annotations

import pytest

from region_core import InputError
from region_core.requests import Request, check_evidence, parse_request, parse_requests
from region_core.settings import PRESETS


@pytest.mark.parametrize(
    ("line", "request_"),
    [
        ("coffee -> soft drink", Request("coffee", "soft drink")),
        ("  a red cup->a vase  ", Request("a red cup", "a vase")),
        ("star | largest -> moon", Request("star", "moon", "largest")),
        ("star|LEFTMOST->moon", Request("star", "moon", "leftmost")),
        ("cup | 2nd -> vase", Request("cup", "vase", "2nd")),
        ("cup | not: a red cup -> vase", Request("cup", "vase", "best", "a red cup")),
        ("cup | Not: cup on the shelf | all -> vase", Request("cup", "vase", "all", "cup on the shelf")),
        ("cup | all | not: saucer -> vase", Request("cup", "vase", "all", "saucer")),
        ("\u676f\u5b50 -> \u82b1\u74f6", Request("\u676f\u5b50", "\u82b1\u74f6")),
    ],
)
def test_a_line_says_what_is_there_which_and_what_should_be(line: str, request_: Request) -> None:
    assert parse_request(line) == request_
    assert parse_request(request_.line) == request_


@pytest.mark.parametrize(("word", "place"), [("best", 0), ("1st", 0), ("2nd", 1), ("3rd", 2), ("12th", 11), ("all", 0)])
def test_a_place_counts_from_nought(word: str, place: int) -> None:
    assert Request("cup", "vase", word).place == place


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("a cup", "'a cup' is no edit; write what is there -> what should be there"),
        ("-> vase", "image_caption is empty"),
        ("cup ->", "editing_prompt is empty"),
        ("cup -> cup", "ask for something that is not there yet"),
        ("cup | middle -> vase", "'middle' says not which of several is meant; use best, all, largest"),
        ("cup | 2 -> vase", "'2' says not which"),
        ("cup | 0th -> vase", "'0th' says not which"),
        ("cup -> vase -> jug", "'cup -> vase -> jug' is no edit"),
    ],
)
def test_a_fault_is_told_with_its_line(line: str, says: str) -> None:
    with pytest.raises(InputError, match=says) as told:
        parse_request(line)
    assert str(told.value).count("\n") == 0
    with pytest.raises(InputError, match=f"^line 4: .*{says}"):
        parse_requests(f"star -> moon\n\n \n{line}\nanother fault")


def test_a_request_a_line_empty_lines_are_left_out_and_none_is_a_fault() -> None:
    assert parse_requests("\n cup -> vase \r\n\n\tstar | all -> moon\n") == [
        Request("cup", "vase"),
        Request("star", "moon", "all"),
    ]
    for nothing in ("", " \n\n"):
        with pytest.raises(InputError, match="there is no edit; write what is there -> what should be there, one edit"):
            parse_requests(nothing)


def test_the_published_method_makes_one_edit() -> None:
    with pytest.raises(InputError, match="edit says several edits, and preset paper makes one"):
        check_evidence(PRESETS["paper"], "edit")
    for name in ("fast", "standard", "quality"):
        check_evidence(PRESETS[name], "edit")
