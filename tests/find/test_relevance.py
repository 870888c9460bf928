"""Where in a picture the caption is."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from region_core.find.relevance import ZOOMS, centred_cells, relevance_maps, shared_by_likeness, windows, zoom_weights


class ColourReader:
    """Says of each place of a picture its mean colour: E = 3, places of 4 x 4 a window."""

    image_size = 16

    def places(self, images, features):
        places = F.adaptive_avg_pool2d(images, 4)
        return images.mean(dim=(2, 3)), places


def test_the_map_is_highest_where_the_caption_is():
    picture = torch.full((1, 3, 64, 64), 0.4)
    picture[:, 0, 8:20, 40:56] = 1.0  # something red
    red, others = torch.eye(3)[:1], torch.eye(3)[1:]
    maps, outstanding = relevance_maps(ColourReader(), picture, torch.randn(5, 32, 32), red, others)
    assert maps.shape == (len(ZOOMS), 32, 32)
    for each in maps:
        row, column = divmod(int(each.argmax()), 32)
        assert 1 <= row <= 12
        assert 17 <= column <= 30
    assert outstanding > 1


def test_the_map_keeps_no_scale():
    picture = torch.rand(1, 3, 64, 64)

    class Bent(ColourReader):
        def places(self, images, features):
            return tuple(
                torch.cat([F.normalize(v, dim=1) * 0.2, torch.ones_like(v[:, :1])], dim=1)
                for v in super().places(images, features)
            )

    class Straight(ColourReader):
        def places(self, images, features):
            return tuple(F.normalize(v, dim=1) for v in super().places(images, features))

    texts = torch.eye(3)
    more = torch.cat([texts, torch.full((3, 1), 0.5)], dim=1)
    features = torch.randn(5, 16, 16)
    plain, _ = relevance_maps(Straight(), picture, features, texts[:1], texts[1:])
    bent, _ = relevance_maps(Bent(), picture, features, more[:1], more[1:])
    torch.testing.assert_close(bent, plain, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(("height", "width"), [(100, 100), (64, 256), (300, 120)])
def test_windows_are_squares_that_tile_the_picture(height, width):
    for zoom in ZOOMS:
        boxes = windows(height, width, zoom)
        covered = torch.zeros(height, width)
        for x0, y0, x1, y1 in boxes.round().int().tolist():
            covered[y0:y1, x0:x1] = 1
        assert covered.all()
        sides = boxes[:, 2:] - boxes[:, :2]
        torch.testing.assert_close(sides[:, 0], sides[:, 1])


def test_large_regions_are_judged_from_afar_and_small_ones_close_up():
    weights = zoom_weights(torch.tensor([0.5, 0.01]))
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(2))
    assert weights[0].argmax() == 0
    assert weights[1].argmax() == len(ZOOMS) - 1


def test_a_region_is_judged_at_the_zoom_where_its_side_is_six_tenths_of_what_clip_sees():
    weights = zoom_weights(torch.tensor([0.36, 0.09, 0.04, 0.0]))
    assert weights.argmax(dim=1).tolist() == [0, 1, 2, 2]
    assert float(weights[0, 1] / weights[0, 0]) == pytest.approx(math.exp(-2))  # an octave away
    assert float(weights[1, 0] / weights[1, 1]) == pytest.approx(math.exp(-2))
    assert bool(weights.isfinite().all())


@pytest.mark.parametrize(("grid", "zoom", "count"), [((90, 90), 1, 1), ((90, 90), 2, 4), ((90, 90), 3, 9)])
def test_windows_of_a_square_picture(grid, zoom, count):
    boxes = windows(*grid, zoom)
    assert len(boxes) == count
    assert float(boxes[0, 2] - boxes[0, 0]) == pytest.approx(90 / zoom)
    assert boxes[:, 2:].max() == pytest.approx(90)
    assert boxes.min() == 0


def test_windows_of_a_wide_picture_are_as_high_as_it_is_at_most():
    boxes = windows(64, 256, 1)
    assert len(boxes) == 4
    assert boxes[:, 0].tolist() == pytest.approx([0, 64, 128, 192])
    assert (boxes[:, 3] - boxes[:, 1]).tolist() == pytest.approx([64] * 4)
    close = windows(64, 256, 4)  # sides of 128 / 4
    assert (close[:, 2] - close[:, 0]).tolist() == pytest.approx([32] * len(close))


@pytest.mark.parametrize("grid", [(1, 1), (2, 2), (2, 5), (33, 21)])
def test_every_cell_of_any_grid_has_its_say(grid):
    picture = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    maps, _ = relevance_maps(ColourReader(), picture, torch.randn(5, *grid), torch.eye(3)[:1], torch.eye(3)[1:])
    assert maps.shape == (len(ZOOMS), *grid)
    assert bool(maps.isfinite().all())
    if min(grid) > 1:
        assert all(float(each.std()) > 0 for each in maps)


def test_each_window_comes_with_its_own_part_of_dinos_features():
    parts = []

    class Keeping(ColourReader):
        def places(self, images, features):
            parts.append(features)
            return super().places(images, features)

    column = torch.arange(40.0).expand(1, 20, 40)
    row = torch.arange(20.0)[:, None].expand(1, 20, 40)
    picture = torch.rand(1, 3, 80, 160)
    relevance_maps(Keeping(), picture, torch.cat([column, row]), torch.eye(3)[:1], torch.eye(3)[1:])
    for zoom, seen in zip(ZOOMS, parts, strict=True):
        boxes = windows(80, 160, zoom) / 4 - 0.5
        assert seen.shape == (len(boxes), 2, 16, 16)
        middle = (boxes[:, :2] + boxes[:, 2:]) / 2
        torch.testing.assert_close(seen.mean(dim=(2, 3)), middle, atol=0.1, rtol=0)


def test_where_windows_lap_it_is_the_mean_of_what_they_say():
    picture = torch.full((1, 3, 64, 160), 0.4)
    picture[:, 0] = torch.linspace(0.4, 1, 160)
    assert len(windows(64, 160, 1)) == 3  # of 64 pixels each
    maps, _ = relevance_maps(ColourReader(), picture, torch.randn(5, 16, 40), torch.eye(3)[:1], torch.eye(3)[1:])
    row = maps[0, 8]
    assert float(row.diff().abs().max()) < 0.35 * float(row.max() - row.min())
    assert row.argmax() >= 36
    assert row.argmin() <= 3


def test_a_model_that_shows_no_places_makes_no_map():
    class Blind(ColourReader):
        def places(self, images, features):
            return None

    assert (
        relevance_maps(Blind(), torch.rand(1, 3, 64, 64), torch.randn(5, 8, 8), torch.eye(3)[:1], torch.eye(3)) is None
    )


def test_the_places_of_a_wide_picture_are_where_they_are():
    picture = torch.full((1, 3, 48, 144), 0.4)
    picture[:, 0, 24:40, 112:128] = 1.0
    maps, _ = relevance_maps(ColourReader(), picture, torch.randn(5, 12, 36), torch.eye(3)[:1], torch.eye(3)[1:])
    for each in maps:
        row, column = divmod(int(each.argmax()), 36)
        assert 5 <= row <= 10
        assert 26 <= column <= 33


def test_a_map_is_in_units_of_its_own_spread():
    """Of a single window the places alone; of several, the places and the windows as wholes."""
    picture = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(3))
    maps, _ = relevance_maps(ColourReader(), picture, torch.randn(5, 32, 32), torch.eye(3)[:1], torch.eye(3)[1:])
    assert float(maps[0].std(correction=0)) == pytest.approx(1, abs=1e-4)
    assert 1 < float(maps[1].std(correction=0)) < 2


def test_cells_are_held_against_the_mean_of_the_picture():
    features = torch.zeros(2, 3, 3)
    features[0], features[1, 1, 1] = 5, 1
    cells = centred_cells(features)
    torch.testing.assert_close(cells.norm(dim=0), torch.ones(3, 3))
    assert float(cells[1, 1, 1]) == pytest.approx(1)
    assert float(cells[1, 0, 0]) == pytest.approx(-1)


def test_what_is_far_away_is_not_shared_with():
    cells, values = torch.ones(1, 4, 40), torch.zeros(1, 4, 40)
    values[0, :, 20] = 1
    shared = shared_by_likeness(values, cells)[0, 2]
    side = (4 * 40) ** 0.5 * 0.3  # cells
    assert shared.argmax() == 20
    assert float(shared[20 + round(side)] / shared[20]) == pytest.approx(
        math.exp(-((round(side) / side) ** 2)), rel=0.02
    )
    assert float(shared[39]) < 1e-6


def test_how_much_less_is_shared_with_what_looks_other():
    """A cosine of 0.9 between two cells is worth a nat less than one of 1."""
    cells = torch.zeros(2, 1, 3)
    cells[:, 0, 0] = cells[:, 0, 1] = torch.tensor([1.0, 0])
    cells[:, 0, 2] = torch.tensor([0.9, (1 - 0.81) ** 0.5])
    values = torch.tensor([[[0.0, 1.0, 0.0]]])
    shared = shared_by_likeness(values, cells)[0, 0]
    distance = 1 / 3 / 0.3**2  # of neighbours, squared, in units of 0.3 of the side, the square root of 3
    same, other = math.exp(10 - distance), math.exp(9 - distance)
    assert float(shared[0]) == pytest.approx(same / (math.exp(10) + same + math.exp(9 - 4 * distance)), abs=1e-4)
    assert float(shared[2]) == pytest.approx(other / (math.exp(10) + other + math.exp(9 - 4 * distance)), abs=1e-4)


def test_each_map_is_shared_by_itself():
    cells = F.normalize(torch.randn(4, 6, 9, generator=torch.Generator().manual_seed(1)), dim=0)
    maps = torch.randn(3, 6, 9, generator=torch.Generator().manual_seed(2))
    shared = shared_by_likeness(maps, cells)
    assert shared.shape == maps.shape
    for one, alone in zip(shared, maps, strict=True):
        torch.testing.assert_close(one, shared_by_likeness(alone[None], cells)[0])


def test_what_a_cell_says_is_shared_with_cells_that_look_like_it():
    cells = torch.zeros(2, 8, 8)
    cells[0], cells[0, :, 4:], cells[1, :, 4:] = 1, 0, 1
    values = torch.zeros(1, 8, 8)
    values[0, 4, 6] = 1
    shared = shared_by_likeness(values, cells)[0]
    assert shared[:, 4:].min() > 10 * shared[:, :4].max()
