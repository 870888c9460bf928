"""Which of several things is meant."""

from __future__ import annotations

import math

import pytest
import torch

from region_core.find import Region, Regions
from region_core.find.which import choose, parse_position, things

from .colours import Box, find, overlap, scene

LEFT, TALL, SMALL = (4, 60, 36, 100), (50, 4, 80, 120), (96, 60, 116, 76)
PLACES: dict[str, Box] = {"left": LEFT, "tall": TALL, "small": SMALL}


def found(*boxes: Box, chances: tuple[float, ...] = (0.35, 0.33, 0.32), separate: tuple[bool, ...] = ()) -> Regions:
    regions = tuple(
        Region(Region.from_box(box, 128, 128).cells, (128, 128), math.log(chance), apart)
        for box, chance, apart in zip(boxes, chances, separate or (True,) * len(boxes), strict=False)
    )
    return Regions(regions, "key", "red", torch.ones(1, 1, 8, 8), why="" if regions else "nothing is there")


def boxes(regions: list[Region]) -> list[Box]:
    return [region.box for region in regions]


THREE = found(SMALL, LEFT, TALL)


@pytest.mark.parametrize(
    ("which", "place", "names"),
    [
        ("best", 0, ["small"]),
        ("1st", 0, ["small"]),
        ("2nd", 1, ["left"]),
        ("3rd", 2, ["tall"]),
        ("4th", 3, []),
        ("all", 0, ["small", "left", "tall"]),
        ("largest", 0, ["tall"]),
        ("smallest", 0, ["small"]),
        ("leftmost", 0, ["left"]),
        ("rightmost", 0, ["small"]),
        ("topmost", 0, ["tall"]),
        ("bottommost", 0, ["left"]),
    ],
)
def test_which_is_meant_is_told_by_a_word(which: str, place: int, names: list[str]) -> None:
    assert boxes(choose(THREE, which, place)) == [PLACES[name] for name in names]


def test_things_are_separate_and_a_quarter_as_likely_as_the_best() -> None:
    wide = (0, 50, 40, 110)
    assert boxes(
        things(found(LEFT, wide, TALL, SMALL, chances=(0.4, 0.3, 0.2, 0.1), separate=(True, False, True, True)))
    ) == [LEFT, TALL, SMALL]
    assert boxes(things(found(LEFT, TALL, SMALL, chances=(0.7, 0.2, 0.1)))) == [LEFT, TALL]
    assert things(found()) == []
    for which in ("best", "all", "largest", "2nd"):
        assert choose(found(), which) == []


def test_what_is_not_meant_is_left_out() -> None:
    near = (6, 62, 38, 100)
    assert boxes(choose(THREE, "all", without=found(near))) == [SMALL, TALL]
    assert boxes(choose(THREE, "leftmost", without=found(near))) == [TALL]
    assert boxes(choose(THREE, "best", without=found(SMALL))) == [LEFT]
    assert boxes(choose(THREE, "all", without=found((0, 0, 128, 128)))) == [SMALL, LEFT, TALL]  # another thing
    assert boxes(choose(THREE, "all", without=found())) == [SMALL, LEFT, TALL]
    assert choose(found(SMALL), "all", without=found(SMALL)) == []


def test_of_three_of_a_kind_in_a_picture_each_is_found_by_its_word() -> None:
    one, large, low = (8, 20, 36, 48), (48, 12, 88, 60), (92, 84, 120, 112)
    regions = find(scene(("red", one), ("red", large), ("red", low)))
    assert len(choose(regions, "all")) == 3
    for which, box in (("leftmost", one), ("largest", large), ("bottommost", low), ("rightmost", low)):
        (region,) = choose(regions, which)
        assert overlap(region.box, box) > 0.75


@pytest.mark.parametrize(
    ("caption", "what", "which"),
    [
        ("the cup on the left", "the cup", "leftmost"),
        ("a cup, at the Top", "a cup", "topmost"),
        ("two cups on the far right side", "two cups", "rightmost"),
        ("a man looking to the right", "a man looking to the right", ""),
        ("the largest red cup", "the red cup", "largest"),
        ("a smallest cup", "the cup", "smallest"),
        ("the top hat", "the top hat", ""),
        ("the left shoe", "the left shoe", ""),
        ("a cup on the table", "a cup on the table", ""),
        ("a book at the bottom of a stack", "a book at the bottom of a stack", ""),
        ("on the left", "on the left", ""),
        ("largest", "largest", ""),
    ],
)
def test_a_caption_may_say_which_of_several(caption: str, what: str, which: str) -> None:
    assert parse_position(caption) == (what, which)


def test_the_one_that_the_caption_asks_for_comes_first() -> None:
    left, large = (8, 50, 40, 78), (70, 30, 122, 90)
    picture = scene(("red", left), ("red", large))
    for caption, box in (("red on the left", left), ("red on the right", large)):
        regions = find(picture, caption)
        assert overlap(regions[0].box, box) > 0.6, caption
        assert len(regions) == len(find(picture))
        assert regions.caption == caption
        evidence = [region.evidence for region in regions]
        assert evidence == sorted(evidence, reverse=True), "the edit is chosen by it, too"
    assert find(picture, "green on the left").why.count("green on the left") == 1


def test_the_background_on_a_side_is_the_background() -> None:
    picture = scene(("red", (50, 50, 80, 78)))
    left = find(picture, "the background on the left")
    assert {region.box for region in left} == {region.box for region in find(picture, "background")}
    assert left[0].box[2] < 100
