"""A crop is enough to stitch: the edit lands where it belongs, and all else is as it was."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from region_core.find import Region
from region_core.paint import Crop, crop_region, is_paintable, stitch
from region_core.settings import PaintSettings

from .test_windows import NATIVE, SIZES, boxes_for, noise

HARD = PaintSettings(grow_percent=0, feather_percent=0)
SETTINGS = [PaintSettings(), HARD, PaintSettings(grow=3, feather=7), PaintSettings(grow_percent=0, feather_percent=90)]


def crop(picture: torch.Tensor, box, settings: PaintSettings = HARD, size: int = NATIVE, *, tint: bool = False) -> Crop:
    return crop_region(picture, Region.from_box(box, *picture.shape[-2:]), size, settings, tint=tint)


@pytest.mark.parametrize("settings", SETTINGS, ids=range(len(SETTINGS)))
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_outside_the_mask_the_picture_is_kept_bit_for_bit(height: int, width: int, settings: PaintSettings) -> None:
    source = noise(1, 3, height, width)
    for box in boxes_for(height, width):
        one = crop(source, box, settings)
        out, mask = stitch(source, one, noise(1, 3, NATIVE, NATIVE, seed=1))
        assert mask.shape == (1, 1, height, width)
        kept = (mask == 0).expand_as(source)
        assert torch.equal(out[kept], source[kept])
        assert not torch.equal(out, source)
        spoilt, _ = stitch(source, one, torch.full((1, 3, NATIVE, NATIVE), torch.nan))
        assert torch.equal(spoilt[kept], source[kept]), "even this may not leak out of a mask"
        x0, y0, x1, y1 = one.touched
        inside = torch.zeros(1, 1, height, width, dtype=torch.bool)
        inside[..., y0:y1, x0:x1] = True
        assert not bool(mask[~inside].any())
        found = Region.from_box(box, height, width).mask > 0
        assert bool((mask[found] == 1).all()), "the region as found is painted over as a whole"


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_a_crop_that_was_not_painted_comes_back_to_the_same_place(height: int, width: int) -> None:
    """A shift by one native pixel, or axes swapped, would show on this slope."""
    ramp_x = torch.linspace(0, 1, width).expand(height, width)
    ramp_y = torch.linspace(0, 1, height)[:, None].expand(height, width)
    source = torch.stack([ramp_x, ramp_y, ramp_x * ramp_y])[None]
    for box in boxes_for(height, width):
        one = crop(source, box)
        out, _ = stitch(source, one, one.picture)
        # edge padding bends the ramp at the picture's border only, by a part of a native pixel
        cell = max(1.0, (one.window[2] - one.window[0]) / NATIVE) / min(height, width)
        assert (out - source).abs().max() < 0.5 * cell
        assert (out - source).abs().mean() < 0.02 * cell


def test_a_native_window_is_painted_without_resampling_either_way() -> None:
    source, edit = noise(1, 3, 300, 400), noise(1, 3, NATIVE, NATIVE, seed=2)
    one = crop(source, (100, 90, 150, 140))
    x0, y0, x1, y1 = one.window
    assert (x1 - x0, y1 - y0) == (NATIVE, NATIVE)
    assert torch.equal(one.picture, source[..., y0:y1, x0:x1])
    out, mask = stitch(source, one, edit)
    torch.testing.assert_close(out[..., 90:140, 100:150], edit[..., 90 - y0 : 140 - y0, 100 - x0 : 150 - x0])
    assert int(mask.count_nonzero()) == 50 * 50


def test_a_window_past_the_border_shows_the_picture_in_its_middle_and_masks_no_padding() -> None:
    source = noise(1, 3, 60, 300)
    one = crop(source, (120, 0, 180, 60), PaintSettings(grow=20))
    assert one.window[1] < 0
    assert one.window[3] > 60
    top, side = -one.window[1], one.window[3] - one.window[1]
    scale = NATIVE / side
    painted = one.mask[0, 0].any(dim=1).nonzero().flatten()
    assert int(painted[0]) >= math.floor(top * scale)
    assert int(painted[-1]) < math.ceil((top + 60) * scale)
    out, mask = stitch(source, one, torch.zeros(1, 3, NATIVE, NATIVE))
    assert out[..., 130:170].abs().max() < 1e-6
    assert torch.equal(out[..., :60], source[..., :60])
    assert bool(mask[..., 120:180].all())


@pytest.mark.parametrize("side", [64, 100, 128, 300, 777])
def test_a_pixel_of_the_model_is_masked_where_any_of_the_regions_falls_in_it(side: int) -> None:
    source, generator = noise(1, 3, 800, 900), torch.Generator().manual_seed(side)
    for x, y in torch.randint(0, 20, (8, 2), generator=generator).tolist():
        box = (300 + x, 200 + y, 300 + x + side // 2, 200 + y + side // 3)
        one = crop(source, box, size=64)
        left, top, right, _ = one.window
        scale = 64 / (right - left)
        at = torch.arange(64)
        # the pixels that the region meets: from the one that its first column is in to the one of its last
        columns = ((at + 1) / scale > box[0] - left + 1e-6) & (at / scale < box[2] - left - 1e-6)
        rows = ((at + 1) / scale > box[1] - top + 1e-6) & (at / scale < box[3] - top - 1e-6)
        assert torch.equal(one.mask[0, 0], (rows[:, None] & columns).float())
        assert torch.equal(one.found, one.mask)  # where nothing is grown


def test_the_mask_is_the_region_grown_and_hard() -> None:
    one = crop(noise(1, 3, 300, 400), (100, 90, 150, 140), PaintSettings(grow_percent=0, feather_percent=0, grow=7))
    left, top = one.window[:2]
    assert set(one.mask.unique().tolist()) == {0, 1}
    painted, found = (part[0, 0].nonzero() for part in (one.mask, one.found))
    assert (painted.min(dim=0).values + torch.tensor([top, left])).tolist() == [83, 93]
    assert (painted.max(dim=0).values + torch.tensor([top, left])).tolist() == [146, 156]
    assert (found.min(dim=0).values + torch.tensor([top, left])).tolist() == [90, 100]


def test_all_that_is_touched_lies_in_the_window() -> None:
    source = noise(1, 3, 600, 700)
    one = crop(source, (150, 250, 250, 350), PaintSettings(grow_percent=0, feather_percent=0, grow=10, feather=60))
    assert all(one.window[k] <= one.touched[k] and one.window[k + 2] >= one.touched[k + 2] for k in (0, 1))
    assert one.window[2] - one.window[0] == 2 * (one.touched[2] - one.touched[0])


def test_crops_stitched_one_after_another_are_all_in_the_picture() -> None:
    """Regions that overlap are painted in order: the later lies above."""
    source = noise(1, 3, 300, 400)
    boxes = [(20, 30, 90, 100), (60, 70, 130, 150), (300, 200, 380, 290)]
    picture, shown = source, torch.zeros(1, 1, 300, 400, dtype=torch.bool)
    for number, box in enumerate(boxes):
        one = crop(picture, box, PaintSettings(grow_percent=0, feather_percent=20))
        picture, mask = stitch(picture, one, torch.full((1, 3, NATIVE, NATIVE), number / 4))
        shown |= mask > 0
    for number, (x0, y0, x1, y1) in enumerate(boxes):
        inside = picture[..., y0:y1, x0:x1] if number else picture[..., 30:50, 20:40]
        torch.testing.assert_close(inside, torch.full_like(inside, number / 4), atol=1e-5, rtol=0)
    assert torch.equal(picture[~shown.expand_as(picture)], source[~shown.expand_as(source)])


def test_stitching_changes_neither_what_it_is_given_nor_depends_on_the_source() -> None:
    source, edit = noise(1, 3, 200, 300), noise(1, 3, NATIVE, NATIVE)
    one = crop(source, (20, 30, 60, 90))
    kept = source.clone(), edit.clone(), one.blend.clone()
    first, mask = stitch(source, one, edit)
    for now, before in zip((source, edit, one.blend), kept, strict=True):
        assert torch.equal(now, before)
    other, _ = stitch(torch.zeros_like(source), one, edit)
    full = (mask == 1).expand_as(source)
    assert torch.equal(first[full], other[full])


def test_half_precision_pictures_come_back_as_they_are() -> None:
    source = noise(1, 3, 200, 300)
    one = crop(source, (20, 30, 60, 90))
    out, mask = stitch(source, one, one.picture.half())
    assert out.dtype == mask.dtype == torch.float32
    assert (out - source).abs().max() < 1e-3


def test_an_edit_takes_on_the_tint_round_it_where_it_is_asked_for() -> None:
    """Without, what was painted is there as it was painted."""
    shown = []
    for tint in (False, True):
        source = torch.full((1, 3, 64, 64), 0.5)
        one = crop(source, (20, 20, 44, 44), PaintSettings(grow=6, feather_percent=0), 64, tint=tint)
        shown.append(stitch(source, one, torch.full((1, 3, 64, 64), 0.45))[0][0, :, 32, 32].tolist())
    assert shown == [pytest.approx([0.45] * 3), pytest.approx([0.5] * 3, abs=1e-3)]


def test_what_a_fade_shows_lies_between_the_two() -> None:
    source = torch.zeros(1, 3, 300, 400)
    one = crop(source, (150, 100, 250, 200), PaintSettings(grow_percent=0, feather_percent=30))
    out, mask = stitch(source, one, torch.ones(1, 3, NATIVE, NATIVE))
    torch.testing.assert_close(out, mask.expand_as(out), atol=1e-5, rtol=0)
    assert bool(((mask > 0) & (mask < 1)).any())


@pytest.mark.parametrize(
    ("box", "large"),
    [
        ((0, 0, 10, 9), True),  # 0.3 % of 200 x 150, and 8 of the model's pixels a side where it is painted
        ((0, 0, 9, 9), False),
        ((0, 0, 8, 12), True),
        ((0, 0, 7, 14), False),
        ((0, 0, 7, 140), False),
        ((0, 0, 140, 7), False),
        ((0, 0, 200, 150), True),
    ],
)
def test_what_is_too_small_to_be_painted(box, large: bool) -> None:
    """The window of a small box has 64 pixels, as the model; of a long one it is larger than the model's."""
    assert is_paintable(Region.from_box(box, 150, 200), 64) == large


def test_a_thin_region_of_a_large_window_is_thinner_where_it_is_painted() -> None:
    thin, thick = (100, 100, 300, 115), (100, 100, 300, 150)  # windows of 400 pixels, painted at 64
    assert [is_paintable(Region.from_box(box, 600, 600), 64) for box in (thin, thick)] == [False, True]


def test_a_large_window_comes_back_as_the_smooth_picture_it_was() -> None:
    coarse = noise(1, 3, 5, 5, seed=3)
    source = F.interpolate(coarse, (900, 1200), mode="bilinear", align_corners=False)
    one = crop(source, (100, 100, 800, 700))
    out, _ = stitch(source, one, one.picture)
    assert (out - source).abs().max() < 0.02
