"""Where in a picture the caption is."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from region_core.proposals.relevance import ZOOMS, relevance_maps, shared_by_likeness, windows, zoom_weights


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


def test_what_a_cell_says_is_shared_with_cells_that_look_like_it():
    cells = torch.zeros(2, 8, 8)
    cells[0], cells[0, :, 4:], cells[1, :, 4:] = 1, 0, 1
    values = torch.zeros(1, 8, 8)
    values[0, 4, 6] = 1
    shared = shared_by_likeness(values, cells)[0]
    assert shared[:, 4:].min() > 10 * shared[:, :4].max()
