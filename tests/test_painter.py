"""A painter of 20 lines is enough, whatever the picture."""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from torch import Tensor

from region_core import Region, edit_image, paint_regions
from region_core.edits import Edits
from region_core.encode import encode_picture
from region_core.encoders.loading import Models
from region_core.picture import picture_from

from .edits import QUICK, regions_at
from .painters import FillingPainter


class RedPainter:
    """All that a painting model must be."""

    size = 96

    def __call__(
        self,
        pictures: Tensor,
        masks: Tensor,
        *,
        seed: int,
        steps: int,
        guidance: float,
        strength: float,
        on_step: Any = None,
    ) -> Tensor:
        red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)
        return torch.where(masks > 0, red, pictures)


def red_edit(models: Models, image: Any, *boxes: tuple[int, int, int, int], **settings: Any) -> Edits:
    picture = picture_from(image)
    encoded = encode_picture(picture, dino=models.dino, scorer=models.scorer, with_views=False)
    return edit_image(
        image,
        "a hill",
        "a red hill",
        painter=RedPainter(),
        dino=models.dino,
        scorer=models.scorer,
        settings=QUICK.with_values(num_regions=len(boxes), **settings),
        encoded=encoded,
        regions=regions_at(encoded, *boxes, caption="a hill"),
    )


