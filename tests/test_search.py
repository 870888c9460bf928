"""Which region is previewed next, and when no more are."""

from __future__ import annotations

import torch

from region_core.ranking import Judgement
from region_core.search import KNOWN, SURE, best_first, next_preview

# two boxes of one thing, two of other things
BOXES = torch.tensor([[0.0, 0, 20, 20], [2, 0, 22, 20], [50, 50, 70, 70], [90, 0, 110, 20]])


def log(*probabilities: float) -> torch.Tensor:
    return torch.tensor(probabilities).log()


def test_one_likely_thing_needs_no_preview() -> None:
    assert next_preview(BOXES, log(0.4, 0.39, 0.15, 0.06), [], every=False) == (None, SURE)


def test_of_two_likely_things_the_likelier_is_first_and_each_has_one() -> None:
    probabilities = log(0.3, 0.29, 0.31, 0.1)
    assert next_preview(BOXES, probabilities, [], every=False) == (2, "")
    assert next_preview(BOXES, probabilities, [2], every=False) == (0, "")
    assert next_preview(BOXES, probabilities, [2, 0], every=False) == (None, KNOWN)


def test_what_was_learned_may_end_it() -> None:
    assert next_preview(BOXES, log(0.5, 0.2, 0.2, 0.1), [2, 0], every=False) == (None, SURE)


def test_always_goes_through_all_regions() -> None:
    probabilities, previewed = log(0.4, 0.39, 0.15, 0.06), []
    for expected in range(4):
        index, _ = next_preview(BOXES, probabilities, previewed, every=True)
        assert index == expected
        previewed.append(index)
    assert next_preview(BOXES, probabilities, previewed, every=True) == (None, KNOWN)


def test_a_failed_edit_does_not_hide_one_that_is_better_than_none() -> None:
    deciding = torch.tensor([3.0, 1.0, 2.0, 4.0])
    moved = torch.tensor([0.2, 0.1, -0.1, -0.3])  # towards the prompt: the last two are worse than the source
    judged = Judgement(moved, moved, torch.zeros(4), moved)
    assert best_first(deciding, judged).tolist() == [0, 1, 3, 2]
