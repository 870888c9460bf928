"""The region generator: pooling reads the box, rows are anchors."""

from __future__ import annotations

import pytest
import torch

from region_core.errors import InputError
from region_core.paper.network import build_generator

from .parts import ANCHORS, DIM, GRID, candidates, noise_features, rng


def opinionated(*args, **kwargs):
    """A new generator with chance values in its last layer, where a fresh one has 0."""
    module = build_generator(*args, **kwargs)
    with torch.no_grad():
        module.linear2.weight.uniform_(-0.1, 0.1, generator=torch.Generator().manual_seed(1))
    return module


# --- the network ------------------------------------------------------------------------------


@pytest.mark.parametrize(("row", "column", "anchor"), [(4, 4, 0), (16, 16, 1), (26, 27, 2)])
def test_a_hot_region_changes_the_logits_of_boxes_covering_it_and_of_no_other(row, column, anchor):
    module = opinionated(DIM, 3, seed=0)
    cold = torch.zeros(DIM, GRID, GRID)
    hot = cold.clone()
    hot[:, row, column] = torch.randn(DIM, generator=rng())
    cells = candidates().cells
    changed = (module(hot, cells) - module(cold, cells)).abs().amax(dim=1) > 1e-6
    assert changed.tolist() == [k == anchor for k in range(3)]


def test_pooling_covers_the_whole_box_and_nothing_beyond():
    module = opinionated(DIM, 1, seed=0)
    found = candidates(torch.tensor([[16, 16]]), (3,))  # cells 13 to 19
    cold = torch.zeros(DIM, GRID, GRID)
    empty = module(cold, found.cells)

    def felt(row: int, column: int) -> bool:
        hot = cold.clone()
        hot[:, row, column] = torch.randn(DIM, generator=rng())
        return not torch.allclose(module(hot, found.cells), empty, atol=1e-6)

    assert all(felt(*spot) for spot in [(13, 13), (13, 19), (19, 13), (19, 19)])
    assert not any(felt(*spot) for spot in [(11, 16), (16, 21), (21, 16), (16, 11), (0, 0), (2, 2)])
    # interpolation reaches half a cell beyond, to both sides alike: the box is not shifted
    assert felt(16, 12) == felt(16, 20)
    assert felt(12, 16) == felt(20, 16)


def test_one_row_holds_one_anchors_sizes():
    module = opinionated(DIM, 3, seed=0)
    features = noise_features()
    logits = module(features, candidates().cells)
    assert logits.shape == (3, 3)
    order = [2, 0, 1]
    permuted = module(features, candidates(ANCHORS[order]).cells)
    torch.testing.assert_close(permuted, logits[order])
    # another box in the place of anchor 1's size 2 changes row 1 only
    cells = candidates().cells.clone()
    cells[1 * 3 + 2] = torch.tensor([0.0, 0.0, 9.0, 5.0])
    changed = (module(features, cells) - logits).abs().amax(dim=1) > 1e-6
    assert changed.tolist() == [False, True, False]


def test_the_scale_of_the_features_does_not_matter():
    module = build_generator(DIM, 3, seed=0)
    features, cells = noise_features(), candidates().cells
    torch.testing.assert_close(module(features * 50, cells), module(features, cells))


def test_shapes_that_do_not_fit_are_refused():
    module = build_generator(DIM, 3, seed=0)
    cells = candidates().cells
    with pytest.raises(InputError, match="features"):
        module(torch.zeros(DIM + 1, GRID, GRID), cells)
    with pytest.raises(InputError, match="multiple of 3"):
        module(noise_features(), cells[:8])


def test_a_generator_is_its_seed_and_leaves_the_global_random_state():
    before = torch.get_rng_state()
    first, again, other = (build_generator(DIM, 3, seed=s) for s in (5, 5, 6))
    assert torch.equal(torch.get_rng_state(), before)
    for (name, a), b, c in zip(first.named_parameters(), again.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
        assert torch.equal(a, c) == name.startswith("linear2"), name


def test_a_new_generator_prefers_no_box():
    module = build_generator(DIM, 3, seed=5)
    logits = module(noise_features(), candidates().cells)
    assert not logits.any()