@pytest.mark.parametrize("size", [(90, 120), (35, 700), (700, 35), (513, 511), (32, 32)])
def test_it_paints_any_aspect_and_outside_the_mask_is_the_source(models: Models, size: tuple[int, int]) -> None:
    height, width = size
    source = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(1)) * 0.5
    side = max(20, min(size) // 3)
    box = (width // 4, height // 4, width // 4 + side, height // 4 + side)
    result = red_edit(models, source, box, feather_percent=30.0)
    (one,) = result
    assert one.box == box
    assert one.picture.shape == source.shape
    kept = (one.mask == 0).expand_as(source)
    assert bool(kept.any())
    assert torch.equal(one.picture[kept], source[kept])
    x0, y0, x1, y1 = box
    inside = one.picture[..., y0:y1, x0:x1]
    assert float(inside[:, 0].min()) > 0.95
    assert float(inside[:, 1:].max()) < 0.05


def test_values_beyond_1_and_alpha_are_kept(models: Models) -> None:
    rng = torch.Generator().manual_seed(4)
    source = torch.rand(1, 4, 90, 120, generator=rng) * 2 - 0.3
    result = red_edit(models, source, (30, 20, 70, 60))
    rgb, (one,) = source[:, :3], result
    kept = (one.mask == 0).expand_as(rgb)
    assert torch.equal(one.picture[kept], rgb[kept])
    assert float(one.picture[kept].max()) > 1.5
    assert torch.equal(result.alpha, source[:, 3:].clamp(0, 1))
    eight = torch.randint(0, 256, (90, 120, 4), generator=rng).to(torch.uint8).numpy()
    one = red_edit(models, eight, (30, 20, 70, 60))[0]
    after = (one.picture * 255).round().to(torch.uint8)[0].permute(1, 2, 0).numpy()
    outside = one.mask[0, 0].numpy() == 0
    assert np.array_equal(after[outside], eight[..., :3][outside])


def test_it_sees_squares_of_its_size_and_hard_masks(models: Models) -> None:
    source = torch.rand(1, 3, 300, 400, generator=torch.Generator().manual_seed(1))
    painter = FillingPainter(80)
    regions = [Region.from_box(box, 300, 400) for box in ((20, 20, 60, 60), (0, 0, 400, 300), (390, 290, 400, 300))]
    edits = paint_regions(picture_from(source), regions, painter, seed=3, settings=QUICK.paint)
    ((pictures, masks),) = painter.calls
    assert pictures.shape == (3, 3, 80, 80)
    assert masks.shape == (3, 1, 80, 80)
    assert set(masks.unique().tolist()) == {0, 1}
    assert 0 <= float(pictures.min()) <= float(pictures.max()) <= 1
    assert [one.region for one in edits] == regions
    # all from the same noise, as if each were alone
    alone = paint_regions(picture_from(source), regions[1:2], FillingPainter(80), seed=3, settings=QUICK.paint)[0]
    assert torch.equal(alone.picture, edits[1].picture)


def test_what_it_is_asked_for_is_what_the_settings_say() -> None:
    asked: dict[str, Any] = {}

    class Noting(RedPainter):
        def __call__(self, pictures: Tensor, masks: Tensor, **more: Any) -> Tensor:
            asked.update(more)
            return super().__call__(pictures, masks, **more)

    settings = QUICK.with_values(steps=7, guidance_scale=2.5, strength=0.4).paint
    picture, region = picture_from(torch.rand(1, 3, 90, 120)), Region.from_box((5, 5, 40, 40), 90, 120)

    def on_step(_step: Any) -> None:
        pass

    paint_regions(picture, [region], Noting(), seed=2**64 - 1, settings=settings, on_step=on_step)
    assert asked == {"seed": 2**64 - 1, "steps": 7, "guidance": 2.5, "strength": 0.4, "on_step": on_step}


def test_paper_knows_of_no_tint(models: Models) -> None:
    """What was painted is there as it was painted; by default it takes on the tint round it."""
    grey = torch.full((1, 3, 96, 96), 0.5)
    region = Region.from_box((30, 30, 66, 66), 96, 96)
    settings = QUICK.with_values(grow=8, feather_percent=0.0).paint
    tinted, plain = (
        paint_regions(
            picture_from(grey), [region], FillingPainter(96, (0.45,) * 3), seed=1, settings=settings, tint=tint
        )[0]
        .picture[0, 0, 48, 48]
        .item()
        for tint in (True, False)
    )
    assert tinted == pytest.approx(0.5, abs=1e-3)
    assert plain == pytest.approx(0.45)
    result = edit_image(
        grey,
        "a hill",
        "a grey hill",
        painter=FillingPainter(96, (0.45,) * 3),
        dino=models.dino,
        scorer=models.scorer,
        settings=QUICK.with_values(
            method="paper", point_number=1, max_window_size=3, per_image_iteration=1, grow=8, feather_percent=0.0
        ),
    )
    x0, y0, x1, y1 = result[0].box
    assert result[0].picture[0, 0, (y0 + y1) // 2, (x0 + x1) // 2].item() == pytest.approx(0.45)


def test_a_picture_of_4000_by_3000_takes_a_few_times_its_own_memory(models: Models) -> None:
    """Three regions painted, the largest as large as the picture: what is made for each has the model's size."""
    source = torch.rand(1, 3, 300, 400, generator=torch.Generator().manual_seed(1))
    source = source.repeat_interleave(10, 2).repeat_interleave(10, 3)
    boxes = (0, 0, 4000, 3000), (1000, 900, 3000, 2300), (3700, 2600, 3990, 2990)
    picture = picture_from(source)
    own = source.numel() * 4
    encoded = encode_picture(picture, dino=models.dino, scorer=models.scorer, with_views=False)
    process = psutil.Process()
    before, most, done = process.memory_info().rss, 0, threading.Event()

    def watch() -> None:
        nonlocal most
        while not done.wait(0.01):
            most = max(most, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        result = edit_image(
            picture.rgb,
            "a hill",
            "a red hill",
            painter=RedPainter(),
            dino=None,
            scorer=models.scorer,
            settings=QUICK.with_values(num_regions=3),
            encoded=encoded,
            regions=regions_at(encoded, *boxes, caption="a hill"),
        )
    finally:
        done.set()
        watcher.join()
    assert len(result) == 3
    assert result.image.shape == source.shape
    assert (most - before) / own < 9, f"{(most - before) / own:.1f} times the picture"
    assert all(one.crop.picture.shape[-1] == RedPainter.size for one in result)
    assert math.prod(result[0].mask.shape) == 12_000_000
