"""Anchors and candidate boxes: the right way round, kept apart, never lost at the edge."""

from __future__ import annotations

import pytest
import torch

from region_core.encoders import PatchFeatures
from region_core.errors import InputError
from region_core.paper.anchors import candidate_boxes, pick_anchors, place_candidates
from region_core.settings import PaperSettings


def hot(rows: int, columns: int, *spots: tuple[int, int]) -> torch.Tensor:
    """Attention that is 0 but at `spots` (row, col), the first the hottest."""
    attention = torch.zeros(rows, columns)
    for rank, (row, column) in enumerate(spots):
        attention[row, column] = 1.0 - 0.1 * rank
    return attention


def test_a_hot_spot_at_row_5_column_25_gives_a_box_centred_on_x_25_y_5():
    anchors = pick_anchors(hot(32, 32, (5, 25)), 1)
    assert anchors.tolist() == [[5, 25]]
    found = candidate_boxes(anchors, 3, (32, 32), (256, 256))
    x0, y0, x1, y1 = found.cells.unbind(1)
    # the middle of cell 25 is at 25.5 cells
    assert torch.equal((x0 + x1) / 2, torch.full((3,), 25.5))
    assert torch.equal((y0 + y1) / 2, torch.full((3,), 5.5))
    assert torch.equal(found.boxes, found.cells * 8)


def test_a_half_side_of_w_spans_2w_plus_1_cells_in_growing_order():
    found = candidate_boxes(torch.tensor([[10, 12]]), 4, (32, 32), (256, 256))
    sides = found.cells[:, 2:] - found.cells[:, :2]
    assert sides.tolist() == [[3, 3], [5, 5], [7, 7], [9, 9]]
    assert found.sizes.tolist() == [1, 2, 3, 4]


def test_candidates_are_anchor_major():
    anchors = torch.tensor([[4, 4], [20, 9]])
    found = candidate_boxes(anchors, 6, (32, 32), (256, 256), window_sizes=[1, 3])
    assert found.shape == (2, 2)
    assert len(found) == 4
    centres = (found.cells[:, :2] + found.cells[:, 2:]) / 2
    assert centres.tolist() == [[4.5, 4.5], [4.5, 4.5], [9.5, 20.5], [9.5, 20.5]]
    sides = (found.cells[:, 2:] - found.cells[:, :2])[:, 0]
    assert sides.tolist() == [3, 7, 3, 7]


def test_a_picture_that_is_not_square_stretches_the_cells():
    found = candidate_boxes(torch.tensor([[8, 4]]), 2, (16, 16), (128, 320))
    assert found.boxes[0].tolist() == [3 * 20, 7 * 8, 6 * 20, 10 * 8]


def test_an_anchor_at_the_border_keeps_its_boxes_cut_to_the_picture():
    corner = hot(32, 32, (0, 31))
    found = candidate_boxes(pick_anchors(corner, 1), 15, (32, 32), (256, 256))
    assert len(found) == 15
    assert found.boxes[0].tolist() == [240, 0, 256, 16]
    assert found.boxes.min() >= 0
    assert found.boxes.max() <= 256
    assert bool((found.boxes[:, 2:] > found.boxes[:, :2]).all())


def test_anchors_at_the_border_survive_a_window_larger_than_their_margin():
    spots = [(0, 0), (31, 31), (0, 31), (31, 0), (16, 16)]
    assert pick_anchors(hot(32, 32, *spots), 5).tolist() == [list(s) for s in spots]


def test_anchors_keep_their_distance_and_come_best_first():
    attention = hot(16, 16, (5, 5), (5, 6), (6, 6), (5, 7), (12, 3))
    assert pick_anchors(attention, 3, min_distance=2.0).tolist() == [[5, 5], [5, 7], [12, 3]]
    assert pick_anchors(attention, 3, min_distance=1.0).tolist() == [[5, 5], [5, 6], [6, 6]]
    far = pick_anchors(torch.rand(16, 16, generator=torch.Generator().manual_seed(0)), 9, 4.0)
    distances = torch.cdist(far.float(), far.float()) + 100 * torch.eye(9)
    assert distances.min() >= 4.0


