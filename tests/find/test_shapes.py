"""What the embedded models find in the scenes they know."""

from __future__ import annotations

import pytest

from region_core import encode_picture, find_regions
from region_core.boxes import overlap
from region_core.demo.worlds import held_out
from region_core.encoders.loading import Models

SEED, SCENES = 31, (4, 5, 7, 8, 9, 11)


@pytest.mark.parametrize("number", SCENES)
def test_each_shape_of_a_scene_is_found_and_what_is_not_there_is_not(models: Models, number: int) -> None:
    scene, _ = held_out(SEED, number)
    encoded = encode_picture(scene.image, dino=models.dino, scorer=models.scorer)
    for shape in scene.objects:
        regions = find_regions(encoded, shape.name, scorer=models.scorer)
        assert regions.found, shape.name
        assert overlap(regions[0].box, shape.box) >= 0.5, shape.name
    _, absent = held_out(SEED, number, "absent")
    regions = find_regions(encoded, absent.caption, scorer=models.scorer)
    assert not regions.found
    assert repr(absent.caption) in regions.why
    assert len(regions.likeliest) > 0


@pytest.mark.parametrize("number", SCENES[:3])
def test_the_background_is_free_of_shapes(models: Models, number: int) -> None:
    scene, _ = held_out(SEED, number)
    place = find_regions(scene.image, "background", dino=models.dino, scorer=models.scorer)[0]
    assert all(overlap(place.box, shape.box) < 0.1 for shape in scene.objects)
