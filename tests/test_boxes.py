"""Boxes: clamping, masks by pixel centres, overlap, points that keep their distance."""

from __future__ import annotations

import pytest
import torch

from region_core import boxes as bx
from region_core.errors import InputError


def box(*corners: float) -> torch.Tensor:
    return torch.tensor([corners], dtype=torch.float32)


def test_clamping_cuts_x_by_the_width_and_y_by_the_height():
    assert bx.clamp_boxes(box(-5, -7, 900, 800), 300, 400).tolist() == [[0, 0, 400, 300]]
    assert bx.clamp_boxes(box(10.5, 20, 30, 40), 300, 400).tolist() == [[10.5, 20, 30, 40]]


def test_clamping_leaves_the_boxes_it_was_given_alone():
    given = box(-5, -7, 900, 800)
    bx.clamp_boxes(given, 300, 400)
    assert given.tolist() == [[-5, -7, 900, 800]]


def test_a_mask_covers_exactly_the_pixels_of_a_whole_number_box():
    mask = bx.boxes_to_masks(box(25, 5, 31, 8), 40, 60)
    wanted = torch.zeros(1, 1, 40, 60)
    wanted[:, :, 5:8, 25:31] = 1
    assert torch.equal(mask, wanted)


@pytest.mark.parametrize(
    ("corners", "columns"),
    [((1.5, 0, 4.5, 4), [1, 2, 3]), ((1.6, 0, 4.6, 4), [2, 3, 4]), ((1.4, 0, 4.4, 4), [1, 2, 3])],
)
def test_a_pixel_is_masked_when_its_centre_is_in_the_half_open_box(corners, columns):
    mask = bx.boxes_to_masks(box(*corners), 8, 8)
    assert mask[0, 0, 0].nonzero().flatten().tolist() == columns


@pytest.mark.parametrize(
    ("corners", "pixel"),
    [
        ((3.6, 2.6, 3.8, 2.9), (2, 3)),  # too thin to hold a centre
        ((5, 5, 5, 5), (5, 5)),  # no area
        ((-9, -9, -4, -4), (0, 0)),  # outside, before
        ((90, 80, 99, 99), (7, 9)),  # outside, beyond
    ],
)
def test_every_box_masks_at_least_one_pixel(corners, pixel):
    assert bx.boxes_to_masks(box(*corners), 8, 10)[0, 0].nonzero().tolist() == [list(pixel)]


def test_a_thin_box_at_the_far_corner_has_the_last_pixel():
    assert bx.pixel_boxes(box(9.9, 7.9, 10, 8), 8, 10).tolist() == [[9, 7, 10, 8]]
    assert bx.pixel_boxes(box(0, 0, 0.2, 8), 8, 10).tolist() == [[0, 0, 1, 8]]  # thin one way alone


def test_a_pixel_that_a_box_just_reaches_belongs_to_it_at_its_low_end_alone():
    assert bx.pixel_boxes(box(2.5, 1.5, 5.5, 6.5), 8, 10).tolist() == [[2, 1, 5, 6]]


def test_no_boxes_give_no_masks():
    assert bx.boxes_to_masks(torch.zeros(0, 4), 8, 10).shape == (0, 1, 8, 10)


def test_iou_pairs_every_box_with_every_other():
    a = torch.cat([box(0, 0, 10, 10), box(0, 0, 2, 20)])
    b = torch.cat([box(5, 0, 15, 10), box(0, 0, 10, 10), box(50, 50, 60, 60)])
    wanted = torch.tensor([[1 / 3, 1.0, 0.0], [0.0, 20 / 120, 0.0]])
    assert torch.allclose(bx.iou(a, b), wanted)


def test_no_box_overlaps_with_none():
    assert bx.overlap(None, (0, 0, 4, 4)) == 0
    assert bx.overlap((0, 0, 4, 4), (2, 0, 6, 4)) == pytest.approx(1 / 3)


def test_iou_of_two_empty_boxes_is_zero_and_not_nan():
    assert bx.iou(box(3, 3, 3, 3), box(3, 3, 3, 3)).tolist() == [[0]]


