"""The region generator: pooling reads the box, rows are anchors, and it learns."""

from __future__ import annotations

import os

import pytest
import torch

from region_core.boxes import iou
from region_core.errors import InputError
from region_core.generator.learning import expected_loss, gumbel_loss, teach
from region_core.generator.network import (
    RegionGenerator,
    box_probabilities,
    build_generator,
    load_generator,
    save_generator,
)
from region_core.proposals.anchors import CandidateSet, candidate_boxes

DIM, GRID = 12, 32
ANCHORS = torch.tensor([[4, 4], [16, 16], [26, 27]])
SPREAD = torch.tensor([[5, 2, 8], [4, 0, 6], [3, 7, 1]]) / 8  # losses without near ties


def opinionated(*args, **kwargs):
    """A new generator with chance values in its last layer, where a fresh one has 0."""
    module = build_generator(*args, **kwargs)
    with torch.no_grad():
        module.linear2.weight.uniform_(-0.1, 0.1, generator=torch.Generator().manual_seed(1))
    return module


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def candidates(anchors: torch.Tensor = ANCHORS, sizes: tuple[int, ...] = (1, 2, 4)) -> CandidateSet:
    return candidate_boxes(anchors, max(sizes), (GRID, GRID), (256, 256), sizes)


def noise_features(seed: int = 3) -> torch.Tensor:
    return torch.randn(DIM, GRID, GRID, generator=rng(seed))


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


def test_extra_numbers_reach_their_own_anchor():
    module = opinionated(DIM, 3, seed=0, extra_dim=2)
    features, cells = noise_features(), candidates().cells
    extra = torch.zeros(9, 2)
    plain = module(features, cells, extra)
    extra[4] = torch.tensor([3.0, -2.0])  # anchor 1, size 1
    changed = (module(features, cells, extra) - plain).abs().amax(dim=1) > 1e-6
    assert changed.tolist() == [False, True, False]


def test_shapes_that_do_not_fit_are_refused():
    module = build_generator(DIM, 3, seed=0)
    cells = candidates().cells
    with pytest.raises(InputError, match="features"):
        module(torch.zeros(DIM + 1, GRID, GRID), cells)
    with pytest.raises(InputError, match="multiple of 3"):
        module(noise_features(), cells[:8])
    with pytest.raises(InputError, match="extra"):
        module(noise_features(), cells, torch.zeros(9, 1))
    with pytest.raises(InputError, match="extra"):
        build_generator(DIM, 3, seed=0, extra_dim=1)(noise_features(), cells)


