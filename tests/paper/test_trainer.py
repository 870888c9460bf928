"""Teaching the region generator about one picture: evidence as the prior, previews as what is seen."""

from __future__ import annotations

import pytest
import torch

from region_core.paper.losses import LossTerms, LossWeights
from region_core.paper.network import build_generator
from region_core.paper.trainer import GeneratorTrainer, numbers_of, standardised_losses

COUNT = 6


def trainer(
    learning: str = "exact", *, lr: float = 0.02, steps: int = 30, log_evidence=None, module=None
) -> GeneratorTrainer:
    source = torch.Generator().manual_seed(4)
    low = torch.rand(COUNT, 2, generator=source) * 8
    numbers = torch.randn(COUNT, 3, generator=source)
    if log_evidence is None:
        log_evidence = torch.randn(COUNT, generator=source)
    return GeneratorTrainer(
        module or build_generator(12, 1, 7, extra_dim=3),
        torch.randn(12, 16, 16, generator=source),
        torch.cat([low, low + 2 + torch.rand(COUNT, 2, generator=source) * 6], dim=1),
        numbers,
        log_evidence,
        lr=lr,
        steps=steps,
        learning=learning,
        seed=0,
    )


def test_the_first_word_is_the_evidence():
    evidence = torch.tensor([2.0, 1, 0, -1, 0.5, 3])
    torch.testing.assert_close(trainer(log_evidence=evidence).log_probs(), evidence.log_softmax(0))


def test_the_papers_estimate_learns_the_same_way():
    one = trainer("gumbel", lr=0.01, steps=300)
    before = one.log_probs()
    one.learn([0, 3], torch.tensor([1.5, -1.5]))
    change = one.log_probs() - before
    assert change[0] < -0.1  # drawn: how far it comes differs with the order of sums
    assert change[3] > 0.1


def test_off_teaches_nothing():
    one = trainer("off")
    before = one.log_probs()
    one.learn([0, 3], torch.tensor([1.5, -1.5]))
    assert torch.equal(one.log_probs(), before)


def test_a_larger_learning_rate_and_more_steps_learn_more():
    def learned(**changes) -> float:
        one = trainer(**changes)
        before = one.log_probs()
        one.learn([0, 3], torch.tensor([1.5, -1.5]))
        return float((one.log_probs() - before).abs().max())

    little = learned(lr=1e-3, steps=4)
    assert learned(lr=1e-2, steps=4) > 2 * little
    assert learned(lr=1e-3, steps=20) > 2 * little


def test_what_one_picture_taught_is_the_first_word_of_the_next():
    module = build_generator(12, 1, 7, extra_dim=3)
    first = trainer(module=module)
    first.learn([0, 3], torch.tensor([1.5, -1.5]))
    torch.testing.assert_close(trainer(module=module).log_probs(), first.log_probs())


def test_it_learns_inside_inference_mode():
    """Where ComfyUI runs nodes: what comes in cannot take part in gradients."""
    with torch.inference_mode():
        one = trainer(steps=5)
        before = one.log_probs().clone()
        one.learn([0, 3], torch.tensor([1.5, -1.5]))
        assert not torch.equal(one.log_probs(), before)


def terms(clip, direction, structure) -> LossTerms:
    clip, direction, structure = (torch.tensor(v, dtype=torch.float32) for v in (clip, direction, structure))
    return LossTerms(clip + direction + structure, clip, direction, structure)


def test_no_scale_of_a_term_matters():
    plain = [terms([0.7], [0.9], [0.02]), terms([0.8, 0.75], [0.5, 0.8], [0.01, 0.05])]
    bent = [
        terms((0.3 * one.clip + 0.5).tolist(), (0.1 * one.direction + 0.9).tolist(), (7 * one.structure).tolist())
        for one in plain
    ]
    weights = LossWeights(clip=1, direction=2, structure=0.5)
    torch.testing.assert_close(standardised_losses(plain, weights), standardised_losses(bent, weights))
    values = standardised_losses(plain, weights)
    assert float(values.mean()) == pytest.approx(0, abs=1e-6)
    assert float(values.std(correction=0)) == pytest.approx(1, abs=1e-5)


