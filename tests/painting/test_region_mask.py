"""Masks of regions: grown, feathered, seen through a window."""

from __future__ import annotations

import pytest
import torch

from region_core.boxes import boxes_to_masks
from region_core.errors import InputError
from region_core.painting import inpaint

from .parts import NATIVE, SIZES, boxes_for


def test_a_plain_region_is_the_box():
    boxes = boxes_for(90, 120)
    assert torch.equal(inpaint.region_mask(boxes, 90, 120), boxes_to_masks(boxes, 90, 120))


def test_growing_moves_the_border_of_the_region():
    mask = inpaint.region_mask(torch.tensor([[40.0, 30, 60, 50]]), 90, 120, grow=5)
    assert torch.equal(mask, boxes_to_masks(torch.tensor([[35.0, 25, 65, 55]]), 90, 120))


def test_the_feather_lies_inside_and_rises_to_one():
    box = torch.tensor([[20.0, 30, 60, 80]])
    hard, soft = (inpaint.region_mask(box, 120, 100, 0, feather) for feather in (0, 4))
    assert torch.equal(soft > 0, hard > 0)
    row = soft[0, 0, 55, 20:60]
    assert row[:4].tolist() == pytest.approx([0.125, 0.375, 0.625, 0.875])
    assert torch.equal(row, row.flip(0))
    assert row[4:-4].unique().tolist() == [1]
    assert soft[0, 0, 30:34, 40].tolist() == pytest.approx([0.125, 0.375, 0.625, 0.875])


def test_there_is_no_feather_along_the_border_of_the_picture():
    soft = inpaint.region_mask(torch.tensor([[0.0, 0, 40, 90]]), 90, 120, feather=6)
    assert soft[0, 0, :, :34].unique().tolist() == [1]
    assert soft[0, 0, 45, 39] < 0.2
    assert inpaint.region_mask(torch.tensor([[0.0, 0, 120, 90]]), 90, 120, feather=6).min() == 1


@pytest.mark.parametrize("side", [1, 2, 7, 8])
def test_the_middle_of_a_box_smaller_than_the_feather_is_still_edited(side):
    soft = inpaint.region_mask(torch.tensor([[20.0, 20, 20 + side, 20 + side]]), 60, 60, feather=50)
    assert soft.max() == 1
    assert int((soft > 0).sum()) == side * side


@pytest.mark.parametrize(("grow", "feather", "words"), [(-1, 0, "-1"), (0, -2, "-2")])
def test_negative_growth_and_feather_are_refused(grow, feather, words):
    with pytest.raises(InputError, match=words):
        inpaint.region_mask(torch.tensor([[1.0, 1, 9, 9]]), 60, 60, grow, feather)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_masks_straight_from_boxes_equal_masks_by_way_of_the_picture(height, width):
    boxes = boxes_for(height, width) + 0.3
    windows = inpaint.windows_for(boxes, height, width, NATIVE)
    long_way = inpaint.crop_masks(boxes_to_masks(boxes, height, width), windows, NATIVE)
    assert torch.equal(inpaint.box_masks(boxes, windows, height, width, NATIVE), long_way)


@pytest.mark.parametrize("side", [100, 128, 300, 777])
def test_a_native_pixel_is_masked_when_any_masked_source_pixel_touches_it(side):
    window = torch.tensor([[11, 7, 11 + side, 7 + side]])
    generator = torch.Generator().manual_seed(side)
    for x, y in torch.randint(0, side, (20, 2), generator=generator).tolist():
        mask = torch.zeros(1, 1, 800, 900)
        mask[0, 0, 7 + y, 11 + x] = 0.01  # faint, and still hard for the model
        native = inpaint.crop_masks(mask, window, NATIVE)[0, 0]
        at = torch.arange(NATIVE)
        columns = (at * side < (x + 1) * NATIVE) & ((at + 1) * side > x * NATIVE)
        rows = (at * side < (y + 1) * NATIVE) & ((at + 1) * side > y * NATIVE)
        assert torch.equal(native, (rows[:, None] & columns).float())
