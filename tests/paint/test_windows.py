"""Windows, crops, stitching: the edit lands where it belongs, the rest stays as it was."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from region_core.boxes import boxes_to_masks
from region_core.paint import windows as way
from region_core.paint.borders import Borders

from .parts import NATIVE, SIZES, boxes_for


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def smooth(channels: int, height: int, width: int) -> torch.Tensor:
    """A picture that resampling hardly changes."""
    coarse = noise(1, channels, 5, 5, seed=3)
    return F.interpolate(coarse, (height, width), mode="bilinear", align_corners=False)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_a_window_is_square_holds_its_box_and_lies_in_the_picture_where_it_fits(height, width):
    boxes = boxes_for(height, width)
    for box, window in zip(boxes.tolist(), way.windows_for(boxes, height, width, NATIVE).tolist(), strict=True):
        x0, y0, x1, y1 = window
        side = x1 - x0
        assert side == y1 - y0
        longest = 2 * max(box[2] - box[0], box[3] - box[1])
        assert side == pytest.approx(min(max(longest, NATIVE), max(height, width)), abs=2)
        assert x0 <= box[0]
        assert y0 <= box[1]
        assert x1 >= box[2]
        assert y1 >= box[3]
        for low, high, length in ((x0, x1, width), (y0, y1, height)):
            if side <= length:
                assert low >= 0
                assert high <= length
            else:  # the picture sits in the middle
                assert abs((low + high) - length) <= 1


def test_a_window_is_centred_on_a_box_far_from_the_border():
    assert way.window_for((200, 100, 220, 110), 300, 400, 64) == (178, 73, 242, 137)


def test_a_large_box_gets_a_window_of_twice_its_side():
    assert way.window_for((400, 400, 600, 500), 1000, 1000, 64) == (300, 250, 700, 650)


def test_a_window_equal_to_the_picture_is_the_identity_both_ways():
    source = noise(1, 3, NATIVE, NATIVE)
    boxes = boxes_for(NATIVE, NATIVE)
    windows = way.windows_for(boxes, NATIVE, NATIVE, NATIVE)
    crops = way.crop(source, windows, NATIVE)
    assert torch.equal(crops, source.expand_as(crops))
    edits = noise(len(boxes), 3, NATIVE, NATIVE, seed=1)
    masks = boxes_to_masks(boxes, NATIVE, NATIVE)
    out = way.stitch(source, edits, windows, masks)
    assert torch.equal(out, torch.where(masks == 1, edits, source))


def test_a_native_window_in_a_large_picture_is_copied_without_resampling():
    source = noise(1, 3, 300, 400)
    window = torch.tensor([[50, 60, 50 + NATIVE, 60 + NATIVE]])
    crop = way.crop(source, window, NATIVE)
    assert torch.equal(crop, source[:, :, 60 : 60 + NATIVE, 50 : 50 + NATIVE])
    masks = torch.zeros(1, 1, 300, 400)
    masks[:, :, 80:120, 70:130] = 1
    edit = noise(1, 3, NATIVE, NATIVE, seed=2)
    out = way.stitch(source, edit, window, masks)
    assert torch.equal(out[:, :, 80:120, 70:130], edit[:, :, 20:60, 20:80])


def test_a_picture_shorter_than_the_window_is_padded_with_its_edge():
    source = noise(1, 3, 40, NATIVE)
    window = way.windows_for(torch.tensor([[5.0, 5, 9, 9]]), 40, NATIVE, NATIVE)
    crop = way.crop(source, window, NATIVE)
    top = (NATIVE - 40) // 2
    assert torch.equal(crop[:, :, top : top + 40], source)
    assert torch.equal(crop[:, :, :top], source[:, :, :1].expand(-1, -1, top, -1))
    below = NATIVE - top - 40
    assert torch.equal(crop[:, :, top + 40 :], source[:, :, -1:].expand(-1, -1, below, -1))


def test_each_crop_shows_its_own_window():
    source = torch.zeros(1, 3, 600, 800)
    source[:, 0, 100:130, 600:630] = 1
    boxes = torch.tensor([[600.0, 100, 630, 130], [100, 500, 130, 530], [600, 100, 630, 130]])
    crops = way.crop(source, way.windows_for(boxes, 600, 800, NATIVE), NATIVE)
    assert crops.shape == (3, 3, NATIVE, NATIVE)
    assert crops[0].sum() == 900
    assert crops[1].sum() == 0
    assert torch.equal(crops[2], crops[0])


def test_a_large_window_is_averaged_and_not_picked_from():
    """Stripes one in four pixels wide, one to a native pixel, become grey and do not vanish."""
    source = (torch.arange(4 * NATIVE) % 4 == 0).float().expand(1, 3, 4 * NATIVE, 4 * NATIVE)
    crop = way.crop(source, torch.tensor([[0, 0, 4 * NATIVE, 4 * NATIVE]]), NATIVE)
    assert (crop[..., 2:-2] - 0.25).abs().max() < 0.05


def test_no_windows_give_no_crops():
    none = torch.zeros(0, 4)
    windows = way.windows_for(none, 64, 64, NATIVE)
    assert way.crop(noise(1, 3, 64, 64), windows, NATIVE).shape == (0, 3, NATIVE, NATIVE)
    assert way.box_masks(none, windows, 64, 64, NATIVE).shape == (0, 1, NATIVE, NATIVE)


@pytest.mark.parametrize("borders", [Borders(10, 20), Borders(grow=3, feather=7), Borders()])
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_outside_the_mask_the_source_is_kept_bit_for_bit(height, width, borders):
    channels = 4
    source = noise(1, channels, height, width)
    boxes = boxes_for(height, width)
    masks = borders.masks(boxes, height, width)
    touched = borders.touched(boxes, height, width)
    assert not bool((masks * (1 - boxes_to_masks(touched, height, width))).any())
    windows = way.windows_for(touched, height, width, NATIVE)
    edits = noise(len(boxes), channels, NATIVE, NATIVE, seed=1)
    edits[0, 0, 0, 0] = float("nan")  # even this may not leak out of a mask
    for n in range(len(boxes)):  # one at a time: the pictures are large
        one = slice(n, n + 1)
        out = way.stitch(source, edits[one], windows[one], masks[one])
        kept = (masks[one] == 0).expand_as(source)
        assert torch.equal(out[kept], source[kept])
        assert not torch.equal(out, source)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_an_edit_that_changes_nothing_comes_back_to_the_same_place(height, width):
    """A shift by one native pixel, or axes swapped, would show on this slope."""
    ramp_x = torch.linspace(0, 1, width).expand(height, width)
    ramp_y = torch.linspace(0, 1, height)[:, None].expand(height, width)
    source = torch.stack([ramp_x, ramp_y, ramp_x * ramp_y])[None]
    boxes = boxes_for(height, width)
    windows = way.windows_for(boxes, height, width, NATIVE)
    masks = boxes_to_masks(boxes, height, width)
    out = way.stitch(source, way.crop(source, windows, NATIVE), windows, masks)
    # Edge padding bends the ramp at the picture's border only, by a part of a native pixel.
    cell = max(1.0, (windows[:, 2] - windows[:, 0]).max().item() / NATIVE) / min(height, width)
    assert (out - source).abs().max() < 0.5 * cell
    assert (out - source).abs().mean() < 0.02 * cell


def test_the_edit_is_shown_whole_inside_a_hard_mask():
    source = torch.zeros(1, 3, 333, 451)
    boxes = boxes_for(333, 451)
    windows = way.windows_for(boxes, 333, 451, NATIVE)
    masks = boxes_to_masks(boxes, 333, 451)
    out = way.stitch(source, torch.ones(len(boxes), 3, NATIVE, NATIVE), windows, masks)
    assert torch.allclose(out, masks.expand_as(out), atol=1e-6)


def test_a_mask_that_reaches_out_of_its_window_is_refused():
    masks = torch.zeros(1, 1, 300, 300)
    masks[:, :, 0, 0] = 1
    window = torch.tensor([[100, 100, 228, 228]])
    with pytest.raises(ValueError, match="outside its window"):
        way.stitch(noise(1, 3, 300, 300), noise(1, 3, NATIVE, NATIVE), window, masks)


def test_stitching_changes_neither_source_nor_edits():
    source, edits = noise(1, 3, 200, 300), noise(1, 3, NATIVE, NATIVE)
    kept = source.clone(), edits.clone()
    boxes = torch.tensor([[20.0, 30, 60, 90]])
    windows = way.windows_for(boxes, 200, 300, NATIVE)
    way.stitch(source, edits, windows, boxes_to_masks(boxes, 200, 300))
    assert torch.equal(source, kept[0])
    assert torch.equal(edits, kept[1])


def test_a_composite_mixes_by_the_mask_and_is_exact_at_both_ends():
    source, edit = noise(1, 3, 4, 3), noise(2, 3, 4, 3, seed=1)
    mask = torch.tensor([0.0, 0.25, 1.0]).expand(2, 1, 4, 3)
    out = way.composite(source, edit, mask)
    assert torch.equal(out[..., 0], source[..., 0].expand(2, -1, -1))
    assert torch.allclose(out[..., 1], 0.75 * source[..., 1] + 0.25 * edit[..., 1])
    assert torch.equal(out[..., 2], edit[..., 2])


def test_a_reduced_picture_shows_the_edit_as_the_full_one_would_when_reduced():
    height, width = 900, 1200
    source = smooth(3, height, width)
    boxes = torch.tensor([[700.0, 100, 860, 330], [31, 417, 95, 803], [0, 0, 1200, 900]])
    windows = way.windows_for(boxes, height, width, NATIVE)
    edits = 1 - way.crop(source, windows, NATIVE)
    masks = boxes_to_masks(boxes, height, width)
    full = way.stitch(source, edits, windows, masks)
    size = (225, 300)
    small = F.interpolate(source, size, mode="area")
    out = way.stitch_at(small, edits, windows, boxes, height, width)
    assert (out - F.interpolate(full, size, mode="area")).abs().max() < 0.03
    assert (out - small).abs().amax((1, 2, 3)).min() > 0.3
    untouched = (F.interpolate(masks, size, mode="area") == 0).expand_as(out)
    assert torch.equal(out[untouched], small.expand_as(out)[untouched])


def test_a_reduced_picture_of_the_same_size_is_the_stitched_one():
    source = noise(1, 3, NATIVE, NATIVE)
    boxes = boxes_for(NATIVE, NATIVE)
    windows = way.windows_for(boxes, NATIVE, NATIVE, NATIVE)
    edits = noise(len(boxes), 3, NATIVE, NATIVE, seed=1)
    masks = boxes_to_masks(boxes, NATIVE, NATIVE)
    assert torch.equal(
        way.stitch_at(source, edits, windows, boxes, NATIVE, NATIVE), way.stitch(source, edits, windows, masks)
    )


def test_a_picture_of_4000_by_3000_asks_the_model_for_no_more_than_one_of_512():
    """Everything made for a candidate has the native size, however large its window."""
    height, width = 3000, 4000
    source = noise(1, 1, 300, 400).repeat_interleave(10, 2).repeat_interleave(10, 3)
    boxes = boxes_for(height, width).repeat(12, 1)
    windows = way.windows_for(boxes, height, width, NATIVE)
    shape = (60, 1, NATIVE, NATIVE)
    assert way.crop(source, windows, NATIVE).shape == shape
    assert way.box_masks(boxes, windows, height, width, NATIVE).shape == shape


def test_equal_windows_are_cut_once(monkeypatch):
    calls = []
    real = way._cut
    monkeypatch.setattr(way, "_cut", lambda *a: calls.append(a) or real(*a))
    windows = torch.tensor([[0, 0, 200, 200], [10, 0, 210, 200], [0, 0, 200, 200]])
    way.crop(noise(1, 3, 300, 300), windows, NATIVE)
    assert len(calls) == 2
