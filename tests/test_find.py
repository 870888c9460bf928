"""Regions alone: in pixels of the picture, whatever its size, and none where nothing is meant."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from region_core import InputError, find_regions
from region_core.boxes import iou
from region_core.demo.worlds import held_out, with_company
from region_core.encoders.loading import Models
from region_core.picture import picture_from

GREY = torch.full((1, 3, 128, 128), 0.5)


@pytest.mark.parametrize("zoom", [1, 6])
def test_the_box_is_in_pixels_of_the_picture(models: Models, zoom: int) -> None:
    scene, wish = held_out(5, 1)
    picture = F.interpolate(picture_from(scene.image).rgb.float(), scale_factor=zoom, mode="nearest")
    regions = find_regions(picture, wish.caption, dino=models.dino, scorer=models.scorer)
    assert regions.found
    assert regions.why == ""
    box = regions[0].box
    truth = torch.tensor([scene.objects[wish.target].box]).float() * zoom
    assert float(iou(torch.tensor([box]).float(), truth)) > 0.5
    assert all(isinstance(side, int) for side in box)
    assert regions[0].mask.shape == (1, 1, 128 * zoom, 128 * zoom)
    evidence = [one.evidence for one in regions]
    assert evidence == sorted(evidence, reverse=True)
    assert 0 <= float(regions.relevance.min()) <= float(regions.relevance.max()) <= 1


def test_nothing_is_found_where_nothing_is(models: Models) -> None:
    scene, wish = with_company(3, "absent")
    caption, picture = wish.caption, picture_from(scene.image).rgb.float()
    regions = find_regions(picture, f" {caption}", dino=models.dino, scorer=models.scorer)
    assert not regions.found
    assert len(regions) == 0
    assert regions.why.startswith(f"nothing in the picture answers to {caption!r}; to add something new")
    assert len(regions.likeliest) > 0
    prior = torch.ones(1, 1, 128, 128)
    regions = find_regions(picture, caption, dino=models.dino, scorer=models.scorer, prior=prior)
    assert f"nothing where the region prior is white answers to {caption!r}; paint the prior where it" in regions.why


def test_what_cannot_be_looked_for_is_refused(models: Models) -> None:
    for caption, prior, says in (
        (" ", None, "image_caption is empty"),
        ("a fox", torch.ones(1, 1, 64, 64), "region prior has shape"),
        ("a fox", torch.zeros(1, 1, 128, 128), "region prior is empty"),
    ):
        with pytest.raises(InputError, match=says):
            find_regions(GREY, caption, dino=models.dino, scorer=models.scorer, prior=prior)
