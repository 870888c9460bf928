"""What the maps and the crops say of regions."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from region_core.find.masks import box_mask
from region_core.find.probes import blurred_outside, crop_evidence, map_evidence
from region_core.find.texts import RIVALS, contrast, is_ground, spread, standardised

GRID = (16, 16)


def stacked(*boxes) -> torch.Tensor:
    return torch.from_numpy(np.stack([box_mask(box, GRID) for box in boxes])).float()


def test_the_tight_region_is_told_from_a_part_and_from_too_much():
    cells = torch.zeros(2, *GRID)
    cells[0] = 1
    cells[:, 4:12, 4:12] = torch.tensor([0.0, 1.0])[:, None, None]
    relevance = cells[1:]
    said = map_evidence(stacked((4, 4, 12, 12), (6, 6, 9, 9), (1, 1, 15, 15), (0, 0, 3, 3)), relevance, cells)
    for values in (said.ring, said.apart):
        assert values.argmax() == 0
    assert said.rest.argmax() == 0
    torch.testing.assert_close(said.share[0], torch.tensor(0.25))


@pytest.mark.parametrize(("side", "ring"), [(3, 1), (6, 1), (8, 2), (11, 3), (17, 5), (27, 8)])
def test_the_ring_of_a_region_grows_with_it(side, ring):
    """Cells of 1 inside, of 0.5 in the ring, of 0.25 where it ends and of 0 beyond, where a larger one would."""
    low = 24 - side // 2
    relevance, cells = torch.zeros(1, 48, 48), torch.zeros(3, 48, 48)
    wide, less, tight = ((slice(low - more, low + side + more),) * 2 for more in (ring, ring - 1, 0))
    relevance[(0, *wide)], relevance[(0, *less)], relevance[(0, *tight)] = 0.25, 0.5, 1
    cells[0] = 1
    for kind, place in ((1, wide), (2, tight)):
        cells[(slice(None), *place)] = torch.eye(3)[kind].view(3, 1, 1)
    mask = torch.from_numpy(box_mask((low, low, low + side, low + side), (48, 48)))[None].float()
    said = map_evidence(mask, relevance, cells)
    inner, whole = ((side + 2 * more) ** 2 - side**2 for more in (ring - 1, ring))  # cells
    around = inner * 0.5 + (whole - inner) * 0.25
    assert said.ring.item() == pytest.approx(1 - around / whole, abs=1e-5)
    assert said.apart.item() == pytest.approx(1, abs=1e-5)
    outside = around / (48**2 - side**2)
    share = side**2 / 48**2
    assert said.share.item() == pytest.approx(share)
    assert said.rest.item() == pytest.approx((1 - outside) * share**0.15, abs=1e-5)


def test_what_is_apart_is_more_like_itself_than_its_ring_is():
    cells = torch.zeros(2, *GRID)
    cells[0] = 1
    cells[:, 4:12, 4:12] = torch.tensor([0.6, 0.8]).view(2, 1, 1)
    said = map_evidence(stacked((4, 4, 12, 12)), torch.zeros(1, *GRID), cells)
    assert said.apart.item() == pytest.approx(1 - 0.6, abs=1e-5)


def test_each_map_has_its_weight():
    maps, cells = torch.zeros(2, *GRID), torch.ones(1, *GRID)
    maps[0, 4:12, 4:12], maps[1, 4:12, 4:12] = 1, 3
    box = (4, 4, 12, 12)
    assert map_evidence(stacked(box), maps, cells).ring.item() == pytest.approx(2)
    weights = torch.tensor([[1.0, 0], [0.25, 0.75]])
    assert map_evidence(stacked(box, box), maps, cells, weights).ring.tolist() == pytest.approx([1, 2.5])


def test_a_region_of_a_part_of_a_cell_is_what_that_cell_says():
    relevance = torch.zeros(1, *GRID)
    relevance[0, 5, 5] = 0.8
    said = map_evidence(stacked((5, 5, 5.5, 5.5)), relevance, torch.ones(1, *GRID))
    ring = 0.8 * 0.75 / 6  # 24 fine places round one, three of them in the same cell
    assert said.ring.item() == pytest.approx(0.8 - ring, abs=1e-5)
    assert said.share.item() == pytest.approx(1 / 1024)


def test_a_region_that_leaves_nothing_outside_is_held_against_the_least_there_is():
    relevance = torch.full((1, *GRID), 0.4)
    relevance[0, 0, 0], relevance[0, 5, 5] = 0.1, 2.0
    cells = torch.zeros(2, *GRID)
    cells[0, :, :8], cells[1, :, 8:] = 1, 1
    said = map_evidence(stacked((0, 0, 16, 16)), relevance, cells)
    mean = float(relevance.mean())
    assert said.ring.item() == pytest.approx(mean - 0.1, abs=1e-5)
    assert said.rest.item() == pytest.approx(mean - 0.1, abs=1e-5)
    assert said.apart.item() == pytest.approx(0, abs=1e-5)


class MeanReader:
    """A CLIP that embeds a picture as its mean colour."""

    image_size = 32

    def encode_images(self, images):
        return images.mean(dim=(2, 3))


def test_a_region_is_seen_with_half_its_size_of_surroundings_and_alone():
    picture = torch.zeros(1, 3, 96, 96)
    picture[:, 0, 30:50, 40:60] = 1
    picture[:, 1, 25:55, 35:65] = 1  # 1.5 times the box, and nothing beyond
    boxes = torch.tensor([[40.0, 30, 60, 50]])
    caption, others = torch.tensor([[1.0, 0, 0]]), torch.tensor([[0, 0, 1.0], [0, 0.5, 0]])
    said = crop_evidence(MeanReader(), picture, boxes, caption, others)
    red, green = 400 / 900, 1.0
    assert said.crop[0] == pytest.approx(red - (0 + green / 2) / 2, abs=0.02)
    assert said.crop_spread[0] == pytest.approx((red - green / 4) / (0.5**0.5 * green / 2), abs=0.05)
    said = crop_evidence(MeanReader(), picture[..., 25:55, 35:65], torch.tensor([[5.0, 5, 25, 25]]), caption, others)
    assert said.blur[0] == pytest.approx(red - green / 4, abs=0.08)  # the window is the picture
    assert said.blur_spread[0] == pytest.approx((red - green / 4) / (0.5**0.5 * green / 2), abs=0.3)


def test_a_region_that_is_the_whole_picture_has_finite_evidence():
    said = map_evidence(stacked((0, 0, 16, 16), (2, 2, 5, 5)), torch.rand(2, *GRID), torch.randn(3, *GRID))
    for values in (said.ring, said.rest, said.apart):
        assert values.isfinite().all()


@pytest.mark.parametrize("maps", [1, 2, 3])
def test_each_region_is_judged_by_itself(maps):
    source = torch.Generator().manual_seed(2)
    relevance, cells = torch.rand(maps, *GRID, generator=source), torch.randn(3, *GRID, generator=source)
    masks, weights = stacked((0, 0, 16, 16), (2, 2, 5, 5)), torch.rand(2, maps, generator=source)
    both = map_evidence(masks, relevance, cells, weights)
    for row in (0, 1):
        alone = map_evidence(masks[row : row + 1], relevance, cells, weights[row : row + 1])
        for name in ("ring", "rest", "apart", "share"):
            assert getattr(both, name)[row].item() == pytest.approx(getattr(alone, name).item(), abs=1e-5)


def test_outside_is_blurred_and_inside_stays():
    torch.manual_seed(0)
    picture = torch.rand(1, 3, 8, 8).repeat_interleave(8, dim=2).repeat_interleave(8, dim=3)
    seen = blurred_outside(picture, torch.tensor([[16.0, 16, 48, 48]]), 64)
    torch.testing.assert_close(seen[..., 18:22, 18:22], picture[..., 18:22, 18:22], atol=0.01, rtol=0)
    assert seen[..., :12, :].std() < 0.65 * picture.std()


def test_the_window_of_a_region_at_the_border_is_moved_into_the_picture():
    picture = torch.arange(96.0).expand(1, 3, 32, 96) / 96
    seen = blurred_outside(picture, torch.tensor([[0.0, 0, 8, 8], [88, 24, 96, 32], [44, 10, 52, 20]]), 32)
    assert seen.shape == (3, 3, 32, 32)
    for row, start in ((0, 0), (1, 64), (2, 32)):  # where a window of 32 columns begins
        middle = seen[row, 0, 16, 8:24] * 96
        torch.testing.assert_close(middle, torch.arange(start + 8.0, start + 24), atol=1.0, rtol=0)


def test_a_region_longer_than_the_picture_is_high_has_a_window_of_its_own_length():
    picture = torch.arange(96.0).expand(1, 3, 32, 96) / 96
    seen = blurred_outside(picture, torch.tensor([[16.0, 8, 80, 24], [40, 8, 56, 24]]), 32)
    torch.testing.assert_close(seen[1, 0, 16, 8:24] * 96, torch.arange(40.0, 56), atol=1.0, rtol=0)  # not the other's
    torch.testing.assert_close(seen[0, 0, 16, 2:30] * 96, torch.arange(32.0)[2:30] * 2 + 16.5, atol=1.0, rtol=0)


def test_the_blur_takes_things_away_and_begins_at_the_region():
    picture = torch.zeros(1, 3, 64, 64)
    picture[..., ::2] = 1  # stripes of a pixel
    seen = blurred_outside(picture, torch.tensor([[20.0, 24, 44, 40.5]]), 64)[0, 0]
    inside = torch.zeros(64, 64, dtype=torch.bool)
    inside[24:40, 20:44] = True
    part = torch.zeros_like(inside)
    part[40, 20:44] = True  # half of this row is the region's
    contrasts = (seen[:, 1:] - seen[:, :-1]).abs()
    sharp = float(contrasts[24:40, 21:43].mean())
    assert sharp > 0.4
    assert float(contrasts[:24].mean()) < 0.02 * sharp
    assert float(contrasts[41:].mean()) < 0.02 * sharp
    assert float(contrasts[40, 21:43].mean()) == pytest.approx(sharp / 2, rel=0.1)


def test_the_blur_is_as_wide_as_said():
    """Of the picture's own colours what is a few hundredths of a side away is still there."""
    picture = torch.zeros(1, 3, 64, 64)
    picture[..., 32:] = 1
    seen = blurred_outside(picture, torch.tensor([[0.0, 0, 2, 2]]), 64)[0, 0, 40]
    sigma = 0.08 * 64
    assert float(seen[31]) == pytest.approx(0.46, abs=0.03)
    assert float(seen[31 - round(sigma)]) == pytest.approx(0.16, abs=0.03)
    assert float(seen[31 - round(2.5 * sigma)]) < 0.02


