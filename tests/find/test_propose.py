"""Regions of maps that are made up, where each cell's truth is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from region_core.cells import CellGraph
from region_core.find.propose import FINE, MAX_COUNT, RankedRegions, expected_overlaps, find_regions_on_grid
from region_core.find.relevance import CaptionMap

GRID = (24, 32)
Cells = tuple[int, int, int, int]  # x0, y0, x1, y1


def drawn(*boxes: Cells, values: tuple[float, ...] = (), noise: float = 0.0) -> torch.Tensor:
    """[24, 32]: 0, but in boxes 1 or the values."""
    made = noise * torch.randn(GRID, generator=torch.Generator().manual_seed(1))
    for (x0, y0, x1, y1), value in zip(boxes, values or (1.0,) * len(boxes), strict=True):
        made[y0:y1, x0:x1] = value
    return made


def proposed(relevance: torch.Tensor, figure: torch.Tensor | None = None, **more) -> RankedRegions:
    """Of maps [24, 32]: `seen` and `close` are as the relevance is, unless they are given."""
    cells = CellGraph(GRID, torch.eye(GRID[0] * GRID[1]), (relevance if figure is None else figure).flatten())
    maps = {name: more.pop(name, relevance).flatten() for name in ("seen", "close")}
    presence = more.pop("presence", 1.0)
    return find_regions_on_grid(cells, CaptionMap(relevance=relevance.flatten(), presence=presence, **maps), **more)


def fine(*boxes: Cells) -> torch.Tensor:
    """[48, 64] bool, white in boxes of cells."""
    mask = torch.zeros(GRID[0] * FINE, GRID[1] * FINE, dtype=torch.bool)
    for x0, y0, x1, y1 in boxes:
        mask[y0 * FINE : y1 * FINE, x0 * FINE : x1 * FINE] = True
    return mask


def same(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one & other).sum() / (one | other).sum())


@pytest.mark.parametrize("thing", [(5, 6, 14, 18), (0, 0, 9, 9), (25, 20, 32, 24), (10, 0, 20, 24)])
def test_the_mask_is_the_thing(thing: Cells) -> None:
    found = proposed(drawn(thing, noise=0.02))
    assert same(found.masks[0], fine(thing)) > 0.95
    assert found.relevance.shape == found.probability.shape == GRID
    inside = drawn(thing) > 0
    assert float(found.probability[inside].min()) > 0.5 > float(found.probability[~inside].max())


def test_a_part_that_answers_most_is_not_preferred_to_the_whole() -> None:
    """A face answers to "a person" more than a coat does."""
    whole, part = (6, 4, 18, 20), (10, 5, 14, 9)
    found = proposed(drawn(whole, part, values=(1.0, 1.8), noise=0.02), drawn(whole))
    assert same(found.masks[0], fine(whole)) > 0.9


def test_the_figure_tells_how_far_a_thing_reaches_that_clip_sees_but_dimly() -> None:
    thing = (8, 6, 20, 18)
    rows, columns = torch.meshgrid(torch.arange(24.0), torch.arange(32.0), indexing="ij")
    dim = (-((rows - 11.5).square() + (columns - 13.5).square()) / 60).exp()
    found = proposed(dim, drawn(thing, (24, 2, 30, 8)))
    assert same(found.masks[0], fine(thing)) > 0.8


def test_too_large_a_region_pays_for_what_it_covers() -> None:
    thing, wide = (8, 6, 20, 18), (4, 2, 24, 22)
    found = proposed(drawn(wide, thing, values=(0.25, 1.0)))
    assert same(found.masks[0], fine(thing)) > 0.9


def test_the_whole_picture_may_be_the_region() -> None:
    assert bool(proposed(torch.ones(GRID), torch.zeros(GRID)).masks[0].all())
    nearly = drawn((0, 0, 32, 24), (0, 23, 1, 24), values=(1.0, 0.0))
    assert float(proposed(nearly, torch.zeros(GRID)).masks[0].float().mean()) > 0.99


def test_two_of_a_kind_are_separate_and_other_cuts_of_one_are_not() -> None:
    one, other = (3, 5, 11, 15), (20, 8, 28, 18)
    relevance = drawn((2, 4, 12, 16), (19, 7, 29, 19), one, other, values=(0.5, 0.5, 1.0, 1.0))
    found = proposed(relevance)
    apart = found.masks[found.separate]
    assert [max(same(mask, fine(box)) for mask in apart[:2]) > 0.6 for box in (one, other)] == [True, True]
    for mask in found.masks[~found.separate]:
        shares = [float((mask & better).sum() / torch.minimum(mask.sum(), better.sum())) for better in apart]
        assert max(shares) > 0.5
    for index, mask in enumerate(apart):
        assert all(float((mask & other).sum() / torch.minimum(mask.sum(), other.sum())) <= 0.5 for other in apart[:index])
    assert bool(found.separate[0])
    assert 2 <= len(apart) < len(found.masks)


def test_of_two_alike_the_one_that_clip_sees_more_of_is_better() -> None:
    boxes = (3, 5, 11, 15), (20, 8, 28, 18)
    for best, values in enumerate([(1.2, 1.0), (1.0, 1.2)]):
        found = proposed(drawn(*boxes), seen=drawn(*boxes, values=values))
        assert same(found.masks[0], fine(boxes[best])) > 0.9
        chances = found.evidence[found.separate].exp()
        assert float(chances[0]) > 1.5 * float(chances[1])


def test_what_the_smallest_windows_alone_tell_is_a_region_too() -> None:
    near = (8, 8, 14, 14)
    found = proposed(drawn((4, 4, 18, 18)), close=drawn(near))
    assert max(same(mask, fine(near)) for mask in found.masks) > 0.9


def test_holes_are_filled_and_what_is_not_connected_is_another_region() -> None:
    thing, hole = (6, 4, 18, 20), (10, 8, 13, 11)
    found = proposed(drawn(thing, hole, values=(1.0, 0.0)))
    assert same(found.masks[0], fine(thing)) > 0.9


def test_regions_are_few_differ_and_share_the_probability() -> None:
    found = proposed(torch.randn(GRID, generator=torch.Generator().manual_seed(3)))
    assert 10 < len(found.masks) <= MAX_COUNT
    assert found.evidence.tolist() == sorted(found.evidence.tolist(), reverse=True)
    assert float(found.evidence.exp().sum()) == pytest.approx(1, abs=1e-5)
    for i, mask in enumerate(found.masks):
        assert bool(mask.any())
        assert all(same(mask, found.masks[j]) <= 0.8 for j in range(i))


def test_three_quarters_of_the_other_texts_stand_out_less_than_what_is_there() -> None:
    for presence, present in ((0.0, False), (0.74, False), (0.75, True), (1.0, True)):
        found = proposed(drawn((5, 6, 14, 18)), presence=presence)
        assert (found.present, found.presence) == (present, presence)


def test_nothing_is_found_outside_of_a_prior_and_all_of_it_where_it_is_a_speck() -> None:
    white = fine((10, 6, 20, 24))
    found = proposed(drawn((5, 6, 14, 18)), prior=white)
    assert not bool((found.masks & ~white).any())
    assert same(found.masks[0], fine((10, 6, 14, 18))) > 0.8
    speck = torch.zeros_like(white)
    speck[30, 7] = True
    assert torch.equal(proposed(drawn((5, 6, 14, 18)), prior=speck).masks, speck[None])


def test_detections_stand_beside_ours_or_alone() -> None:
    thing = (5, 6, 14, 18)
    given = torch.stack([fine((20, 2, 30, 10)), fine(thing), torch.zeros_like(fine())])
    alone = proposed(drawn(thing), detections=given, detections_only=True)
    assert torch.equal(alone.masks, given[[1, 0]])
    assert alone.separate.tolist() == [True, True]
    beside = proposed(drawn(thing, noise=0.3), detections=given)
    assert len(beside.masks) > 2
    assert any(torch.equal(mask, given[1]) for mask in beside.masks)
    outside = proposed(drawn(thing), detections=given[:1], detections_only=True, prior=fine((0, 0, 16, 24)))
    assert same(outside.masks[0], fine(thing)) > 0.8  # of detections none is white


def test_a_largest_area_is_kept_and_said_where_it_limits() -> None:
    thing = (6, 4, 18, 20)
    relevance = drawn(thing, noise=0.1)
    free = proposed(relevance)
    assert not free.limited
    share = 12 * 16 / (24 * 32)
    assert not proposed(relevance, max_area=share * 1.5).limited
    less = proposed(relevance, max_area=share / 2)
    assert less.limited
    for mask in less.masks:
        assert float(mask.any(dim=0).float().mean() * mask.any(dim=1).float().mean()) <= share / 2
    given = torch.stack([fine(thing), fine((20, 2, 30, 10))])
    smallest = proposed(relevance, max_area=0.01, detections=given, detections_only=True)
    assert torch.equal(smallest.masks, given[1:])  # none is small enough


def test_the_expected_overlap_is_what_it_is_on_average_over_things_that_are_drawn() -> None:
    rng = np.random.default_rng(1)
    probability = np.full((12, 16), 0.1)
    probability[3:9, 4:12] = 0.85
    masks = []
    for x0, y0, x1, y1 in ((4, 3, 12, 9), (2, 2, 14, 10), (4, 3, 8, 9), (6, 5, 9, 7), (0, 0, 16, 12)):
        mask = np.zeros((12, 16), dtype=bool)
        mask[y0:y1, x0:x1] = True
        masks.append(mask)
    things = rng.random((4000, 12, 16)) < probability
    told = expected_overlaps(masks, probability)
    for mask, expected in zip(masks, told, strict=True):
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        margins = [max(FINE, round(len(line) / 4)) for line in (rows, columns)]
        about = np.zeros_like(mask)
        about[max(0, rows[0] - margins[0]) : rows[-1] + 1 + margins[0],
              max(0, columns[0] - margins[1]) : columns[-1] + 1 + margins[1]] = True
        near = things & about
        drawn_overlaps = (near & mask).sum(axis=(1, 2)) / (near | mask).sum(axis=(1, 2))
        assert expected == pytest.approx(drawn_overlaps.mean(), abs=0.01)
    assert told.argmax() == 0


def test_what_of_a_thing_is_far_from_a_region_is_not_missed() -> None:
    probability = np.zeros((40, 40))
    probability[4:12, 4:12] = 1
    mask = probability > 0.5
    assert expected_overlaps([mask], probability).tolist() == pytest.approx([1])
    probability[20:28, 20:28] = 1  # another
    assert expected_overlaps([mask], probability).tolist() == pytest.approx([1])
    probability[4:12, 13:14] = 1  # within a quarter of its sides, 2 cells
    assert expected_overlaps([mask], probability).tolist() == pytest.approx([64 / 72])
    probability[4:12, 14:15] = 1  # beyond
    assert expected_overlaps([mask], probability).tolist() == pytest.approx([64 / 72])
