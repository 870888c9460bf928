"""Windows: square, round their box, resampled without a shift, edges repeated beyond the picture."""

from __future__ import annotations

import pytest
import torch

from region_core.paint.windows import cut, resized, window_for

NATIVE = 128
SIZES = [(333, 451), (768, 1024), (64, 64), (300, 2000)]  # H, W


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def boxes_for(height: int, width: int) -> list[tuple[int, int, int, int]]:
    """Small, odd, at each corner's edge, wide, and the whole picture."""
    return [
        (width // 2 - 7, height // 2 - 9, width // 2 + 8, height // 2 + 4),
        (0, 0, 11, 13),
        (width - 12, height - 5, width, height),
        (width // 10, height * 3 // 10, width * 9 // 10, height * 45 // 100),
        (0, 0, width, height),
    ]


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_a_window_is_square_holds_its_box_and_lies_in_the_picture_where_it_fits(height: int, width: int) -> None:
    for box in boxes_for(height, width):
        x0, y0, x1, y1 = window_for(box, height, width, NATIVE)
        side = x1 - x0
        assert side == y1 - y0
        assert side == min(max(2 * max(box[2] - box[0], box[3] - box[1]), NATIVE), max(height, width))
        assert x0 <= box[0] < box[2] <= x1
        assert y0 <= box[1] < box[3] <= y1
        for low, high, length in ((x0, x1, width), (y0, y1, height)):
            if side <= length:
                assert 0 <= low < high <= length
            else:  # the picture sits in the middle
                assert abs((low + high) - length) <= 1


def test_a_window_is_centred_on_a_box_far_from_the_border() -> None:
    assert window_for((200, 100, 220, 110), 300, 400, 64) == (178, 73, 242, 137)


def test_a_large_box_gets_a_window_of_twice_its_side() -> None:
    assert window_for((400, 400, 600, 500), 1000, 1000, 64) == (300, 250, 700, 650)


def test_a_native_window_is_copied_without_resampling() -> None:
    source = noise(1, 3, 300, 400)
    assert torch.equal(cut(source, (50, 60, 178, 188), NATIVE), source[:, :, 60:188, 50:178])
    assert torch.equal(cut(source[..., :NATIVE, :NATIVE], (0, 0, NATIVE, NATIVE), NATIVE), source[..., :128, :128])


def test_a_picture_shorter_than_the_window_is_padded_with_its_edge() -> None:
    source = noise(1, 3, 40, NATIVE)
    made = cut(source, window_for((5, 5, 9, 9), 40, NATIVE, NATIVE), NATIVE)
    top = (NATIVE - 40) // 2
    assert torch.equal(made[:, :, top : top + 40], source)
    assert torch.equal(made[:, :, :top], source[:, :, :1].expand(-1, -1, top, -1))
    below = NATIVE - top - 40
    assert torch.equal(made[:, :, top + 40 :], source[:, :, -1:].expand(-1, -1, below, -1))


def test_a_large_window_is_averaged_and_not_picked_from() -> None:
    """Stripes one in four pixels wide, one to a native pixel, become grey and do not vanish."""
    side = 4 * NATIVE
    source = (torch.arange(side) % 4 == 0).float().expand(1, 3, side, side)
    made = cut(source, (0, 0, side, side), NATIVE)
    assert (made[..., 2:-2] - 0.25).abs().max() < 0.05


def test_a_picture_of_4000_by_3000_is_cut_to_what_one_of_512_is() -> None:
    source = noise(1, 1, 300, 400).repeat_interleave(10, 2).repeat_interleave(10, 3)
    for box in boxes_for(3000, 4000):
        assert cut(source, window_for(box, 3000, 4000, NATIVE), NATIVE).shape == (1, 1, NATIVE, NATIVE)


def test_resampling_stays_in_range_and_the_same_size_is_the_same_tensor() -> None:
    hard = (noise(1, 3, 64, 64) > 0.5).float()
    made = resized(hard, 41, 99)
    assert made.shape[-2:] == (41, 99)
    assert 0 <= float(made.min()) <= float(made.max()) <= 1
    assert resized(hard, 64, 64) is hard