def test_a_window_in_a_wide_picture_is_square():
    """What is seen has the same aspect as it has in the picture."""
    picture = torch.zeros(1, 3, 64, 256)
    picture[..., 24:40, 200:216] = 1  # a square thing
    seen = blurred_outside(picture, torch.tensor([[200.0, 24, 216, 40]]), 64)[0, 0] > 0.5
    rows, columns = seen.any(dim=1).sum(), seen.any(dim=0).sum()
    assert abs(int(rows) - int(columns)) <= 1
    assert int(rows) == 16


def test_deviations_do_not_change_with_an_increasing_line_through_the_cosines():
    torch.manual_seed(0)
    seen, texts = torch.randn(6, 8), torch.randn(12, 8)
    bent = (torch.cat([0.3 * seen, torch.full((6, 1), 2.0)], dim=1), torch.cat([texts, torch.ones(12, 1)], dim=1))
    for measure in (contrast, spread):
        plain = measure(seen, texts[:1], texts[1:])
        after = measure(bent[0], bent[1][:1], bent[1][1:])
        if measure is contrast:
            plain, after = standardised(plain), standardised(after)
        torch.testing.assert_close(after, plain, atol=1e-4, rtol=1e-4)


def test_rivals_are_texts_and_the_ground_is_known():
    assert len(RIVALS) == len(set(RIVALS)) > 80
    assert all(text == text.strip() and text for text in RIVALS)
    assert is_ground(" The  Background")
    assert not is_ground("a dog")
