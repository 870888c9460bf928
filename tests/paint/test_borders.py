"""Borders: growth in proportion to the region, a fade that never shows the old thing, exact outside."""

import pytest
import torch

from region_core.boxes import boxes_to_masks
from region_core.errors import InputError
from region_core.paint.borders import Borders
from region_core.settings import SearchSettings, preset

DEFAULT = Borders.of(SearchSettings())


def test_without_growth_and_fade_the_mask_is_the_box():
    boxes = torch.tensor([[40.0, 30, 60, 50], [0, 0, 120, 90], [3.4, 5.6, 4.2, 80]])
    assert torch.equal(Borders().masks(boxes, 90, 120), boxes_to_masks(boxes, 90, 120))


@pytest.mark.parametrize("scale", [1, 4, 20])
def test_a_region_grows_with_its_size(scale):
    box = torch.tensor([[20.0, 30, 60, 120]]) * scale  # the geometric mean of its sides is 60
    grown = Borders(grow_percent=10).painted(box, 150 * scale, 100 * scale)
    assert (box - grown).abs().unique().tolist() == [6 * scale]


@pytest.mark.parametrize("side", [40, 900])
def test_by_default_a_cut_off_rim_is_covered_in_a_small_picture_and_in_a_large_one(side):
    """A box that is short of its thing on every side, by 8 % of its own."""
    found = torch.tensor([[200.0, 200, 200 + side, 200 + side]])
    thing = found + 0.08 * side * torch.tensor([-1.0, -1, 1, 1])
    x0, y0, x1, y1 = (thing - DEFAULT.painted(found, 2100, 2600))[0].tolist()
    assert min(x0, y0, -x1, -y1) >= 0
    old = boxes_to_masks(thing, 2100, 2600)
    left = float((old * (1 - DEFAULT.masks(found, 2100, 2600))).sum() / old.sum())
    assert left < 0.01  # 26 % where it is not covered at all


@pytest.mark.parametrize("borders", [DEFAULT, Borders(5, 60), Borders(0, 30), Borders(30, 10), Borders(feather=9)])
def test_the_fade_lies_neither_over_the_region_as_found_nor_over_the_nearer_half_of_its_growth(borders):
    boxes = torch.tensor([[40.0, 30, 70, 62], [0, 0, 11, 90]])
    half = boxes + (borders.painted(boxes, 90, 120) - boxes) / 2
    assert bool((borders.masks(boxes, 90, 120)[boxes_to_masks(half, 90, 120) > 0] == 1).all())


def test_the_fade_lies_inside_and_outside_the_grown_border_and_falls_evenly():
    box = torch.tensor([[40.0, 40, 80, 80]])
    row = Borders(20, 20).masks(box, 120, 120)[0, 0, 60]
    painted = Borders(20, 20).painted(box, 120, 120)[0].tolist()
    faded = ((row > 0) & (row < 1)).nonzero()[:, 0].tolist()
    assert faded == [*range(28, 36), *range(84, 92)]
    assert painted[0] == 32  # four pixels of the fade within, four beyond
    assert bool((row[27:37].diff() > 0).all())
    assert torch.equal(row, row.flip(0))
    assert float(row.diff().abs().max()) < 0.2


def test_there_is_no_fade_along_the_border_of_the_picture():
    box = torch.tensor([[0.0, 0, 40, 90]])
    mask = DEFAULT.masks(box, 90, 120)
    assert mask[0, 0, :, :40].unique().tolist() == [1]
    assert 0 < float(mask[0, 0, 45, 50]) < 1


def test_pixels_are_the_least():
    box = torch.tensor([[40.0, 40, 80, 80]])
    assert Borders(10, grow=3).painted(box, 120, 120).tolist() == [[36, 36, 84, 84]]
    assert Borders(10, grow=9).painted(box, 120, 120).tolist() == [[31, 31, 89, 89]]


@pytest.mark.parametrize("wrong", [{"grow": -1}, {"feather": -2.0}, {"grow_percent": float("nan")}])
def test_widths_below_zero_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        Borders(**wrong)


@pytest.mark.parametrize("borders", [DEFAULT, Borders(5, 60), Borders(0, 30), Borders(30, 10), Borders(feather=9)])
def test_what_is_touched_is_all_that_changes_and_little_more(borders):
    boxes = torch.tensor([[60.0, 50, 100, 82], [70, 60, 81, 120]])
    touched = borders.touched(boxes, 200, 200)
    for mask, (x0, y0, x1, y1) in zip(borders.masks(boxes, 200, 200), touched.long().tolist(), strict=True):
        rows, columns = mask[0].any(dim=1).nonzero().flatten(), mask[0].any(dim=0).nonzero().flatten()
        assert 0 <= int(rows[0]) - y0 <= 1
        assert 0 <= int(columns[0]) - x0 <= 1
        assert 0 <= y1 - 1 - int(rows[-1]) <= 1
        assert 0 <= x1 - 1 - int(columns[-1]) <= 1


def test_a_part_of_a_pixel_is_one_more():
    box = torch.tensor([[20.0, 20, 62, 62]])  # a tenth of 42
    assert Borders(10).painted(box, 120, 120).tolist() == [[15, 15, 67, 67]]


def test_what_is_black_in_a_file_of_the_mask_is_unchanged():
    mask = Borders(10, 100).masks(torch.tensor([[400.0, 400, 900, 900]]), 1400, 1400)
    assert not bool(((mask > 0) & ((mask * 255).round() == 0)).any())
    assert 0.5 <= float(mask[mask > 0].min()) * 255 < 0.7  # and no more than that is left out


def test_the_published_method_knows_of_no_tint():
    assert DEFAULT.tinted
    assert not Borders.of(preset("paper")).tinted