def test_a_grid_too_small_for_the_distance_still_gives_the_anchors_asked_for():
    anchors = pick_anchors(torch.rand(4, 4, generator=torch.Generator().manual_seed(0)), 12, 3.0)
    assert len({tuple(a) for a in anchors.tolist()}) == 12


def test_flat_or_broken_attention_is_deterministic():
    assert torch.equal(pick_anchors(torch.ones(8, 8), 4), pick_anchors(torch.ones(8, 8), 4))
    broken = hot(8, 8, (3, 3))
    broken[0, 0], broken[7, 7] = float("nan"), float("inf")
    assert pick_anchors(broken, 1).tolist() == [[3, 3]]


def test_a_window_larger_than_the_grid_is_the_whole_picture():
    found = candidate_boxes(torch.tensor([[1, 1], [15, 11]]), 20, (16, 12), (160, 120))
    boxes = found.boxes.unflatten(0, found.shape)
    assert boxes[:, 15:].reshape(-1, 4).unique(dim=0).tolist() == [[0, 0, 120, 160]]
    assert len(boxes[0].unique(dim=0)) > 10  # the smaller ones grow


@pytest.mark.parametrize("largest", [0, -1])
def test_no_window_at_all_is_refused(largest):
    with pytest.raises(InputError, match="name at least one"):
        candidate_boxes(torch.tensor([[1, 1]]), largest, (16, 12), (128, 128))


@pytest.mark.parametrize("sizes", [[0, 1], [5], [1, 1], []])
def test_window_sizes_out_of_range_are_refused(sizes):
    with pytest.raises(InputError, match="window sizes"):
        candidate_boxes(torch.tensor([[1, 1]]), 4, (16, 16), (128, 128), window_sizes=sizes)


@pytest.mark.parametrize("count", [0, 65])
def test_a_count_of_anchors_out_of_range_is_refused(count):
    with pytest.raises(InputError, match=rf"{count}.*1 to 64"):
        pick_anchors(torch.zeros(8, 8), count)


def test_a_batch_of_attention_maps_is_refused():
    with pytest.raises(InputError, match="one image"):
        pick_anchors(torch.zeros(1, 8, 8), 1)


# --- the anchors and windows of a picture -------------------------------------------------------


def features_of(attention: torch.Tensor) -> PatchFeatures:
    return PatchFeatures(torch.zeros(1, 4, *attention.shape), attention[None])


SETTINGS = PaperSettings(point_number=3, max_window_size=4, anchor_distance=2.0)


def test_a_pictures_windows_are_laid_round_what_dino_attends_to_in_its_own_pixels():
    found = place_candidates(features_of(hot(8, 16, (2, 3), (6, 12), (5, 5))), 400, 1600, SETTINGS)
    assert found.anchors.tolist() == [[2, 3], [6, 12], [5, 5]]
    assert found.shape == (3, 4)
    assert found.boxes[0].tolist() == [200, 50, 500, 200]  # 3 x 3 cells, each of 100 x 50 pixels
    assert bool((found.boxes[:, 2:] <= torch.tensor([1600, 400])).all())


def test_with_a_prior_anchors_lie_only_where_it_is_white():
    prior = torch.zeros(1, 1, 400, 1600)
    prior[..., 210:390, 610:1590] = 1
    attention = torch.rand(8, 16, generator=torch.Generator().manual_seed(1))
    attention[1, 1] = 9
    found = place_candidates(features_of(attention), 400, 1600, SETTINGS, prior)
    assert len(found.anchors) == 3
    assert bool((found.anchors[:, 0] >= 4).all())
    assert bool((found.anchors[:, 1] >= 6).all())
    thin = torch.zeros(1, 1, 400, 1600)
    thin[..., 105, 333] = 1  # one pixel has room for one anchor
    assert place_candidates(features_of(attention), 400, 1600, SETTINGS, thin).anchors.tolist() == [[2, 3]]
