"""The whole cost of an edit: every pass counted on the models, priced at full-size models' ratios."""

from __future__ import annotations

import pytest
from PIL import Image

from region_core.cost import GFLOP, PRICE, Cost
from region_core.demo.worlds import held_out
from region_core.edit import edit_image
from region_core.paint.diffusers_painter import DiffusersPainter
from region_core.settings import preset


def test_every_pass_of_an_edit_is_counted(models):
    scene, wish = held_out(5, 1)
    seen = {
        "unet_evaluations": 0,
        "vae_encodings": 0,
        "vae_decodings": 0,
        "dino_images": 0,
        "clip_images": 0,
        "clip_texts": 0,
    }
    pipe = models.pipe

    def watch(name, module):
        def count(_module, args, kwargs):
            given = args[0] if args else next(iter(kwargs.values()))
            seen[name] += len(given)

        return module.register_forward_pre_hook(count, with_kwargs=True)

    first_convolution = next(m for m in models.scorer.visual.modules() if type(m).__name__ == "Conv2d")
    hooks = [
        watch(*pair)
        for pair in (
            ("unet_evaluations", pipe.unet),
            ("vae_encodings", pipe.vae.encoder),
            ("vae_decodings", pipe.vae.decoder),
            ("dino_images", models.dino.model),
            ("clip_images", first_convolution),
            ("clip_texts", models.scorer.model.token_embedding),
        )
    ]
    result = edit_image(
        Image.fromarray(scene.image),
        wish.caption,
        wish.prompt,
        painter=DiffusersPainter(pipe, wish.prompt),
        dino=models.dino,
        scorer=models.scorer,
        settings=preset("standard").with_values(steps=4),
    )
    for hook in hooks:
        hook.remove()
    assert min(seen.values()) > 0
    assert {k: v for k, v in result.cost.as_dict().items() if k != "total"} == seen
    assert result.cost.total == pytest.approx(sum(PRICE[name] * n for name, n in seen.items()))


def test_a_second_edit_is_not_charged_for_the_first():
    one, two = Cost(unet_evaluations=40, clip_images=30), Cost(unet_evaluations=100, clip_images=50)
    assert two - one == Cost(unet_evaluations=60, clip_images=20)


@pytest.mark.parametrize(
    "name",
    [
        "clip_images",
        "clip_texts",
        "dino_images",
        "vae_encodings",
        "vae_decodings",
        pytest.param("unet_evaluations", marks=pytest.mark.slow),
    ],
)
def test_prices_are_those_of_the_full_size_models(name):
    full_size = pytest.importorskip("benchmark.full_size")
    # the UNet is priced as published, without the products of attention: all else looks dearer by it
    assert full_size.counted(name) == pytest.approx(
        GFLOP[name] * (804.4 / 680 if name == "unet_evaluations" else 1), rel=0.02
    )
