"""Borders: growth in proportion to the region, a fade that never shows the old thing, exact outside."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from region_core.find import Box
from region_core.paint.borders import Borders
from region_core.settings import PaintSettings

NONE = {"grow_percent": 0.0, "feather_percent": 0.0}
ALL = [{}, {**NONE, "grow": 5, "feather": 60}, {**NONE, "feather": 30}, {"grow_percent": 30.0, "feather_percent": 10.0}]
BOXES = [(40, 30, 70, 62), (0, 0, 11, 90), (70, 60, 81, 120), (1, 2, 119, 150), (50, 50, 51, 51)]
HEIGHT, WIDTH = 150, 120


def box_mask(box: Box) -> Tensor:
    mask = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    mask[box[1] : box[3], box[0] : box[2]] = True
    return mask


def borders(box: Box, **values: Any) -> Borders:
    return Borders.round(box, PaintSettings(**values))


def by_formula(box: Box, values: dict[str, Any]) -> Tensor:
    """How much shows round a box, by its sides alone: a smooth step of the distance to the box that is solid."""
    settings = PaintSettings(**values)
    side = math.sqrt((box[2] - box[0]) * (box[3] - box[1]))
    growth, fade = (
        math.ceil(max(side * percent / 100 - 1e-3, least))
        for percent, least in ((settings.grow_percent, settings.grow), (settings.feather_percent, settings.feather))
    )
    solid = growth - math.floor(min(fade / 2, growth / 2))
    x, y = torch.arange(WIDTH), torch.arange(HEIGHT)
    across = torch.maximum(box[0] - solid - x, x - (box[2] + solid - 1)).clamp(min=0)
    down = torch.maximum(box[1] - solid - y, y - (box[3] + solid - 1)).clamp(min=0)
    shown = (1 - torch.hypot(down[:, None].float(), across[None].float()) / (fade + 1)).clamp(min=0)
    shown = shown**2 * (3 - 2 * shown)
    return shown.masked_fill(shown < 0.5 / 255, 0)


@pytest.mark.parametrize("values", ALL, ids=str)
@pytest.mark.parametrize("box", BOXES, ids=str)
def test_of_a_box_the_blend_is_what_the_formula_of_boxes_gives(box: Box, values: dict[str, Any]) -> None:
    made = borders(box, **values).blend(box_mask(box))
    torch.testing.assert_close(made, by_formula(box, values), atol=1e-6, rtol=0)


def ring() -> Tensor:
    """A region of no box: a disc with a hole, and a speck."""
    y, x = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    far = torch.hypot(x - 60.0, y - 70.0)
    mask = (far < 30) & (far > 14)
    mask[20, 100] = True
    return mask


@pytest.mark.parametrize("values", ALL, ids=str)
@pytest.mark.parametrize("mask", [ring(), *(box_mask(box) for box in BOXES)], ids=["ring", *map(str, BOXES)])
def test_solid_over_the_region_falls_to_nothing_and_nothing_beyond_what_is_touched(mask: Tensor, values) -> None:
    rows, columns = mask.any(dim=1).nonzero().flatten(), mask.any(dim=0).nonzero().flatten()
    box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    made = borders(box, **values)
    blend = made.blend(mask)
    assert bool((blend[mask] == 1).all())
    assert 0 <= float(blend.min()) <= float(blend.max()) <= 1
    touched = made.touched(box, HEIGHT, WIDTH)
    outside = ~box_mask(touched)
    assert not bool(blend[outside].any())
    assert not bool(made.grown(mask)[outside].any())
    # little more than what changes
    changed = (blend > 0).nonzero()
    low, high = changed.min(dim=0).values.tolist(), (changed.max(dim=0).values + 1).tolist()
    assert all(abs(a - b) <= 1 for a, b in zip((*low[::-1], *high[::-1]), touched, strict=True))


def test_the_fade_does_not_come_over_the_nearer_half_of_the_growth() -> None:
    mask = ring()
    for values in ALL:
        made = borders((30, 40, 90, 100), **values)
        half = Borders(made.growth // 2, 0, 0).grown(mask)
        assert bool((made.blend(mask)[half] == 1).all()), values


def test_without_growth_and_fade_the_blend_is_the_mask() -> None:
    made = borders((30, 40, 90, 100), **NONE)
    assert torch.equal(made.blend(ring()), ring().float())
    assert torch.equal(made.grown(ring()), ring())
    assert made.touched((30, 40, 90, 100), HEIGHT, WIDTH) == (30, 40, 90, 100)


@pytest.mark.parametrize("scale", [1, 4, 20])
def test_a_region_grows_with_its_size(scale: int) -> None:
    box = (20 * scale, 30 * scale, 60 * scale, 120 * scale)  # the geometric mean of its sides is 60
    assert borders(box, grow_percent=10.0).growth == 6 * scale
    assert borders(box, feather_percent=20.0).fade == 12 * scale


def test_pixels_are_the_least_and_a_part_of_one_is_one_more() -> None:
    box = (40, 40, 80, 80)
    assert [borders(box, grow_percent=10.0, grow=least).growth for least in (3, 9)] == [4, 9]
    assert [borders(box, feather_percent=10.0, feather=least).fade for least in (3, 9)] == [4, 9]
    assert borders((20, 20, 62, 62), grow_percent=10.0).growth == 5  # a tenth of 42


@pytest.mark.parametrize("side", [40, 900])
def test_by_default_a_rim_that_was_cut_off_is_covered(side: int) -> None:
    """A region that is short of its thing on every side, by 8 % of its own."""
    made = borders((200, 200, 200 + side, 200 + side))
    assert made.growth >= 0.08 * side
    mask = torch.zeros(side * 2, side * 2, dtype=torch.bool)
    low = side // 2
    mask[low : low + side, low : low + side] = True
    thing = Borders(round(0.08 * side), 0, 0).grown(mask)
    left = float(((1 - made.blend(mask)) * thing).sum() / thing.sum())
    assert left < 0.01  # 26 % where it is not covered at all


def test_the_fade_lies_inside_and_outside_the_grown_border_and_falls_evenly() -> None:
    made = borders((40, 40, 80, 80), grow_percent=20.0, feather_percent=20.0)
    row = made.blend(box_mask((40, 40, 80, 80)))[60]
    assert ((row > 0) & (row < 1)).nonzero()[:, 0].tolist() == [*range(28, 36), *range(84, 92)]
    assert made.grown(box_mask((40, 40, 80, 80)))[60].nonzero()[0].item() == 32  # four of the fade within, four beyond
    assert bool((row[27:37].diff() > 0).all())
    torch.testing.assert_close(row, row.flip(0))
    assert float(row.diff().abs().max()) < 0.2


def test_there_is_no_fade_along_the_border_of_the_picture() -> None:
    box = (0, 0, 40, HEIGHT)
    blend = borders(box).blend(box_mask(box))
    assert blend[:, :40].unique().tolist() == [1]
    assert 0 < float(blend[45, 50]) < 1


def test_what_is_black_in_a_file_of_the_mask_is_unchanged() -> None:
    mask = torch.zeros(1400, 1400, dtype=torch.bool)
    mask[400:900, 400:900] = True
    blend = borders((400, 400, 900, 900), grow_percent=10.0, feather_percent=100.0).blend(mask)
    assert not bool(((blend > 0) & ((blend * 255).round() == 0)).any())
    assert 0.5 <= float(blend[blend > 0].min()) * 255 < 0.7  # and no more than that is left out
