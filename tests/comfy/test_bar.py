"""The bar moves evenly with whatever sampler and conditionings."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch

from .conftest import Comfy
from .parts import demo_parts, take, tiny_graph

STEPS = 16


def shown(
    comfy: Comfy, monkeypatch: pytest.MonkeyPatch, sampler: str, texts: int, steps: int
) -> list[tuple[float, int]]:
    """The bar at each of its moves, with the steps that a sampler has told of by then."""
    parts, told, seen = demo_parts(comfy), [0], []

    def painted(_feedback: Any, _step: Any, _box: Any) -> None:
        told[0] += 1

    def show(feedback: Any, done: float, _picture: Any) -> None:  # newer versions send no more than ten a second
        low, high = feedback.span
        seen.append((low + done * (high - low), told[0]))

    feedback = comfy.part("nodes.comfy.feedback").Feedback
    monkeypatch.setattr(feedback, "_painted", painted)
    monkeypatch.setattr(feedback, "_show", show)
    with torch.inference_mode():
        words = comfy.nodes.CLIPTextEncode().encode(parts["clip"], "a red ring")[0]
    graph = tiny_graph(comfy, sampler_name=sampler, scheduler="normal", steps=steps)
    take(comfy, graph, "edit.positive", words * texts)
    comfy.forget()
    run = comfy.run(graph)
    assert run.success, run.messages
    assert seen[-1][0] == 1
    assert seen[-2][0] > 0.9, [value for value, _ in seen]
    return seen


@pytest.mark.parametrize(("sampler", "texts"), [("ddim", 1), ("heun", 1), ("dpmpp_2s_ancestral", 1), ("ddim", 3)])
def test_the_bar_moves_with_the_steps_whatever_forwards_they_take(
    comfy: Comfy, monkeypatch: pytest.MonkeyPatch, sampler: str, texts: int
) -> None:
    seen = shown(comfy, monkeypatch, sampler, texts, STEPS)
    grown = [b[0] - a[0] for a, b in itertools.pairwise(seen) if b[1] > a[1]]
    assert len(grown) == seen[-1][1] == STEPS
    mean = sum(grown) / STEPS
    assert all(mean / 2 < one < mean * 2 for one in grown), grown
    assert 0.5 < sum(grown) < 1, "most of the work are the steps"


@pytest.mark.parametrize(("sampler", "leap"), [("dpm_fast", 0.2), ("dpm_adaptive", 0.35)])
def test_the_bar_does_not_jump_where_a_sampler_tells_of_few_steps(
    comfy: Comfy, monkeypatch: pytest.MonkeyPatch, sampler: str, leap: float
) -> None:
    seen = shown(comfy, monkeypatch, sampler, 1, 24)
    assert seen[-1][1] != 24, "it tells of every step"
    assert max(b[0] - a[0] for a, b in itertools.pairwise(seen)) < leap, seen
