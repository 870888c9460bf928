"""An edit takes on the tint round it, and nothing else of it changes."""

from __future__ import annotations

import torch
from torch import Tensor

from region_core.paint.tint import tinted

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


def test_a_rim_is_another_thing_where_any_of_its_colours_is_further_off() -> None:
    level = torch.tensor([24 / 255, 0.03, -0.03]).view(1, 3, 1, 1)
    for share, moved in ((0.98, True), (1.02, False)):
        off = level * torch.tensor([share, 1, 1]).view(1, 3, 1, 1)
        edit = edit_on(GROUND + off)
        made = tinted(edit, GROUND, FOUND, PAINTED)
        assert torch.equal(made, edit) != moved
        if moved:
            torch.testing.assert_close(rim_of(made), rim_of(GROUND), atol=1e-3, rtol=0)


def test_a_tint_is_the_rims_mean_about_each_place() -> None:
    """Weighed by a Gaussian of a fifth of the region's side, here at the size that it is worked out at: 64 pixels."""
    found, painted = torch.zeros(2, 1, 1, 64, 64).unbind()
    found[..., 20:44, 24:40], painted[..., 16:48, 20:44] = 1, 1
    source = torch.full((1, 3, 64, 64), 0.5)
    change = 0.09 * (torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(2)) - 0.5)
    change[..., :32] += 0.03
    made = tinted(source - change, source, found, painted) - (source - change)
    rows, columns = ((painted - found)[0, 0] > 0).nonzero().T
    reach = 0.2 * (24 * 16) ** 0.5
    for y, x in ((16, 20), (32, 32), (47, 43), (20, 30)):
        weights = torch.exp(-((rows - y).square() + (columns - x).square()) / (2 * reach**2))
        wanted = (change[0, :, rows, columns] * weights).sum(dim=1) / weights.sum()
        torch.testing.assert_close(made[0, :, y, x], wanted, atol=2e-4, rtol=1e-3)


def test_most_of_a_rim_may_be_something_else_but_for_a_quarter() -> None:
    edit = edit_on(GROUND + 0.05)
    area = int((PAINTED - FOUND).sum())
    rim = (PAINTED > FOUND)[0, 0].nonzero()
    for kept, moved in ((0.26, True), (0.24, False)):
        other = edit.clone()
        for y, x in rim[round(kept * area) :].tolist():
            other[..., y, x] = 1 - GROUND[..., y, x].round()
        assert torch.equal(tinted(other, GROUND, FOUND, PAINTED), other) != moved