def test_each_weight_weighs_its_term():
    some = [terms([0.7, 0.8, 0.6], [0.9, 0.3, 0.5], [0.02, 0.03, 0.09])]
    for weights, order in (
        (LossWeights(1, 0, 0), [2, 0, 1]),
        (LossWeights(0, 1, 0), [1, 2, 0]),
        (LossWeights(0, 0, 1), [0, 1, 2]),
    ):
        assert standardised_losses(some, weights).argsort().tolist() == order


def test_one_preview_alone_says_nothing():
    assert standardised_losses([terms([0.7], [0.9], [0.1])], LossWeights()).tolist() == [0]


def test_an_edit_that_a_model_spoilt_is_as_bad_as_the_worst() -> None:
    nan = float("nan")
    assert numbers_of(torch.tensor([0.2, nan, 0.9, float("inf")])).tolist() == pytest.approx([0.2, 0.9, 0.9, 0.9])
    assert numbers_of(torch.tensor([nan, nan])).tolist() == [0, 0]
    some = terms([0.2, nan, 0.9], [0, 0, 0], [0, 0, 0])
    values = standardised_losses([some], LossWeights(1, 1, 1))
    assert values.tolist() == pytest.approx([-(2**0.5), 0.5**0.5, 0.5**0.5], abs=1e-5)


def test_terms_are_weighed_in_their_own_spread() -> None:
    """Twice the weight is worth twice as many standard deviations."""
    some = [terms([0.0, 1, 0, 1], [0.0, 0, 10, 10], [5.0, 5, 5, 5])]
    values = standardised_losses(some, LossWeights(1, 2, 3))
    wanted = torch.tensor([-3.0, -1, 1, 3])
    torch.testing.assert_close(values, wanted / wanted.std(correction=0))


def test_the_expected_loss_is_told_as_it_is_after_learning() -> None:
    one, losses = trainer("off"), torch.tensor([1.5, -1.0])
    known = torch.zeros(COUNT)
    known[[2, 5]] = losses
    assert one.learn([2, 5], losses) == pytest.approx(float((one.log_probs().exp() * known).sum()))
    learning = trainer()
    assert learning.learn([2, 5], losses) < one.learn([2, 5], losses)


def test_the_papers_estimate_draws_from_its_seed_alone() -> None:
    state = torch.get_rng_state()
    first, again = trainer("gumbel", steps=5), trainer("gumbel", steps=5)
    for one in (first, again):
        one.learn([0, 3], torch.tensor([1.5, -1.5]))
    assert torch.equal(first.log_probs(), again.log_probs())
    assert torch.equal(torch.get_rng_state(), state)


def test_the_papers_estimate_draws_each_region_as_often_as_its_probability() -> None:
    probabilities = torch.tensor([0.45, 0.11, 0.11, 0.11, 0.11, 0.11])
    one = trainer("gumbel", log_evidence=probabilities.log())
    known = torch.tensor([1.0, 0, 0, 0, 0, 0])
    drawn = [float(one._expected(one.log_probs(), known)) for _ in range(1000)]
    assert sum(drawn) / 1000 == pytest.approx(0.45, abs=0.05)


def test_what_is_learned_is_bayes_rule():
    """The optimum of E_p[L] + tau KL(p || evidence), with regions not previewed at average."""
    one = trainer(steps=400)
    evidence, losses = one.log_probs(), torch.tensor([1.5, -1.0, -0.5])
    expected = one.learn([0, 3, 4], losses)
    known = torch.zeros(COUNT)
    known[[0, 3, 4]] = losses
    best = (evidence - known / 4).log_softmax(0)  # four standard deviations are worth a nat
    torch.testing.assert_close(one.log_probs(), best, atol=0.05, rtol=0)
    assert expected == pytest.approx(float((best.exp() * known).sum()), abs=0.05)