def test_expand_scales_about_the_centre_and_stops_at_the_border():
    assert bx.expand(box(10, 20, 20, 40), 2, 100, 100).tolist() == [[5, 10, 25, 50]]
    assert bx.expand(box(10, 20, 20, 40), 10, 90, 50).tolist() == [[0, 0, 50, 90]]
    assert bx.expand(box(10, 20, 21, 41), 1.5, 100, 100).tolist() == [[7.25, 14.75, 23.75, 46.25]]
    assert bx.expand(box(10, 20, 20, 40), 0.5, 100, 100).tolist() == [[12.5, 25, 17.5, 35]]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: bx.clamp_boxes(torch.zeros(4), 8, 8), "[4]"),
        (lambda: bx.clamp_boxes(torch.zeros(2, 4, 4), 8, 8), "[2, 4, 4]"),
        (lambda: bx.clamp_boxes(torch.zeros(2, 5), 8, 8), "[2, 5]"),
        (lambda: bx.clamp_boxes(torch.zeros(2, 3), 8, 8), "[2, 3]"),
        (lambda: bx.clamp_boxes(box(3, 0, float("inf"), 4), 8, 8), "finite"),
        (lambda: bx.clamp_boxes(box(0, 9, 3, 4.129), 8, 8), "0.0, 9.0, 3.0, 4.13"),
        (lambda: bx.clamp_boxes(torch.cat([box(0, 0, 3, 4), box(5, 0, 3, 4)]), 8, 8), "5.0, 0.0, 3.0, 4.0"),
        (lambda: bx.clamp_boxes(box(0, 0, float("nan"), 4), 8, 8), "finite"),
        (lambda: bx.clamp_boxes(box(9, 0, 3, 4), 8, 8), "9.0, 0.0, 3.0, 4.0"),
        (lambda: bx.expand(box(0, 0, 4, 4), 0, 8, 8), "factor 0"),
        (lambda: bx.expand(box(0, 0, 4, 4), -2, 8, 8), "factor -2"),
        (lambda: bx.expand(box(0, 0, 4, 4), float("nan"), 8, 8), "factor nan"),
        (lambda: bx.expand(box(0, 0, 4, 4), float("inf"), 8, 8), "factor inf"),
    ],
)
def test_a_wrong_box_is_refused_with_its_value(call, words):
    with pytest.raises(InputError) as caught:
        call()
    assert words in str(caught.value)


def test_chosen_points_keep_their_distance_best_first():
    points = torch.tensor([[0, 0], [0, 1], [0, 2], [9, 9]])
    scores = torch.tensor([0.8, 0.9, 0.1, 0.5])
    assert bx.nms_points(points, scores, 9, 1.5).tolist() == [1, 3]
    assert bx.nms_points(points, scores, 9, 1.0).tolist() == [1, 0, 3, 2]
    assert bx.nms_points(points, scores, 2, 0.0).tolist() == [1, 0]
    assert bx.nms_points(points, scores, 0, 0.0).tolist() == []
    assert bx.nms_points(points, scores, 9, 0.0).tolist() == [1, 0, 3, 2]


def test_equal_scores_are_taken_in_the_order_given():
    points = torch.arange(200)[:, None].repeat(1, 2) * 10
    assert bx.nms_points(points, torch.ones(200), 5, 2.0).tolist() == [0, 1, 2, 3, 4]


def test_the_highest_comes_first_and_of_equal_ones_the_earlier():
    assert bx.descending(torch.tensor([1.0, 3, 2, 3])).tolist() == [1, 3, 2, 0]
    assert bx.descending(torch.ones(200)).tolist() == list(range(200))


def test_a_square_cut_out_is_the_mean_of_two_samples_each_way():
    """Of x squared: between pixels 1 and 2 and between 5 and 6, where a quarter and three quarters of 8 pixels end."""
    maps = torch.arange(12.0).square().expand(1, 1, 8, 12)
    both = torch.cat([box(0, 0, 8, 8), box(2, 0, 10, 8)])
    cut = bx.cut_squares(maps, both, 1)
    assert cut.shape == (2, 1, 1, 1)
    assert cut.flatten().tolist() == pytest.approx([(2.5 + 30.5) / 2, (12.5 + 56.5) / 2])
    halves = bx.cut_squares(maps, box(0, 0, 8, 8), 2)[0, 0]
    assert halves[:, 0].tolist() == pytest.approx([(0.5 + 6.5) / 2] * 2)
