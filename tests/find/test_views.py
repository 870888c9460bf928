"""The windows through which CLIP looks at a picture."""

from __future__ import annotations

import pytest
import torch

from region_core import encode_picture
from region_core.views import PLACES, ZOOMS, look_through_windows, tiles

from .colours import ColourDino, ColourScorer, scene


@pytest.mark.parametrize(("height", "width"), [(100, 100), (64, 256), (300, 120), (384, 512), (33, 198)])
@pytest.mark.parametrize("zoom", ZOOMS[1:])
def test_tiles_are_squares_that_cover_the_picture_and_stay_in_it(height: int, width: int, zoom: int) -> None:
    boxes = tiles(height, width, zoom)
    sides = boxes[:, 2:] - boxes[:, :2]
    side = min((height * width) ** 0.5 / zoom, min(height, width))
    torch.testing.assert_close(sides, torch.full_like(sides, side))
    assert float(boxes.min()) >= 0
    assert bool((boxes[:, 2:] <= torch.tensor([width, height]) + 1e-3).all())
    covered = torch.zeros(height, width)
    for x0, y0, x1, y1 in boxes.round().int().tolist():
        covered[y0:y1, x0:x1] = 1
    assert bool(covered.all())


class Watched(ColourScorer):
    """Keeps what it was asked to read."""

    def places(self, images, features):
        self.images, self.features = images, features
        return super().places(images, features)


def test_the_whole_picture_is_the_first_window_and_each_has_its_own_part_of_dinos_features() -> None:
    scorer = Watched()
    row, column = torch.meshgrid(torch.arange(20.0), torch.arange(40.0), indexing="ij")
    picture = scene(("red", (40, 10, 80, 50)), size=(80, 160))
    views = look_through_windows(scorer, picture, picture, torch.stack([column, row])[None])
    count = 1 + sum(len(tiles(80, 160, zoom)) for zoom in ZOOMS[1:])
    assert views.boxes.shape == (count, 4)
    assert views.zooms.tolist() == sorted(views.zooms.tolist())
    assert set(views.zooms.tolist()) == set(ZOOMS)
    assert views.boxes[0].tolist() == [0, 0, 1, 1]
    assert (float(views.boxes.min()), float(views.boxes.max())) == (0, pytest.approx(1))
    assert torch.equal(views.picture, views.whole[:1])
    assert scorer.images.shape == (count, 3, 64, 64)
    assert 0 <= float(scorer.images.min()) <= float(scorer.images.max()) <= 1
    middle = (views.boxes[:, :2] + views.boxes[:, 2:]) / 2 * torch.tensor([40.0, 20.0]) - 0.5
    assert scorer.features.shape == (count, 2, PLACES, PLACES)
    torch.testing.assert_close(scorer.features.mean(dim=(2, 3)), middle, atol=0.1, rtol=0)


def test_embeddings_are_of_unit_length_and_places_lie_as_in_the_window() -> None:
    class Long(ColourScorer):
        def _bent(self, values):
            return 3 * super()._bent(values)

    picture = scene(("red", (0, 0, 64, 32)))
    views = look_through_windows(Long(), picture, picture, torch.ones(1, 2, 8, 8))
    assert views.places is not None
    torch.testing.assert_close(views.places.norm(dim=-1), torch.ones(views.places.shape[:-1]))
    torch.testing.assert_close(views.whole.norm(dim=-1), torch.ones(len(views.boxes)))
    red = views.places[0, :, :, 1]  # of the whole picture
    assert float(red[:4, :8].min()) > 0.9
    assert float(red[4:].max()) < 0.1
    assert float(red[:, 8:].max()) < 0.1


def test_of_a_clip_without_places_the_windows_are_all() -> None:
    scorer = ColourScorer(why_no_places="it is odd")
    picture = scene(("red", (0, 0, 64, 32)))
    views = look_through_windows(scorer, picture, picture, torch.ones(1, 2, 8, 8))
    assert views.places is None
    assert len(views.whole) == len(views.boxes) == scorer.pictures


def test_the_windows_of_a_large_picture_show_it_as_sharp_as_it_is() -> None:
    """A photograph of 640 x 480 has more in its smallest windows than a copy of 512 would."""
    picture = torch.full((1, 3, 480, 640), 0.5)
    picture[..., ::2] = 1  # lines of one pixel
    scorer = Watched()
    scorer.image_size = 160  # as wide as the smallest windows
    encode_picture(picture, dino=ColourDino(), scorer=scorer)
    contrast = scorer.images.std(dim=(1, 2, 3))
    assert float(contrast[-1]) > 0.1
    assert float(contrast[0]) < 0.01  # of the picture as a whole nothing is left of them
