"""An edit takes on the tint round it, and nothing else of it changes."""

from __future__ import annotations

import torch
from torch import Tensor

from region_core.painting.tint import tinted

SIDE = 96


def box(x0: int, y0: int, x1: int, y1: int) -> Tensor:
    mask = torch.zeros(1, 1, SIDE, SIDE)
    mask[..., y0:y1, x0:x1] = 1
    return mask


FOUND, PAINTED = box(32, 32, 64, 64), box(26, 26, 70, 70)
GROUND = (torch.rand(1, 3, 1, 1, generator=torch.Generator().manual_seed(1)) * 0.4 + 0.3).expand(-1, -1, SIDE, SIDE)


def edit_on(ground: Tensor) -> Tensor:
    """A red thing in the region, on this ground."""
    red = torch.tensor([1.0, 0, 0])[None, :, None, None]
    return torch.where(box(38, 38, 58, 58) > 0, red, ground)


def rim_of(picture: Tensor) -> Tensor:
    return picture[(PAINTED > FOUND).expand_as(picture)]


def test_the_rim_has_the_sources_tint_also_where_it_differs_from_side_to_side() -> None:
    slope = torch.linspace(-0.06, 0.06, SIDE).expand(1, 3, SIDE, SIDE)
    for off in (torch.full_like(GROUND, 0.05), slope):
        edit = edit_on(GROUND + off)
        made = tinted(edit, GROUND, FOUND, PAINTED)
        before, after = (float((rim_of(one) - rim_of(GROUND)).abs().mean()) for one in (edit, made))
        assert after < before / 4, (before, after)
        assert float((made - edit).abs().max()) <= 24 / 255


def test_things_in_the_rim_are_no_tint() -> None:
    """An old thing that reaches into the rim, and a new one."""
    source = torch.where(box(60, 40, 96, 56) > 0, torch.zeros(1, 3, 1, 1), GROUND)
    edit = torch.where(box(26, 26, 40, 34) > 0, torch.ones(1, 3, 1, 1), edit_on(GROUND))
    torch.testing.assert_close(tinted(edit, source, FOUND, PAINTED), edit, atol=1e-6, rtol=0)


def test_what_was_to_be_another_colour_stays_so() -> None:
    night = edit_on(GROUND - 0.2)
    assert torch.equal(tinted(night, GROUND, FOUND, PAINTED), night)


def test_without_a_rim_nothing_is_moved() -> None:
    edit = edit_on(GROUND + 0.05)
    assert torch.equal(tinted(edit, GROUND, PAINTED, PAINTED), edit)


def test_one_pixel_that_is_no_number_spoils_no_other() -> None:
    edit = edit_on(GROUND + 0.05)
    edit[..., 48, 48] = torch.nan
    assert int(tinted(edit, GROUND, FOUND, PAINTED).isnan().sum()) == 3
