"""What the maps and the crops say of regions."""

from __future__ import annotations

import numpy as np
import torch

from region_core.proposals.masks import box_mask
from region_core.proposals.probes import blurred_outside, map_evidence
from region_core.proposals.texts import RIVALS, contrast, is_ground, spread, standardised

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


def test_a_region_that_is_the_whole_picture_has_finite_evidence():
    said = map_evidence(stacked((0, 0, 16, 16), (2, 2, 5, 5)), torch.rand(2, *GRID), torch.randn(3, *GRID))
    for values in (said.ring, said.rest, said.apart):
        assert values.isfinite().all()


def test_outside_is_blurred_and_inside_stays():
    torch.manual_seed(0)
    picture = torch.rand(1, 3, 8, 8).repeat_interleave(8, dim=2).repeat_interleave(8, dim=3)
    seen = blurred_outside(picture, torch.tensor([[16.0, 16, 48, 48]]), 64)
    torch.testing.assert_close(seen[..., 18:22, 18:22], picture[..., 18:22, 18:22], atol=0.01, rtol=0)
    assert seen[..., :12, :].std() < 0.65 * picture.std()


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
