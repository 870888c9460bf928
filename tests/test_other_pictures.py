"""What was made of another picture, or by another model, is refused before anything is painted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from region_core import InputError, crop_region, edit_image, encode_picture, find_regions, paint_regions, stitch
from region_core.demo.worlds import held_out
from region_core.encoders import PatchFeatures
from region_core.encoders.loading import Models
from region_core.find import Regions
from region_core.paper.network import build_generator
from region_core.picture import picture_from

from .edits import QUICK
from .painters import FillingPainter

SCENE, WISH = held_out(5, 1)
OTHER, _ = held_out(5, 2)
PAPER = QUICK.with_values(method="paper", point_number=2, per_image_iteration=1)


@pytest.fixture(scope="module")
def found(models: Models) -> Regions:
    return find_regions(SCENE.image, WISH.caption, dino=models.dino, scorer=models.scorer)


def edit(models: Models, **given: Any) -> tuple[Any, FillingPainter]:
    painter = FillingPainter(128, (0.1, 0.2, 0.9))
    asked = {"dino": None, "scorer": models.scorer, "settings": QUICK, **given}
    return lambda: edit_image(SCENE.image, WISH.caption, WISH.prompt, painter=painter, **asked), painter


def test_features_of_another_picture(models: Models) -> None:
    own, other = (models.dino(picture_from(scene.image).rgb) for scene in (SCENE, OTHER))
    both = PatchFeatures(torch.cat([own.features, other.features]), own.attention, own.keys + other.keys)
    for wrong in (other, both):
        asked, painter = edit(models, features=wrong)
        with pytest.raises(InputError, match="features are of another picture; pass those of this one"):
            asked()
        assert painter.evaluations == 0
    encoded = encode_picture(SCENE.image, dino=None, scorer=models.scorer, features=own)
    assert encoded.features is own


def test_some_of_the_regions_are_still_of_their_picture(models: Models, found: Regions) -> None:
    painter = FillingPainter(128, (0.1, 0.2, 0.9))
    with pytest.raises(InputError, match="regions were found in another picture"):
        paint_regions(picture_from(OTHER.image), found[:1], painter, seed=1, settings=QUICK.paint)
    made = edit(models, regions=found[:1])[0]()
    assert [one.box for one in made] == [found[0].box]
    with pytest.raises(InputError, match="regions is a list; pass what find_regions gives"):
        edit(models, regions=list(found))[0]()


def test_a_crop_of_a_picture_of_another_size(found: Regions) -> None:
    source = picture_from(SCENE.image).rgb
    crop = crop_region(source, found[0], 128, QUICK.paint)
    for side in (64, 200):
        other = torch.rand(1, 3, side, side)
        with pytest.raises(InputError, match=f"picture of 128 x 128 pixels, and this one has {side} x {side}; put it"):
            stitch(other, crop, crop.picture)
        with pytest.raises(InputError, match=f"picture of 128 x 128 pixels, and this one has {side} x {side}; find"):
            crop_region(other, found[0], 128, QUICK.paint)
    with pytest.raises(InputError, match=r"painted has the shape \(1, 3, 64, 64\) and its crop \(1, 3, 128, 128\)"):
        stitch(source, crop, torch.rand(1, 3, 64, 64))


@pytest.mark.parametrize("shape", [(99, 15), (96, 3)])
def test_a_generator_for_other_features_or_sizes(models: Models, shape: tuple[int, int]) -> None:
    asked, painter = edit(models, dino=models.dino, settings=PAPER, generator=build_generator(*shape, seed=1))
    with pytest.raises(InputError, match=r"other features or sizes: .* = (99|3), this run needs (96|15); use the"):
        asked()
    assert painter.evaluations == 0


class Wider:
    """A CLIP with more numbers to a text and a picture."""

    def __init__(self, scorer: Any) -> None:
        self.scorer = scorer

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.scorer, name)
        return self.more(value) if name in ("encode_text", "encode_texts", "encode_images") else value

    @staticmethod
    def more(call: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
        return lambda given: F.pad(call(given), (0, 8))


@pytest.mark.parametrize("settings", [QUICK, PAPER])
def test_a_picture_that_another_clip_encoded(models: Models, settings: Any) -> None:
    encoded = encode_picture(SCENE.image, dino=models.dino, scorer=models.scorer)
    asked, painter = edit(models, scorer=Wider(models.scorer), encoded=encoded, settings=settings)
    with pytest.raises(InputError, match="another CLIP, with 128 numbers where this one has 136; encode it with"):
        asked()
    assert painter.evaluations == 0
