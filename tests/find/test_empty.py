"""Where something new may go."""

from __future__ import annotations

import pytest
import torch
from torchvision.ops import box_area, box_iou

from region_core.encoders import PatchFeatures
from region_core.find.empty import empty_places
from region_core.find.prior import Prior

ROWS, COLUMNS = 16, 24
CELLS_A_PIXEL = torch.tensor([COLUMNS / 240, ROWS / 160] * 2)  # of a picture of 240 x 160 pixels


def noise(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1))


def places(attention: torch.Tensor, features: torch.Tensor | None = None, *, most: float = 0.2, prior=None):
    """All even but for a little noise, with `attention` [h, w] and `features` [D, h, w]."""
    even = torch.ones(4, ROWS, COLUMNS) + 0.02 * noise(4, ROWS, COLUMNS) if features is None else features
    return empty_places(PatchFeatures(even[None], attention[None]), CELLS_A_PIXEL, prior, most)


def thing(x0: int, y0: int, x1: int, y1: int) -> torch.Tensor:
    attention = 0.02 * noise(ROWS, COLUMNS)
    attention[y0:y1, x0:x1] = 0.3
    return attention


def test_a_place_has_nothing_in_it_that_dino_attends_to():
    for box in ((0, 0, 12, 16), (12, 0, 24, 16)):
        boxes, score, _, calm = places(thing(*box))
        x0, _, x1, _ = (box[0] * 10, 0, box[2] * 10, 160)
        best = boxes[score.argmax()]
        assert best[2] <= x0 + 10 or best[0] >= x1 - 10
        assert calm.shape == (1, 1, ROWS, COLUMNS)
        assert float(calm[..., box[1] : box[3], box[0] : box[2]].abs().max()) == 0  # whatever the most is
        assert float(calm.max()) > 0.9


def test_a_place_has_no_odd_cell_in_it():
    features = torch.zeros(4, ROWS, COLUMNS)
    features[0] = 1
    features += 0.02 * noise(4, ROWS, COLUMNS)
    features[:, :, :12] = 0
    features[1, :, :12:2], features[2, :, 1:12:2] = 1, 1  # stripes: no cell is like its neighbour
    boxes, score, *_ = places(0.1 * torch.ones(ROWS, COLUMNS), features)
    assert boxes[score.argmax()][0] >= 110


def test_of_places_alike_the_larger_is_better_and_none_is_larger_than_is_said():
    even = torch.full((ROWS, COLUMNS), 0.1)
    for most in (0.05, 0.2):
        boxes, score, *_ = places(even, torch.ones(4, ROWS, COLUMNS), most=most)
        areas = box_area(boxes) / (240 * 160)
        assert float(areas.max()) <= most
        assert float(areas[score.argmax()]) > 0.8 * float(areas.max())


def test_places_are_compact_differ_and_are_not_many():
    boxes, score, numbers, _ = places(0.1 * noise(ROWS, COLUMNS), most=0.1)
    assert 5 < len(boxes) == len(score) == len(numbers) <= 32
    assert score.tolist() == sorted(score.tolist(), reverse=True)
    sides = boxes[:, 2:] - boxes[:, :2]
    aspects = sides[:, 0] / sides[:, 1]
    assert 1 / 1.5 < float(aspects.min()) < 0.9 < 1.1 < float(aspects.max()) < 1.5
    assert float((box_iou(boxes, boxes) - torch.eye(len(boxes))).max()) <= 0.5
    assert (boxes >= 0).all()
    assert (boxes <= torch.tensor([240.0, 160, 240, 160])).all()
    assert numbers.shape[1] == 5
    torch.testing.assert_close(numbers.mean(dim=0), torch.zeros(5), atol=1e-5, rtol=0)
    torch.testing.assert_close(numbers.std(dim=0, correction=0), torch.ones(5), atol=1e-4, rtol=0)


@pytest.mark.parametrize(("stripes", "aspect"), [("beside", 0.75), ("above", 4 / 3), ("around", 1.0)])
def test_a_place_is_a_square_or_a_third_longer_one_way(stripes, aspect):
    """Between two hot stripes, as far apart as such a place is wide or high, it is what fits best."""
    attention = torch.full((1, 48, 48), 0.1)
    across, down = 0.4 * 48 * aspect**0.5 / 2, 0.4 * 48 / aspect**0.5 / 2
    if stripes in ("beside", "around"):
        attention[:, :, : round(26.5 - across)] = attention[:, :, round(26.5 + across) :] = 0.5
    if stripes in ("above", "around"):
        attention[:, : round(26.5 - down)] = attention[:, round(26.5 + down) :] = 0.5
    maps = PatchFeatures(torch.ones(1, 4, 48, 48), attention)
    boxes, score, *_ = empty_places(maps, torch.ones(4), None, 0.17)
    sides = (boxes[:, 2:] - boxes[:, :2])[score.argmax()]
    assert float(sides[0] / sides[1]) == pytest.approx(aspect, rel=0.08)


def test_places_are_all_over_the_picture():
    boxes, *_ = places(0.1 * noise(ROWS, COLUMNS), most=0.05)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    assert float(centres[:, 0].min()) < 60 < 180 < float(centres[:, 0].max())
    assert float(centres[:, 1].min()) < 50 < 110 < float(centres[:, 1].max())


@pytest.mark.parametrize("area", [(120, 40, 230, 150), (130, 50, 150, 60)])
def test_places_lie_where_a_prior_is_white(area):
    """Also where it is smaller than any place: then it is the place itself."""
    x0, y0, x1, y1 = area
    mask = torch.zeros(1, 1, 160, 240)
    mask[..., y0:y1, x0:x1] = 1
    boxes, *_ = places(0.1 * noise(ROWS, COLUMNS), prior=Prior(mask))
    assert len(boxes) > (1 if x1 - x0 > 100 else 0)
    assert (boxes[:, :2] >= torch.tensor([x0, y0])).all()
    assert (boxes[:, 2:] <= torch.tensor([x1, y1])).all()


@pytest.mark.parametrize("grid", [(2, 2), (2, 30), (7, 3)])
def test_places_on_the_smallest_grids(grid):
    cells = torch.rand(1, 8, *grid, generator=torch.Generator().manual_seed(1))
    boxes, *_ = empty_places(PatchFeatures(cells, torch.rand(1, *grid)), torch.tensor([0.1] * 4), None, 1.0)
    assert len(boxes) > 0


def test_anchors_of_places_are_eight_each_way_or_every_cell():
    """From the third cell on, so that a place is not all border."""
    boxes, *_ = empty_places(PatchFeatures(torch.ones(1, 4, 4, 40), noise(1, 4, 40)), torch.ones(4), None, 0.02)
    centres = ((boxes[:, 0] + boxes[:, 2]) / 2).tolist()
    assert all(min(abs(centre - 2.5 - 5 * step) for step in range(8)) < 1 for centre in centres)
