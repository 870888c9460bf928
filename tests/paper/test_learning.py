"""What the region generator learns from losses."""

from __future__ import annotations

import math

import pytest
import torch

from region_core.boxes import iou
from region_core.errors import InputError
from region_core.paper.learning import expected_loss, gumbel_loss, gumbel_noise, straight_through, teach
from region_core.paper.network import RegionGenerator, build_generator

from .parts import DIM, GRID, box_probabilities, candidates, noise_features, rng

SPREAD = torch.tensor([[5, 2, 8], [4, 0, 6], [3, 7, 1]]) / 8  # losses without near ties


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


def test_the_gumbel_loss_draws_each_size_as_often_as_its_probability():
    logits = torch.tensor([[0.8, 0.1, 0.1]]).log()
    losses, looked = torch.tensor([[1.0, 2.0, 3.0]]), torch.ones(1, 3, dtype=torch.bool)
    source = rng()
    drawn = [gumbel_loss(logits, losses, looked, source).item() for _ in range(800)]
    assert sum(value == 1 for value in drawn) / 800 == pytest.approx(0.8, abs=0.05)


def test_one_hot_rows_carry_the_gradient_of_the_probabilities():
    soft = torch.tensor([[[0.2, 0.5, 0.3], [0.6, 0.3, 0.1]]], requires_grad=True)
    hard = straight_through(soft)
    torch.testing.assert_close(hard, torch.tensor([[[0.0, 1, 0], [1, 0, 0]]]))
    (hard * torch.arange(6.0).view(1, 2, 3)).sum().backward()
    assert torch.equal(soft.grad, torch.arange(6.0).view(1, 2, 3))


def test_gumbel_noise_is_gumbel_noise():
    noise = gumbel_noise(torch.Size([20000]), rng())
    assert float(noise.mean()) == pytest.approx(0.5772, abs=0.03)
    assert float(noise.std()) == pytest.approx(math.pi / 6**0.5, abs=0.03)
    assert bool(noise.isfinite().all())


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


def test_what_is_held_back_is_held_back_by_the_entropy():
    """More of it keeps the probabilities nearer to one another, and none lets them go to the best."""
    looked, spreads = torch.ones(3, 3, dtype=torch.bool), []
    for entropy in (0.0, 1.0, 10.0):
        module, found = build_generator(DIM, 3, seed=0), candidates()
        optimizer = torch.optim.Adam(module.parameters(), lr=5e-3)
        teach(module, optimizer, noise_features(), found, SPREAD, looked, 40, entropy=entropy)
        spreads.append(float(box_probabilities(module, noise_features(), found).std()))
    assert spreads[0] > spreads[1] > 2 * spreads[2]


def test_what_is_told_of_each_step_is_the_loss_before_it():
    module, found, features = build_generator(DIM, 3, seed=0), candidates(), noise_features()
    looked = torch.ones(3, 3, dtype=torch.bool)
    first = expected_loss(module(features, found.cells), SPREAD, looked).item()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.0)
    assert teach(module, optimizer, features, found, SPREAD.flatten(), looked.flatten(), 3) == pytest.approx(
        [first] * 3
    )


def test_it_is_held_back_a_little_where_nothing_is_said():
    looked, learned = torch.ones(3, 3, dtype=torch.bool), []
    for values in ({"entropy": 0.1}, {}):
        module = build_generator(DIM, 3, seed=0)
        optimizer = torch.optim.Adam(module.parameters(), lr=5e-2)
        teach(module, optimizer, noise_features(), candidates(), SPREAD, looked, 4, **values)
        learned.append(box_probabilities(module, noise_features(), candidates()).tolist())
    assert learned[0] == learned[1]


def test_equal_losses_teach_nothing():
    """Rounding noise among them is no preference."""
    module, found, features = build_generator(DIM, 3, seed=0), candidates(), noise_features()
    before = box_probabilities(module, features, found)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    teach(module, optimizer, features, found, 0.5 + 1e-7 * SPREAD, torch.ones(3, 3, dtype=torch.bool), 5, entropy=0.0)
    torch.testing.assert_close(box_probabilities(module, features, found), before, atol=1e-3, rtol=0)


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
        module, found = build_generator(DIM, 3, seed=0), candidates()
        features, losses = noise_features(), SPREAD.clone()
        assert features.is_inference()
        assert losses.is_inference()
        before = module.linear2.weight.clone()
        optimizer = torch.optim.Adam(module.parameters(), lr=5e-3)
        looked = torch.ones(3, 3, dtype=torch.bool)
        history = teach(module, optimizer, features, found, losses, looked, 20)
        assert torch.is_inference_mode_enabled()
        probabilities = box_probabilities(module, features, found)
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
    with pytest.raises(InputError, match="estimator is 'other'"):
        teach(
            build_generator(DIM, 3, 0), optimizer, noise_features(), candidates(), SPREAD, looked, 1, estimator="other"
        )
    with pytest.raises(InputError, match="torch.Generator"):
        teach(module, optimizer, noise_features(), candidates(), SPREAD, looked, 1, estimator="gumbel")
