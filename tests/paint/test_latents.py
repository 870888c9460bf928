"""Latents: rows are candidates."""

from __future__ import annotations

import pytest
import torch

from region_core.paint.painter import Latents


def latents(count: int, step: int = 3) -> Latents:
    rows = torch.arange(count, dtype=torch.float32).reshape(count, 1, 1, 1)
    extra = {"masks": rows + 100, "prompt": (torch.zeros(2, 5),), "name": "x"}
    return Latents(rows.expand(-1, 4, 2, 2), rows.expand(-1, 4, 2, 2) + 10, step, 20, extra)


def test_selected_latents_carry_all_that_belongs_to_a_candidate():
    given = latents(4)
    picked = given.select([3, 1])
    assert len(picked) == 2
    assert picked.z[:, 0, 0, 0].tolist() == [3, 1]
    assert picked.denoised[:, 0, 0, 0].tolist() == [13, 11]
    assert picked.extra["masks"].flatten().tolist() == [103, 101]
    assert picked.extra["prompt"][0].shape == (2, 5)
    assert (picked.step, picked.steps) == (3, 20)
    assert len(given) == len(given.extra["masks"]) == 4


def test_a_tensor_without_a_row_a_candidate_is_not_split_by_accident():
    given = latents(4)
    given.extra["prompt"] = torch.zeros(2, 5)
    with pytest.raises(ValueError, match="prompt"):
        given.select([0])


def test_joined_latents_are_the_parts_in_order():
    given = latents(4)
    joined = Latents.cat([given.select([2, 0]), given.select([1])])
    assert joined.z[:, 0, 0, 0].tolist() == [2, 0, 1]
    assert joined.denoised[:, 0, 0, 0].tolist() == [12, 10, 11]
    assert joined.extra["masks"].flatten().tolist() == [102, 100, 101]
    with pytest.raises(ValueError, match="same step"):
        Latents.cat([latents(1), latents(1, step=4)])
