"""Masks of regions, seen through a window."""

from __future__ import annotations

import pytest
import torch

from region_core.boxes import boxes_to_masks
from region_core.paint import windows as way

from .parts import NATIVE, SIZES, boxes_for, crop_masks


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_masks_straight_from_boxes_equal_masks_by_way_of_the_picture(height, width):
    boxes = boxes_for(height, width) + 0.3
    windows = way.windows_for(boxes, height, width, NATIVE)
    long_way = crop_masks(boxes_to_masks(boxes, height, width), windows, NATIVE)
    assert torch.equal(way.box_masks(boxes, windows, height, width, NATIVE), long_way)


@pytest.mark.parametrize("side", [100, 128, 300, 777])
def test_a_native_pixel_is_masked_when_any_masked_source_pixel_touches_it(side):
    window = torch.tensor([[11, 7, 11 + side, 7 + side]])
    generator = torch.Generator().manual_seed(side)
    for x, y in torch.randint(0, side, (20, 2), generator=generator).tolist():
        pixel = torch.tensor([[11.0 + x, 7 + y, 12 + x, 8 + y]])
        native = way.box_masks(pixel, window, 800, 900, NATIVE)[0, 0]
        at = torch.arange(NATIVE)
        columns = (at * side < (x + 1) * NATIVE) & ((at + 1) * side > x * NATIVE)
        rows = (at * side < (y + 1) * NATIVE) & ((at + 1) * side > y * NATIVE)
        assert torch.equal(native, (rows[:, None] & columns).float())
