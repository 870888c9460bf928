"""A region is a mask; its box is derived, in whole pixels, never empty."""

from __future__ import annotations

import pytest
import torch

from region_core import InputError, Region


def mask_of(region: Region) -> torch.Tensor:
    mask = region.mask
    assert mask.shape == (1, 1, *region.size)
    assert mask.dtype == torch.float32
    assert set(mask.unique().tolist()) <= {0.0, 1.0}
    return mask[0, 0]


def test_the_box_is_the_smallest_round_the_mask() -> None:
    mask = torch.zeros(1, 1, 90, 120)
    mask[..., 30, 7] = mask[..., 61, 80] = mask[..., 44, 99] = 1
    region = Region.from_mask(mask)
    assert region.box == (7, 30, 100, 62)
    assert all(isinstance(side, int) for side in region.box)
    assert torch.equal(region.mask, mask)
    assert region.area == pytest.approx(93 * 32 / (90 * 120))


def test_a_mask_is_what_is_above_a_half() -> None:
    soft = torch.tensor([0.0, 0.4, 0.5, 0.6, 1.0]).expand(1, 1, 40, 5)
    assert Region.from_mask(soft).box == (3, 0, 5, 40)
    for empty in (torch.zeros(1, 1, 40, 40), torch.full((1, 1, 40, 40), 0.5)):
        with pytest.raises(InputError, match="mask is empty"):
            Region.from_mask(empty)


@pytest.mark.parametrize("box", [(3, 5, 41, 60), (0, 0, 120, 90), (119, 89, 120, 90), (0, 40, 1, 41)])
def test_a_box_of_whole_pixels_comes_back_as_it_is(box: tuple[int, int, int, int]) -> None:
    region = Region.from_box(box, 90, 120)
    assert region.box == box
    wanted = torch.zeros(90, 120)
    wanted[box[1] : box[3], box[0] : box[2]] = 1
    assert torch.equal(mask_of(region), wanted)


@pytest.mark.parametrize(
    ("box", "made"),
    [
        ((-20, -9, 30, 40), (0, 0, 30, 40)),  # cut at the border
        ((100, 80, 400, 300), (100, 80, 120, 90)),
        ((10.6, 20.4, 30.4, 40.6), (11, 20, 30, 41)),  # the pixels whose centres it holds
        ((50.1, 60.1, 50.3, 60.2), (50, 60, 51, 61)),  # never empty
    ],
)
def test_other_boxes_are_cut_and_never_empty(box: tuple[float, ...], made: tuple[int, int, int, int]) -> None:
    assert Region.from_box(box, 90, 120).box == made


def test_coarse_cells_lie_over_the_whole_picture() -> None:
    cells = torch.zeros(6, 8, dtype=torch.bool)
    cells[2:4, 1:5] = True
    region = Region(cells, (300, 400))
    assert region.box == (50, 100, 250, 200)
    mask = mask_of(region)
    assert bool(mask[110:190, 60:240].all())  # all but the corners, which bilinear interpolation rounds
    outside = torch.ones(300, 400, dtype=torch.bool)
    outside[100:200, 50:250] = False
    assert not bool(mask[outside].any())
    assert float(mask.sum()) == pytest.approx(100 * 200, rel=0.06)


@pytest.mark.parametrize("size", [(33, 700), (700, 33), (90, 121), (64, 64)])
@pytest.mark.parametrize("place", [(0, 0), (5, 7), (2, 3)])
def test_one_cell_alone_is_a_region_of_any_picture(size: tuple[int, int], place: tuple[int, int]) -> None:
    cells = torch.zeros(6, 8, dtype=torch.bool)
    cells[place] = True
    region = Region(cells, size)
    x0, y0, x1, y1 = region.box
    assert 0 <= x0 < x1 <= size[1]
    assert 0 <= y0 < y1 <= size[0]
    assert bool(mask_of(region).any())
    assert abs((x0 + x1) / 2 / size[1] - (place[1] + 0.5) / 8) < 0.05


def test_cells_finer_than_the_picture_are_a_pixel_at_least() -> None:
    cells = torch.zeros(64, 64, dtype=torch.bool)
    cells[63, 63] = True
    region = Region(cells, (32, 40))
    assert region.box == (39, 31, 40, 32)
    assert mask_of(region).nonzero().tolist() == [[31, 39]]
    cells[63, 63], cells[0, 0] = False, True
    assert Region(cells, (32, 40)).box == (0, 0, 1, 1)
    for row in range(64):
        one = torch.zeros(64, 64, dtype=torch.bool)
        one[row, row] = True
        assert bool(mask_of(Region(one, (90, 121))).any())
