"""The region alone: in pixels of the picture, whatever its size, and None where nothing is meant."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from region_core.boxes import iou
from region_core.demo.worlds import held_out
from region_core.encoders.loading import Models
from region_core.find.find_region import find_region
from region_core.picture import picture_from
from region_core.settings import SearchSettings


@pytest.mark.parametrize("zoom", [1, 6])
def test_the_box_is_in_pixels_of_the_picture(models: Models, zoom: int) -> None:
    scene, wish = held_out(5, 1)
    picture = F.interpolate(picture_from(scene.image).rgb.float(), scale_factor=zoom, mode="nearest")
    box = find_region(picture, wish.caption, wish.prompt, models.dino, models.scorer, SearchSettings())
    assert box is not None
    truth = torch.tensor([scene.objects[wish.target].box]).float() * zoom
    assert float(iou(torch.tensor([box]).float(), truth)) > 0.5
    assert all(isinstance(v, int) for v in box)


def test_nothing_is_found_where_nothing_is(models: Models) -> None:
    grey = torch.full((1, 3, 128, 128), 0.5) + 0.02 * torch.rand(
        1, 3, 128, 128, generator=torch.Generator().manual_seed(1)
    )
    assert find_region(grey, "a red circle", "a blue star", models.dino, models.scorer, SearchSettings()) is None
