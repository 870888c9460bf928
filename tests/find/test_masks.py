"""Candidate regions as masks."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import ndimage
from torchvision.ops import box_iou

from region_core.find.masks import (
    FINE,
    box_mask,
    boxes_round,
    coarse,
    fitted_mask,
    level_masks,
    of_size,
    similarity_masks,
    window_masks,
)

THING = (5.0, 3.0, 9.0, 12.0)  # x0, y0, x1, y1 in cells of a 16 x 12 (rows x columns) grid


def cells_with(thing: tuple[float, ...], noise: float = 0.2) -> torch.Tensor:
    """Unit features [8, 16, 12] that differ inside a box from those outside."""
    torch.manual_seed(1)
    values = noise * torch.randn(8, 16, 12)
    x0, y0, x1, y1 = (int(v) for v in thing)
    values[0] += 1
    values[0, y0:y1, x0:x1] -= 1
    values[1, y0:y1, x0:x1] += 1
    return F.normalize(values - values.mean(dim=(1, 2), keepdim=True), dim=0)


def best(masks, box=THING) -> float:
    return float(box_iou(boxes_round(masks), torch.tensor([box])).max())


def test_what_is_like_an_anchor_is_its_thing():
    assert best(similarity_masks(cells_with(THING), [(7, 6)])) > 0.85


def fading(rows: int = 12, columns: int = 40, at: int = 10) -> torch.Tensor:
    """Unit features that turn evenly away from a column: their likeness to it is the cosine of an angle."""
    angle = (torch.arange(columns) - at).abs().expand(rows, columns) / columns * math.pi
    return torch.stack([angle.cos(), angle.sin()])


def test_what_is_like_an_anchor_is_taken_at_each_share_of_the_way_from_the_usual():
    cells = fading()
    masks, shares = similarity_masks(cells, [(6, 10)]), (0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85)
    assert len(masks) == len(shares)
    widths = (boxes_round(masks)[:, 2] - boxes_round(masks)[:, 0]).tolist()
    assert widths == sorted(widths, reverse=True)
    likeness = torch.einsum("d,dhw->hw", cells[:, 6, 10], cells)[6]
    usual = float(likeness.median())
    for share, width in zip(shares, widths, strict=True):
        level = usual + (1 - usual) * share
        assert width == pytest.approx(int((likeness > level).sum()), abs=1.5)


@pytest.mark.parametrize("anchor", [(0, 0), (11, 39), (0, 39), (11, 0)])
def test_an_anchor_at_the_border_has_its_surroundings_too(anchor):
    row, column = anchor
    for mask in similarity_masks(fading(at=column), [anchor]):
        assert mask[min(row * FINE + 1, 23), min(column * FINE + 1, 79)]


@pytest.mark.parametrize("anchor", [(7, 6), (0, 0), (15, 11), (9, 0), (3, 11)])
def test_a_mask_is_the_connected_part_round_its_anchor_of_what_is_like_the_nine_cells_there(anchor):
    torch.manual_seed(3)
    cells = F.normalize(F.interpolate(torch.randn(1, 6, 5, 4), (16, 12), mode="bicubic")[0], dim=0)
    (row, column), place = anchor, tuple(int(2 * at + 1) for at in anchor)
    rows, columns = (slice(max(at - 1, 0), at + 2) for at in (row, column))
    likeness = torch.einsum("d,dhw->hw", cells[:, rows, columns].mean(dim=(1, 2)), cells)
    fine = F.interpolate(likeness[None, None], scale_factor=2, mode="bilinear")[0, 0].numpy()
    usual, wanted = np.median(fine), []
    for level in np.arange(0.25, 0.9, 0.1):
        parts, _ = ndimage.label(fine > usual + (fine[place] - usual) * level)
        wanted += [ndimage.binary_fill_holes(parts == parts[place])] if parts[place] else []
    masks = similarity_masks(cells, [anchor])
    assert len(masks) == len(wanted) > 0
    for mask, one in zip(masks, wanted, strict=True):
        assert (mask != one).mean() < 0.01, "but for what lies on a level"


def test_an_anchors_own_features_are_those_of_its_surroundings():
    """A single odd cell in a thing is still the thing."""
    cells = cells_with(THING, noise=0.05)
    cells[:, 7, 6] = F.normalize(cells[:, 0, 0] + 0.1, dim=0)
    assert best(similarity_masks(cells, [(7, 6)])) > 0.8


def test_what_is_not_connected_is_another_thing_and_holes_are_filled():
    cells = torch.zeros(2, 12, 24)
    cells[0] = 1
    cells[:, 2:9, 2:9], cells[:, 2:9, 14:21] = (
        torch.tensor([0.0, 1]).view(2, 1, 1),
        torch.tensor([0.0, 1]).view(2, 1, 1),
    )
    cells[:, 5, 5] = torch.tensor([1.0, 0])  # a hole
    for mask in similarity_masks(cells, [(3, 3)]):
        assert not mask[:, 12 * FINE :].any()
        assert mask[5 * FINE, 5 * FINE]


def test_levels_of_a_map_are_even_steps_from_its_median_to_its_highest():
    values = torch.cat([torch.zeros(8, 10), torch.linspace(0, 1, 10).expand(8, 10)], dim=1)
    masks = level_masks(values)
    assert len(masks) == 9
    left = boxes_round(masks)[:, 0]
    assert left.tolist() == pytest.approx([10 + 0.9 * level + 0.5 for level in range(1, 10)], abs=0.75)
    assert left.tolist() == sorted(left.tolist())


def test_of_a_level_the_largest_pieces_are_taken():
    values = torch.zeros(8, 60)
    for piece, width in enumerate((2, 5, 3, 6, 4)):
        values[2:6, piece * 12 + 2 : piece * 12 + 2 + width] = 1
    masks = level_masks(values)
    assert len(masks) == 9 * 4
    left = boxes_round(masks[:4])[:, 0]
    assert left.tolist() == pytest.approx([38, 14, 50, 26], abs=1)  # from 6 cells wide to 3
    values[3:5, 39] = 0  # what is inside a piece belongs to it
    assert level_masks(values)[4 * 4][4 * FINE - 1, 39 * FINE]


def test_a_level_of_a_map_is_found():
    values = torch.zeros(16, 12)
    values[3:12, 5:9] = torch.linspace(1, 2, 4)
    assert best(level_masks(values)) > 0.8


def test_windows_reach_the_border_and_hold_the_whole_picture():
    boxes = boxes_round(window_masks([(0, 0), (15, 11)], (16, 12)))
    assert boxes[0].tolist() == [0, 0, 12, 16]
    assert boxes.min() >= 0
    assert (boxes[:, 2] <= 12).all()
    assert (boxes[:, 3] <= 16).all()
    assert ((boxes[:, 2:] - boxes[:, :2]).prod(dim=1) > 0).all()


def test_windows_have_all_sides_and_aspects_about_the_middle_of_their_anchor():
    boxes = boxes_round(window_masks([(20, 30)], (40, 90), (0.25, 1.0)))
    assert len(boxes) == 1 + 4 * 2
    centres = (boxes[1:, :2] + boxes[1:, 2:]) / 2
    torch.testing.assert_close(centres, torch.tensor([[30.5, 20.5]]).expand(8, 2), atol=0.5, rtol=0)
    sides = boxes[1:, 2:] - boxes[1:, :2]
    for (across, down), share in zip(sides[1::2].tolist(), (0.1, 0.2, 0.4), strict=False):
        assert across == down == pytest.approx(60 * share, abs=0.6)  # 60 is the geometric mean side
    assert sides[2].tolist() == pytest.approx([60 * 0.2 / 2, 60 * 0.2 * 2], abs=0.6)


def test_windows_are_squares_or_three_times_as_long_one_way():
    boxes = boxes_round(window_masks([(60, 60)], (120, 120)))[4:7]  # the second of the sides
    sides = boxes[:, 2:] - boxes[:, :2]
    assert (sides[:, 0] / sides[:, 1]).tolist() == pytest.approx([1 / 3, 1, 3], rel=0.06)


def test_a_mask_has_at_least_one_place_in_the_grid():
    for box, made in (
        ((3.1, 3.1, 3.2, 3.2), [3, 3, 3.5, 3.5]),
        ((-5, -5, 0, 0), [0, 0, 0.5, 0.5]),
        ((20, 20, 30, 30), [11.5, 15.5, 12, 16]),
        ((-3, 2, 30, 4), [0, 2, 12, 4]),
    ):
        assert boxes_round([box_mask(box, (16, 12))]).tolist() == [made]


def test_a_cell_is_covered_by_its_share():
    mask = np.zeros((2 * FINE, 3 * FINE), dtype=np.float32)
    mask[0, 0] = mask[:2, 2:4] = mask[2, 5] = mask[3, 4:6] = 1
    assert coarse(torch.from_numpy(mask)[None]).tolist() == [[0.25, 1, 0, 0, 0, 0.75]]


@pytest.mark.parametrize("start", [(4.0, 2.0, 11.0, 14.0), (5.0, 5.0, 9.0, 9.0)])
def test_a_box_too_large_or_too_small_is_fitted(start):
    fitted = fitted_mask(box_mask(start, (16, 12)), cells_with(THING))
    before = float(box_iou(torch.tensor([start]), torch.tensor([THING])))
    assert before < 0.6 < 0.7 < best([fitted])


def test_what_leaves_nothing_outside_is_not_fitted():
    assert fitted_mask(np.ones((16 * FINE, 12 * FINE), dtype=bool), cells_with(THING)) is None


def test_of_several_things_the_one_under_the_mask_is_fitted():
    cells = cells_with(THING, noise=0.05)
    cells[:, 3:5, 0:3] = cells[:, 3:5, 5:8]  # a smaller one of the same kind, on which the mask lies in part
    fitted = fitted_mask(box_mask((2.0, 3.0, 9.0, 12.0), (16, 12)), cells)
    assert best([fitted]) > 0.6
    assert not fitted[:, : 3 * FINE].any()


def test_what_leaves_too_little_outside_or_has_nothing_inside_is_not_fitted():
    cells, whole = cells_with(THING), np.ones((16 * FINE, 12 * FINE), dtype=bool)
    whole[:FINE, : 5 * FINE] = False  # five cells are outside, of six that are asked for
    assert fitted_mask(whole, cells) is None
    whole[:FINE, : 6 * FINE] = False
    assert fitted_mask(whole, cells) is not None
    assert fitted_mask(np.zeros_like(whole), cells) is None


def test_a_ground_of_several_kinds_is_told_from_the_thing():
    """Grounds that differ more from one another than the thing does from the nearest."""
    torch.manual_seed(2)
    cells = 0.05 * torch.randn(8, 16, 12)
    for column, kind in enumerate((2, 3, 4, 5)):
        cells[kind, :, column * 3 : column * 3 + 3] += 1
    cells[:, 3:12, 5:9] = 0.05 * torch.randn(8, 9, 4)
    cells[3:5, 3:12, 5:9] += 0.5
    cells[1, 3:12, 5:9] += 0.6
    fitted = fitted_mask(box_mask((4.0, 2.0, 10.0, 13.0), (16, 12)), F.normalize(cells, dim=0))
    assert best([fitted]) > 0.85


def test_a_box_goes_to_a_mask_and_back():
    assert boxes_round([box_mask((1.5, 2, 7, 9.5), (16, 12))]).tolist() == [[1.5, 2, 7, 9.5]]


def test_a_region_may_be_as_large_as_is_said_and_the_whole_picture_where_all_is_allowed() -> None:
    grid = (8, 16)
    boxes = [(0, 0, 16, 8), (0, 0, 8, 8), (2, 2, 6, 6), (0, 0, 1, 1), (2, 2, 6, 6)]
    made = [box_mask(box, grid) for box in boxes]

    def kept(least: float, most: float) -> list[tuple[float, ...]]:
        return [tuple(box) for box in boxes_round(of_size(made, least, most)).tolist()]

    assert kept(0.02, 1.0) == [(0, 0, 16, 8), (0, 0, 8, 8), (2, 2, 6, 6)]
    assert kept(0.02, 0.5) == [(0, 0, 8, 8), (2, 2, 6, 6)]
    assert kept(0.0, 0.5) == [(0, 0, 8, 8), (2, 2, 6, 6), (0, 0, 1, 1)]
    assert kept(0.125, 0.125) == [(2, 2, 6, 6)], "both ends are allowed"
    assert kept(0.02, 0.09) == [(2, 2, 6, 6)], "where none may be, the nearest to what may"
