"""Where something new may go."""

from __future__ import annotations

import pytest
import torch
from torchvision.ops import box_iou

from region_core import encode_picture, find_regions
from region_core.encoders import PatchFeatures
from region_core.find import Regions
from region_core.settings import FindSettings

from .colours import ColourDino, ColourScorer, find, mask_of, overlap, scene

ROWS, COLUMNS = 16, 24  # cells of 10 pixels
PICTURE = scene(size=(160, 240))


def noise(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1))


def places(
    attention: torch.Tensor, features: torch.Tensor | None = None, *, size: int = 7, prior: torch.Tensor | None = None
) -> Regions:
    """All even but for a little noise, with `attention` [h, w] and `features` [D, h, w]; `size` 7 is a quarter."""
    even = torch.ones(4, ROWS, COLUMNS) + 0.02 * noise(4, ROWS, COLUMNS) if features is None else features
    maps, scorer = PatchFeatures(even[None], attention[None]), ColourScorer()
    encoded = encode_picture(PICTURE, dino=None, scorer=scorer, features=maps, with_views=False)
    regions = find_regions(
        encoded, "the background", scorer=scorer, settings=FindSettings(max_window_size=size), prior=prior
    )
    assert scorer.texts == []
    return regions


def boxes_of(regions: Regions) -> torch.Tensor:
    return torch.tensor([region.box for region in regions], dtype=torch.float32)


def test_a_place_is_free_of_things() -> None:
    things = [("red", (24, 32, 64, 88)), ("blue", (80, 4, 120, 50))]
    scorer = ColourScorer()
    regions = find(scene(*things), "background", scorer=scorer, settings=FindSettings(max_window_size=7))
    assert regions.found
    assert regions.presence != regions.presence  # nothing was asked for
    assert len(regions) > 3
    for _, box in things:
        assert overlap(regions[0].box, box) < 0.02
    assert regions.likeliest == ()
    assert (scorer.texts, scorer.pictures) == ([], 1)  # no views are needed


@pytest.mark.parametrize("thing", [(0, 0, 12, 16), (12, 0, 24, 16)])
def test_a_place_has_nothing_in_it_that_dino_attends_to(thing: tuple[int, int, int, int]) -> None:
    x0, y0, x1, y1 = thing
    attention = 0.02 * noise(ROWS, COLUMNS)
    attention[y0:y1, x0:x1] = 0.3
    regions = places(attention)
    best = regions[0].box
    assert best[2] <= x0 * 10 + 10 or best[0] >= x1 * 10 - 10
    assert regions.relevance.shape == (1, 1, ROWS, COLUMNS)
    assert float(regions.relevance[..., y0:y1, x0:x1].max()) < 0.01
    assert float(regions.relevance.max()) == 1


@pytest.mark.parametrize("size", [3, 4, 7])
def test_a_place_has_no_odd_cell_in_it(size: int) -> None:
    features = torch.zeros(4, ROWS, COLUMNS)
    features[0] = 1
    features[:, 1::2, 1:12:2] = torch.tensor([0.0, 1, 0, 0]).view(4, 1, 1)  # one cell in four, on the left
    features += 0.02 * noise(4, ROWS, COLUMNS)
    assert places(torch.full((ROWS, COLUMNS), 0.1), features, size=size)[0].box[0] >= 110


@pytest.mark.parametrize("size", [3, 7])
def test_of_places_alike_the_larger_is_better_and_none_is_larger_than_is_allowed(size: int) -> None:
    regions = places(torch.full((ROWS, COLUMNS), 0.1), torch.ones(4, ROWS, COLUMNS), size=size)
    areas = [region.area for region in regions]
    assert max(areas) <= FindSettings(max_window_size=size).max_area
    assert areas[0] > 0.8 * max(areas)
    assert areas[0] > 0.6 * FindSettings(max_window_size=size).max_area
    assert regions.notes == ()


def test_places_are_compact_differ_are_not_many_and_lie_all_over_the_picture() -> None:
    regions = places(0.1 * noise(ROWS, COLUMNS), size=4)
    boxes, evidence = boxes_of(regions), [region.evidence for region in regions]
    assert 5 < len(boxes) <= 32
    assert evidence == sorted(evidence, reverse=True)
    assert float(torch.tensor(evidence).exp().sum()) == pytest.approx(1, abs=1e-4)
    sides = boxes[:, 2:] - boxes[:, :2]
    aspects = sides[:, 0] / sides[:, 1]
    assert 1 / 1.55 < float(aspects.min()) < float(aspects.max()) < 1.55
    assert float((box_iou(boxes, boxes) - torch.eye(len(boxes))).max()) <= 0.55
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    assert float(centres[:, 0].min()) < 60 < 180 < float(centres[:, 0].max())
    assert float(centres[:, 1].min()) < 50 < 110 < float(centres[:, 1].max())
    assert all(region.separate for region in regions)


@pytest.mark.parametrize(("stripes", "aspect"), [("beside", 0.75), ("above", 4 / 3), ("around", 1.0)])
def test_a_place_is_a_square_or_a_third_longer_one_way(stripes: str, aspect: float) -> None:
    """Between two hot stripes, as far apart as such a place is wide or high, it is what fits best."""
    attention = torch.full((48, 48), 0.1)
    across, down = 0.4 * 48 * aspect**0.5 / 2, 0.4 * 48 / aspect**0.5 / 2
    if stripes in ("beside", "around"):
        attention[:, : round(26.5 - across)] = attention[:, round(26.5 + across) :] = 0.5
    if stripes in ("above", "around"):
        attention[: round(26.5 - down)] = attention[round(26.5 + down) :] = 0.5
    cells = places(attention, torch.ones(4, 48, 48), size=6)[0].cells
    assert int(cells.any(dim=0).sum()) / int(cells.any(dim=1).sum()) == pytest.approx(aspect, rel=0.08)


@pytest.mark.parametrize("area", [(120, 40, 230, 150), (133, 51, 148, 58), (60, 0, 62, 160)])
def test_places_lie_where_a_prior_is_white(area: tuple[int, int, int, int]) -> None:
    """Also where it is smaller than any place: then it is the place itself."""
    x0, y0, x1, y1 = area
    prior = mask_of(area, size=(160, 240))
    regions = places(0.1 * noise(ROWS, COLUMNS), prior=prior)
    boxes = boxes_of(regions)
    assert bool((boxes[:, :2] >= torch.tensor([x0, y0])).all())
    assert bool((boxes[:, 2:] <= torch.tensor([x1, y1])).all())
    assert all(float((region.mask * prior).sum()) == float(region.mask.sum()) > 0 for region in regions)
    if x1 - x0 > 100:
        assert len(boxes) > 1
        sides = boxes[:, 2:] - boxes[:, :2]
        assert 0.6 < float((sides[:, 0] / sides[:, 1]).min()) <= float((sides[:, 0] / sides[:, 1]).max()) < 1.6
    else:
        assert regions[0].box == area


@pytest.mark.parametrize("side", [64, 40, 16, 128])
def test_places_on_the_smallest_grids(side: int) -> None:
    for size in (1, 15):
        settings = FindSettings(max_window_size=size)
        regions = find(scene(), "background", dino=ColourDino(side=side), settings=settings)
        assert len(regions) > 0