def test_a_generator_is_its_seed_and_leaves_the_global_random_state():
    before = torch.get_rng_state()
    first, again, other = (build_generator(DIM, 3, seed=s) for s in (5, 5, 6))
    assert torch.equal(torch.get_rng_state(), before)
    for (name, a), b, c in zip(first.named_parameters(), again.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
        assert torch.equal(a, c) == name.startswith("linear2"), name


def test_a_new_generator_prefers_no_box():
    module = build_generator(DIM, 3, seed=5, extra_dim=2)
    logits = module(noise_features(), candidates().cells, torch.rand(9, 2, generator=rng()))
    assert not logits.any()


def test_no_gumbel_noise_when_asked_for_probabilities():
    module = build_generator(DIM, 3, seed=0)
    features, found = noise_features(), candidates()
    torch.manual_seed(1)
    first = box_probabilities(module, features, found)
    torch.manual_seed(2)
    assert torch.equal(box_probabilities(module, features, found), first)
    assert first.shape == (9,)
    torch.testing.assert_close(first.sum(), torch.tensor(1.0))
    torch.testing.assert_close(first, module(features, found.cells).flatten().softmax(0))


# --- the losses of learning -------------------------------------------------------------------


def test_the_expected_loss_is_exact_over_the_boxes_looked_at():
    logits = torch.tensor([[0.0, 1.0], [2.0, -1.0]])
    losses = torch.tensor([[1.0, 3.0], [float("nan"), 5.0]])
    looked = torch.tensor([[True, True], [False, True]])
    everything = logits.flatten().softmax(0)  # over all four, then renormalised over three
    p = everything[[0, 1, 3]] / everything[[0, 1, 3]].sum()
    expected = (p * torch.tensor([1.0, 3.0, 5.0])).sum()
    torch.testing.assert_close(expected_loss(logits, losses, looked), expected)


def test_the_expected_losss_gradient_is_the_numeric_one():
    logits = torch.randn(3, 4, generator=rng(), dtype=torch.float64)
    losses = torch.randn(3, 4, generator=rng(1), dtype=torch.float64)
    looked = torch.rand(3, 4, generator=rng(2)) < 0.6
    logits.requires_grad_(True)
    (gradient,) = torch.autograd.grad(expected_loss(logits, losses, looked), logits)
    step, numeric = 1e-6, torch.zeros(3, 4, dtype=torch.float64)
    for k in range(3):
        for m in range(4):
            shift = torch.zeros(3, 4, dtype=torch.float64)
            shift[k, m] = step
            up, down = (expected_loss(logits.detach() + s * shift, losses, looked) for s in (1, -1))
            numeric[k, m] = (up - down) / (2 * step)
    torch.testing.assert_close(gradient, numeric, atol=1e-8, rtol=1e-6)
    assert gradient.abs().max() > 1e-3
    assert not gradient[~looked].any()


def test_the_gumbel_loss_samples_a_known_size_an_anchor_and_passes_a_gradient():
    logits = torch.zeros(2, 3, requires_grad=True)
    losses = torch.tensor([[1.0, 2.0, float("nan")], [10.0, 20.0, 40.0]])
    looked = torch.tensor([[True, True, False], [True, True, True]])
    source = rng()
    drawn = [gumbel_loss(logits.detach(), losses, looked, source).item() for _ in range(200)]
    seen = {round(value, 4) for value in drawn}
    assert seen == {(a + b) / 2 for a in (1, 2) for b in (10, 20, 40)}
    gumbel_loss(logits, losses, looked, rng()).backward()
    assert logits.grad is not None
    assert logits.grad[1].abs().max() > 0
    assert logits.grad[0, 2] == 0
    assert bool(logits.grad.isfinite().all())


def test_the_gumbel_loss_draws_from_its_generator_alone():
    logits, losses = torch.zeros(3, 4), torch.rand(3, 4, generator=rng())
    looked = torch.ones(3, 4, dtype=torch.bool)
    before = torch.get_rng_state()
    first, again = (gumbel_loss(logits, losses, looked, rng(7)) for _ in range(2))
    assert first == again
    assert torch.equal(torch.get_rng_state(), before)


def test_the_mean_gumbel_gradient_lowers_the_better_box():
    logits = torch.zeros(1, 2, requires_grad=True)
    losses, looked = torch.tensor([[0.0, 1.0]]), torch.ones(1, 2, dtype=torch.bool)
    source = rng()
    torch.stack([gumbel_loss(logits, losses, looked, source) for _ in range(50)]).mean().backward()
    assert logits.grad is not None
    assert logits.grad[0, 0] < 0 < logits.grad[0, 1]


def test_learning_without_a_look_or_from_a_broken_loss_is_refused():
    logits, losses = torch.zeros(2, 2), torch.zeros(2, 2)
    with pytest.raises(InputError, match="previewed yet"):
        expected_loss(logits, losses, torch.zeros(2, 2, dtype=torch.bool))
    losses[0, 0] = float("inf")
    with pytest.raises(InputError, match="finite"):
        gumbel_loss(logits, losses, torch.ones(2, 2, dtype=torch.bool), rng())
    with pytest.raises(InputError, match="shapes"):
        expected_loss(logits, torch.zeros(4), torch.ones(2, 2, dtype=torch.bool))


# --- teaching ---------------------------------------------------------------------------------


@pytest.mark.parametrize("estimator", ["expected", "gumbel"])
def test_teaching_changes_the_weights_and_the_expected_loss_falls(estimator):
    module, found = build_generator(DIM, 3, seed=0), candidates()
    features, losses = noise_features(), SPREAD
    looked = torch.ones(3, 3, dtype=torch.bool)
    before = {name: p.detach().clone() for name, p in module.named_parameters()}
    first = expected_loss(module(features, found.cells), losses, looked)
    optimizer = torch.optim.Adam(module.parameters(), lr=5e-3)
    history = teach(module, optimizer, features, found, losses, looked, 40, estimator=estimator, generator=rng())
    assert len(history) == 40
    for name, parameter in module.named_parameters():
        assert not torch.equal(parameter, before[name]), name
    last = expected_loss(module(features, found.cells), losses, looked)
    assert last < first - 0.1
    if estimator == "gumbel":  # an anchor's size is drawn by itself: each row learns its own best
        rows = module(features, found.cells).argmax(dim=1)
        assert rows.tolist() == losses.argmin(dim=1).tolist()
    else:
        assert int(box_probabilities(module, features, found).argmax()) == int(losses.argmin())


def test_what_is_learned_is_a_preference_and_not_a_verdict():
    """At its optimum p ~ exp(-L / (entropy * std)): the next looks can still change its mind."""
    module, found, features = build_generator(DIM, 3, seed=0), candidates(), noise_features()
    looked = torch.ones(3, 3, dtype=torch.bool)
    optimizer = torch.optim.Adam(module.parameters(), lr=2e-3)
    teach(module, optimizer, features, found, SPREAD * 0.01 + 1, looked, 120, entropy=1.0)
    expected = (-SPREAD.flatten() / SPREAD.std(correction=0)).softmax(0)
    found_p = box_probabilities(module, features, found)
    torch.testing.assert_close(found_p, expected, atol=0.03, rtol=0)


def test_what_was_not_looked_at_teaches_nothing():
    found, features = candidates(), noise_features()
    looked = torch.zeros(9, dtype=torch.bool)
    looked[[0, 4, 7]] = True
    results = []
    for unknown in (0.0, float("nan")):
        losses = torch.where(looked, torch.linspace(0, 1, 9), torch.tensor(unknown))
        module = build_generator(DIM, 3, seed=0)
        optimizer = torch.optim.Adam(module.parameters(), lr=5e-3)
        teach(module, optimizer, features, found, losses, looked, 3)
        results.append(module(features, found.cells))
    assert torch.equal(results[0], results[1])
    assert bool(results[0].isfinite().all())


def test_what_is_learned_helps_with_boxes_never_looked_at():
    """Half of the anchors are shown; on the other half the learned choice beats a random one."""
    gains = []
    for seed in range(2):
        source = rng(seed)
        corner = torch.randint(4, 20, (2,), generator=source).tolist()
        truth = torch.tensor([[corner[1], corner[0], corner[1] + 9, corner[0] + 9]])
        features = 0.3 * torch.randn(DIM, GRID, GRID, generator=source) + 1.0
        thing = 2 * torch.randn(DIM, 1, 1, generator=source)
        features[:, corner[0] : corner[0] + 9, corner[1] : corner[1] + 9] += thing
        anchors = torch.randint(2, 30, (16, 2), generator=source)
        anchors[::2] = torch.tensor(corner) + torch.randint(0, 9, (8, 2), generator=source)
        found = candidates(anchors, (1, 2, 4, 6))
        losses = (1 - iou(found.cells, truth)[:, 0]).reshape(16, 4)
        looked = torch.zeros(16, 4, dtype=torch.bool)
        looked[:8] = True
        module = build_generator(DIM, 4, seed=seed)
        optimizer = torch.optim.Adam(module.parameters(), lr=5e-3)
        teach(module, optimizer, features, found, losses, looked, 40)
        p = module(features, found.cells)[8:].flatten().softmax(0).detach()
        gains.append(float(losses[8:].mean() - (p * losses[8:].flatten()).sum()))
    assert min(gains) > 0.1


def test_building_and_teaching_work_inside_inference_mode():
    with torch.inference_mode():
        module, found = build_generator(DIM, 3, seed=0, extra_dim=1), candidates()
        features, extra = noise_features(), torch.rand(9, 1, generator=rng())
        losses = SPREAD.clone()
        assert features.is_inference()
        assert losses.is_inference()
        before = module.linear2.weight.clone()
        optimizer = torch.optim.Adam(module.parameters(), lr=5e-3)
        looked = torch.ones(3, 3, dtype=torch.bool)
        history = teach(module, optimizer, features, found, losses, looked, 20, extra=extra)
        assert torch.is_inference_mode_enabled()
        probabilities = box_probabilities(module, features, found, extra)
    assert not torch.equal(module.linear2.weight, before)
    assert history[-1] < history[0]
    assert int(probabilities.argmax()) == int(losses.argmin())


def test_teaching_leaves_what_comes_in_unchanged():
    module, found, features = build_generator(DIM, 3, seed=0), candidates(), noise_features()
    losses, looked = torch.rand(3, 3, generator=rng()), torch.ones(3, 3, dtype=torch.bool)
    copies = [t.clone() for t in (features, losses, looked, found.cells)]
    before = torch.get_rng_state()
    with torch.no_grad():
        optimizer = torch.optim.Adam(module.parameters(), lr=5e-3)
        teach(module, optimizer, features, found, losses, looked, 2)
    assert torch.equal(torch.get_rng_state(), before)
    for now, copy in zip((features, losses, looked, found.cells), copies, strict=True):
        assert torch.equal(now, copy)


def test_weights_that_cannot_learn_are_refused_instead_of_staying_as_they_are():
    with torch.inference_mode():
        module = RegionGenerator(DIM, 3)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    looked = torch.ones(3, 3, dtype=torch.bool)
    with pytest.raises(InputError, match="build_generator"):
        teach(module, optimizer, noise_features(), candidates(), torch.zeros(3, 3), looked, 1)
    with pytest.raises(InputError, match="torch.Generator"):
        teach(
            build_generator(DIM, 3, 0),
            optimizer,
            noise_features(),
            candidates(),
            torch.zeros(3, 3),
            looked,
            1,
            estimator="gumbel",
        )


# --- checkpoints ------------------------------------------------------------------------------


def test_a_saved_generator_comes_back_the_same_and_can_learn_on(tmp_path):
    module = build_generator(DIM, 3, seed=9, hidden=16, pool=5, extra_dim=1)
    with torch.no_grad():
        module.linear2.weight.uniform_(-1, 1, generator=rng())
    path = tmp_path / "deep" / "generator.safetensors"
    save_generator(module, path, {"max_window_size": 15, "dino": "facebook/dino-vitb8"})
    with torch.inference_mode():
        again, settings = load_generator(path, feature_dim=DIM, sizes=3, extra_dim=1)
    assert settings == {"max_window_size": 15, "dino": "facebook/dino-vitb8"}
    assert again.config == module.config
    features, found, extra = noise_features(), candidates(), torch.rand(9, 1, generator=rng())
    assert torch.equal(again(features, found.cells, extra), module(features, found.cells, extra))
    looked = torch.ones(3, 3, dtype=torch.bool)
    optimizer = torch.optim.Adam(again.parameters(), lr=5e-3)
    teach(again, optimizer, features, found, torch.rand(3, 3), looked, 1, extra=extra)
    assert not torch.equal(again.linear2.weight, module.linear2.weight)


@pytest.mark.parametrize("wanted", [{"feature_dim": 13}, {"sizes": 4}, {"extra_dim": 2}])
def test_a_checkpoint_that_does_not_fit_is_refused_by_name_and_numbers(tmp_path, wanted):
    save_generator(build_generator(DIM, 3, seed=0), tmp_path / "g.safetensors", {})
    ((name, value),) = wanted.items()
    with pytest.raises(InputError, match=rf"{name} = \d+, this run needs {value}"):
        load_generator(tmp_path / "g.safetensors", **wanted)


def test_a_file_of_another_kind_is_refused(tmp_path):
    from safetensors.torch import save_file

    with pytest.raises(InputError, match="no checkpoint"):
        load_generator(tmp_path / "missing.safetensors")
    (tmp_path / "text.safetensors").write_text("hello")
    with pytest.raises(InputError, match="not a safetensors"):
        load_generator(tmp_path / "text.safetensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="other weights"):
        load_generator(tmp_path / "other.safetensors")


def test_a_failed_save_leaves_the_old_file_and_no_half_of_a_new_one(tmp_path, monkeypatch):
    path = tmp_path / "g.safetensors"
    save_generator(build_generator(DIM, 3, seed=0), path, {"round": 1})

    def fail(*_args):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(InputError, match="disk full"):
        save_generator(build_generator(DIM, 3, seed=1), path, {"round": 2})
    monkeypatch.undo()
    assert [p.name for p in tmp_path.iterdir()] == ["g.safetensors"]
    assert load_generator(path)[1] == {"round": 1}
    with pytest.raises(InputError, match="plain numbers"):
        save_generator(build_generator(DIM, 3, seed=1), path, {"bad": object()})
