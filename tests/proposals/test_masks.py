"""Candidate regions as masks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torchvision.ops import box_iou

from region_core.proposals.masks import (
    FINE,
    box_mask,
    boxes_round,
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


@pytest.mark.parametrize("start", [(4.0, 2.0, 11.0, 14.0), (5.0, 5.0, 9.0, 9.0)])
def test_a_box_too_large_or_too_small_is_fitted(start):
    fitted = fitted_mask(box_mask(start, (16, 12)), cells_with(THING))
    before = float(box_iou(torch.tensor([start]), torch.tensor([THING])))
    assert before < 0.6 < 0.7 < best([fitted])


def test_what_leaves_nothing_outside_is_not_fitted():
    assert fitted_mask(np.ones((16 * FINE, 12 * FINE), dtype=bool), cells_with(THING)) is None


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
    assert kept(0.02, 0.09) == [(2, 2, 6, 6)], "where none may be, the nearest to what may"
