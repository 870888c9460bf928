"""The demo graph through ComfyUI's own executor."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from .conftest import Comfy, demo_graph
from .parts import tiny_graph


def test_demo_runs_and_is_cached(comfy: Comfy) -> None:
    random = torch.random.get_rng_state()
    run = comfy.run(demo_graph())
    assert run.success, run.messages
    edited, mask, box, ranked, boxes, curve, report, learned = (
        run.seen[f"v{i}"] for i in range(8))
    source = run.seen["v8"]
    assert edited.shape == source.shape
    assert mask.shape == source.shape[:3]
    outside = mask == 0
    assert torch.equal(edited[outside], source[outside])
    assert set(box) == {"x", "y", "width", "height"}
    assert ranked.shape[1:] == source.shape[1:]
    assert boxes.shape[-1] == curve.shape[-1] == 3
    assert "evaluations" in report
    fresh = comfy.part("region_core.generator").build_generator(
        seed=42, **learned.config).state_dict()
    # not the last layers, which start at 0 here
    assert not torch.equal(learned.state["linear1.weight"], fresh["linear1.weight"]), "never learned"
    assert torch.equal(random, torch.random.get_rng_state())

    again = comfy.run(demo_graph())
    assert set(demo_graph()) <= again.cached | {"sink"}
    changed = demo_graph()
    changed["edit"]["inputs"]["seed"] = 1
    assert {"demo", "scene", "generator", "loss"} <= comfy.run(changed).cached


def test_batch_edits_every_image(comfy: Comfy) -> None:
    graph = demo_graph()
    graph["batch"] = {"class_type": "RepeatImageBatch",
                      "inputs": {"image": ["scene", 0], "amount": 2}}
    if "RepeatImageBatch" not in comfy.nodes.NODE_CLASS_MAPPINGS:
        graph["batch"] = {"class_type": "ImageBatch",
                          "inputs": {"image1": ["scene", 0], "image2": ["scene", 0]}}
    graph["generator"]["inputs"]["image"] = graph["edit"]["inputs"]["image"] = ["batch", 0]
    run = comfy.run(graph)
    assert run.success, run.messages
    assert len(run.seen["v0"]) == len(run.seen["v1"]) == len(run.seen["v2"]) == 2
    assert torch.equal(run.seen["v0"][0], run.seen["v0"][1])


def test_cancel_leaves_everything_as_it_was(comfy: Comfy, monkeypatch: pytest.MonkeyPatch) -> None:
    feedback = comfy.part("nodes.feedback")
    real = feedback.Feedback.__call__

    def cancel(self: Any, event: Any) -> None:
        comfy.nodes.interrupt_processing(True)
        real(self, event)

    random = torch.random.get_rng_state()
    graph = demo_graph()
    graph["edit"]["inputs"]["seed"] = 5
    with monkeypatch.context() as patch:
        patch.setattr(feedback.Feedback, "__call__", cancel)
        run = comfy.run(graph)
    assert not run.success
    assert any(event == "execution_interrupted" for event, _ in run.messages)
    assert torch.equal(random, torch.random.get_rng_state())
    assert comfy.run(graph).success


def test_nothing_learned_is_nothing_to_save(comfy: Comfy) -> None:
    taught = tiny_graph(comfy)
    taught["save"] = {"class_type": "LearnableRegions_SaveLearnedGenerator",
                      "inputs": {"learned": ["edit", 7], "filename_prefix": "regions"}}
    assert comfy.run(taught).success
    untaught = tiny_graph(comfy, learning="off")
    run = comfy.run(untaught)
    assert run.success, run.messages
    assert run.seen["v7"] is None
    untaught["save"] = taught["save"]
    assert "nothing was learned" in comfy.run(untaught).error["exception_message"]


BAD = [
    ("loss", {"editing_prompt": "  "}, "editing_prompt is empty"),
    ("edit", {"preset": "custom", "look_steps": 9}, "look_steps is 9"),
]


@pytest.mark.parametrize(("node", "inputs", "words"), BAD)
def test_bad_widgets_are_told_before_anything_runs(comfy: Comfy, node: str, inputs: dict,
                                                   words: str) -> None:
    graph = demo_graph()
    graph[node]["inputs"].update(inputs)
    run = comfy.run(graph)
    assert not run.success
    assert words in str(run.problems)


def test_bad_graphs_name_node_value_and_way_out(comfy: Comfy) -> None:
    empty = demo_graph(kind="add")
    empty["generator"]["inputs"]["region_prior"] = ["scene", 3]
    other = demo_graph()
    other["other"] = {"class_type": "EmptyImage", "inputs": {
        "width": 64, "height": 64, "batch_size": 1, "color": 0}}
    other["edit"]["inputs"]["image"] = ["other", 0]
    wide = demo_graph()
    wide["generator"]["inputs"]["max_window_size"] = 99
    for graph, name, words in (
            (empty, "Learnable Region Generator", "region_prior is empty"),
            (other, "Region Inpaint Optimize", "connect the same image"),
            (wide, "Learnable Region Generator", "99")):
        run = comfy.run(graph)
        assert not run.success
        message = run.error["exception_message"]
        assert message.startswith(name), message
        assert words in message
        assert len(message.strip().splitlines()) == 1
