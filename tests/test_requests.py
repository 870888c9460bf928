"""Edits said in a line, and which of several regions a line means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch

from region_core.errors import InputError
from region_core.find import Region, Regions
from region_core.find.which import choose
from region_core.requests import WHICH, Request, parse_request, parse_requests

BOXES = {"best": (40, 40, 60, 60), "large": (0, 50, 38, 90), "small": (70, 10, 80, 20), "low": (62, 75, 78, 99)}


def regions_of(names: Sequence[str] = tuple(BOXES)) -> Regions:
    """These regions, each a little less likely than the one before."""
    found = tuple(Region.from_box(BOXES[name], 100, 100, -0.1 * place) for place, name in enumerate(names))
    return Regions(found, "key", "a cup", torch.zeros(1, 1, 4, 4))


def named(regions: Sequence[Region]) -> list[str]:
    return [name for region in regions for name, box in BOXES.items() if box == region.box]


@pytest.mark.parametrize(
    ("line", "request_"),
    [
        ("coffee -> soft drink", Request("coffee", "soft drink")),
        ("  star|LARGEST->moon ", Request("star", "moon", "largest")),
        ("cup | not: a red cup -> vase", Request("cup", "vase", without="a red cup")),
        ("cup | 2nd | not: a red cup -> a -> b", Request("cup", "a -> b", "2nd", "a red cup")),
    ],
)
def test_a_line_is_a_request_and_back(line: str, request_: Request) -> None:
    assert parse_request(line) == request_
    assert parse_request(request_.line) == request_


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("coffee", "line 1: 'coffee' is no edit; write what is there -> what should be there"),
        ("a -> b\n\n -> b", "line 3: image_caption is empty"),
        ("cup -> cup", "line 1: image_caption and editing_prompt are both 'cup'"),
        ("cup | middle -> vase", "line 1: 'middle' says not which of several is meant"),
        (" \n", "there is no edit"),
    ],
)
def test_a_wrong_line_is_said_with_its_number(text: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_requests(text)
    assert str(caught.value).startswith(says)


@pytest.mark.parametrize(
    ("which", "means"),
    [
        ("best", ["best"]),
        ("all", list(BOXES)),
        ("largest", ["large"]),
        ("smallest", ["small"]),
        ("leftmost", ["large"]),
        ("rightmost", ["small"]),
        ("topmost", ["small"]),
        ("bottommost", ["low"]),
        ("2nd", ["large"]),
        ("9th", []),
    ],
)
def test_which_of_several_is_meant(which: str, means: list[str]) -> None:
    request = Request("cup", "vase", which)
    request.check()
    assert named(choose(regions_of(), request.which, request.place)) == means
    assert which in (*WHICH, "2nd", "9th")


def test_what_is_not_meant_is_left_out() -> None:
    assert named(choose(regions_of(), "best", 0, regions_of(["best"]))) == ["large"]
    nothing = replace(regions_of(["best"]), regions=(), why="not there")
    assert named(choose(regions_of(), "best", 0, nothing)) == ["best"]
    assert choose(nothing, "all") == []


def test_the_unlikely_and_what_is_the_same_thing_once_more_are_no_further_things() -> None:
    best, large, small, low = regions_of().regions
    regions = replace(regions_of(), regions=(best, replace(large, separate=False), small, replace(low, evidence=-9.0)))
    assert named(choose(regions, "all")) == ["best", "small"]
