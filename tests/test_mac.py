"""A whole edit with all models on Apple's device, simulated: `tests.tools.mac` says what that refuses."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from PIL import Image

from region_core.demo.worlds import held_out
from region_core.edit import edit_image
from region_core.edits import Edits
from region_core.encode import encode_picture
from region_core.encoders.loading import Models
from region_core.find import find_regions
from region_core.paint.diffusers_painter import DiffusersPainter
from region_core.picture import picture_from

from .edits import QUICK
from .tools import mac

SETTINGS = QUICK.with_values(num_regions=2, steps=3, strength=0.9)  # so that all of it runs


def edited(models: Models, settings: Any, device: Any = "cpu") -> Edits:
    scene, wish = held_out(10, 1)
    return edit_image(
        picture_from(Image.fromarray(scene.image).resize((560, 200))).rgb.to(device),
        wish.caption,
        wish.prompt,
        painter=DiffusersPainter(models.pipe, wish.prompt),
        dino=models.dino,
        scorer=models.scorer,
        settings=settings,
    )


@pytest.fixture(scope="module")
def there(models: Models) -> Models:
    """The models with their weights on the device."""
    # a tokenizer has nothing on a device, and of two words with one number its copy would keep either
    tokenizers = [part.tokenizer for part in (models.pipe, models.scorer)]
    made = copy.deepcopy(models, {id(one): one for one in tokenizers})
    for part in (made.pipe.unet, made.pipe.vae, made.pipe.text_encoder, made.dino.model, made.scorer.model):
        mac.moved(part)
    return made


@pytest.mark.parametrize(
    ("method", "picture"), [("evidence", "here"), ("evidence", "there"), ("paper", "here"), ("paper", "there")]
)
def test_an_edit_asks_nothing_of_the_device_that_it_has_not(
    models: Models, there: Models, method: str, picture: str
) -> None:
    settings = SETTINGS.with_values(method=method, point_number=2, per_image_iteration=1)
    here = edited(models, settings)
    mac.COUNT.clear()
    with mac.Mac():
        other = edited(there, settings, mac.DEVICE if picture == "there" else "cpu")
        image = other.image.cpu()
    done = sum(count for name, count in mac.COUNT.items() if name.startswith("aten.conv"))  # by two names
    assert done > 30, "the models did not work there"
    assert other.verdict == here.verdict
    assert [one.box for one in other] == [one.box for one in here]
    torch.testing.assert_close(image, here.image, atol=2e-3, rtol=0)
    assert isinstance(other.image, mac.There) == (picture == "there")


def test_each_step_alone_goes_on_with_what_another_made_there(models: Models, there: Models) -> None:
    """Whatever device it is kept on: encoded with views for a search, and given to the published method."""
    scene, wish = held_out(10, 1)
    paper = SETTINGS.with_values(method="paper", point_number=2, per_image_iteration=1)

    def all_of_it(loaded: Models) -> list[Any]:
        encoders = {"dino": loaded.dino, "scorer": loaded.scorer}
        encoded = encode_picture(scene.image, **encoders)
        regions = find_regions(encoded, wish.caption, scorer=loaded.scorer)
        made = [
            edit_image(
                scene.image,
                wish.caption,
                wish.prompt,
                painter=DiffusersPainter(loaded.pipe, wish.prompt),
                **encoders,
                settings=settings,
                encoded=encoded,
                **more,
            )
            for settings, more in ((SETTINGS, {"regions": regions}), (paper, {}))
        ]
        ground = find_regions(scene.image, "background", **encoders)
        return [[one.box for one in each] for each in (regions, *made, ground)]

    here = all_of_it(models)
    with mac.Mac():
        assert all_of_it(there) == here


def test_what_the_device_has_not_is_refused() -> None:
    """The simulation itself: or the test above would say nothing."""
    with mac.Mac():
        one = torch.rand(2, 3, 9, 9).to(mac.DEVICE)
        with pytest.raises(TypeError, match="float64"):
            one.double()
        with pytest.raises(TypeError, match="float64"):
            torch.zeros(3, dtype=torch.float64, device=mac.DEVICE)
        with pytest.raises(NotImplementedError, match="upsample_bicubic2d_aa"):
            torch.nn.functional.interpolate(one, (5, 5), mode="bicubic", antialias=True)
        with pytest.raises(RuntimeError, match="same device"):
            one + torch.rand(9)
