"""The demo graph through ComfyUI's own executor."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
import torch

from .conftest import Comfy, demo_graph
from .parts import TINY_PAPER, take, tiny_graph


def test_demo_runs_and_is_cached(comfy: Comfy) -> None:
    random = torch.random.get_rng_state()
    run = comfy.run(demo_graph())
    assert run.success, run.messages
    edited, mask, box, ranked, boxes, curve, report, learned = (run.seen[f"v{i}"] for i in range(8))
    source = run.seen["v8"]
    assert edited.shape == source.shape
    assert mask.shape == source.shape[:3]
    outside = mask == 0
    assert torch.equal(edited[outside], source[outside])
    assert set(box) == {"x", "y", "width", "height"}
    assert ranked.shape[1:] == source.shape[1:]
    assert boxes.shape[-1] == curve.shape[-1] == 3
    assert "evaluations" in report
    assert "dino" not in report.lower()  # the generator node asked it
    assert learned is None
    assert torch.equal(random, torch.random.get_rng_state())

    again = comfy.run(demo_graph())
    assert set(demo_graph()) <= again.cached | {"sink"}
    changed = demo_graph()
    changed["edit"]["inputs"]["seed"] = 1
    assert {"demo", "scene", "generator", "loss"} <= comfy.run(changed).cached


def scene_of(comfy: Comfy, seed: int) -> tuple[torch.Tensor, str, str]:
    """Picture [1,H,W,3], caption and prompt of a Shapes Scene."""
    return comfy.part("nodes.shapes_demo").ShapesScene.execute(seed, "recolour").args[:3]


def edit_of(comfy: Comfy, image: torch.Tensor, caption: str, prompt: str) -> dict[str, Any]:
    """What Region Inpaint Optimize gives for a picture or a batch, by output."""
    graph = tiny_graph(comfy, steps=4, cfg=2.0, num_regions=2)
    for node in ("generator", "edit"):
        take(comfy, graph, f"{node}.image", image)
    graph["loss"]["inputs"].update(image_caption=caption, editing_prompt=prompt)
    graph["positive"]["inputs"]["text"] = prompt
    comfy.forget()
    run = comfy.run(graph)
    assert run.success, (run.messages, run.problems)
    return dict(zip(("edited", "mask", "bounding_box", "ranked"), (run.seen[f"v{i}"] for i in range(4)), strict=True))


def test_each_picture_of_a_batch_comes_out_as_it_does_alone(comfy: Comfy) -> None:
    """Two scenes with the same thing to change in other places."""
    first, caption, prompt = scene_of(comfy, 3)
    second = next(image for image, there, _ in (scene_of(comfy, seed) for seed in count(4)) if there == caption)
    alone = [edit_of(comfy, one, caption, prompt) for one in (first, second)]
    batch = edit_of(comfy, torch.cat([first, second]), caption, prompt)
    for output in ("edited", "mask", "ranked"):
        whole = torch.cat([one[output] for one in alone])
        assert batch[output].shape == whole.shape, output
        assert torch.allclose(batch[output], whole, atol=1e-4), output
    assert len(batch["ranked"]) == 4
    boxes = [one["bounding_box"] for one in alone]
    assert all(set(box) == {"x", "y", "width", "height"} for box in boxes)
    assert batch["bounding_box"] == [[box] for box in boxes]
    assert boxes[0] != boxes[1], "the same place in both proves little"


def test_a_batch_has_a_list_of_boxes_a_picture(comfy: Comfy) -> None:
    """Also for one in which there is nothing to be found."""
    scene, caption, prompt = scene_of(comfy, 3)
    bare = scene.flatten(1, 2).median(dim=1).values.expand_as(scene).contiguous()
    batch = edit_of(comfy, torch.cat([bare, scene]), caption, prompt)
    (none,), (box,) = batch["bounding_box"]
    assert none == {"x": 0, "y": 0, "width": bare.shape[2], "height": bare.shape[1]}
    assert not batch["mask"][0].any()
    assert torch.equal(batch["edited"][0], bare[0])
    assert torch.equal(batch["ranked"][0], bare[0])
    assert len(batch["ranked"]) == 3
    inside = torch.zeros_like(batch["mask"][1])
    inside[box["y"] : box["y"] + box["height"], box["x"] : box["x"] + box["width"]] = 1
    assert torch.equal(batch["mask"][1], inside)


def test_what_was_learned_can_be_saved(comfy: Comfy) -> None:
    taught = tiny_graph(comfy, **{**TINY_PAPER, "generator_steps": 3})
    taught["save"] = {
        "class_type": "LearnableRegions_SaveLearnedGenerator",
        "inputs": {"learned": ["edit", 7], "filename_prefix": "regions"},
    }
    run = comfy.run(taught)
    assert run.success, run.messages
    learned = run.seen["v7"]
    fresh = comfy.part("region_core.paper.network").build_generator(seed=42, **learned.config).state_dict()
    # not the last layers, which start at 0 here
    assert not torch.equal(learned.state["linear1.weight"], fresh["linear1.weight"]), "never learned"


BAD = [
    ("loss", {"editing_prompt": "  "}, "editing_prompt is empty"),
    ("edit", {"preset": "paper", "preset.learning": "magic"}, "preset.learning: 'magic' not in"),
]


@pytest.mark.parametrize(("node", "inputs", "words"), BAD)
def test_bad_widgets_are_told_before_anything_runs(comfy: Comfy, node: str, inputs: dict, words: str) -> None:
    graph = demo_graph()
    graph[node]["inputs"].update(inputs)
    run = comfy.run(graph)
    assert not run.success
    assert words in str(run.problems)


def test_bad_graphs_name_node_value_and_way_out(comfy: Comfy) -> None:
    empty = demo_graph(kind="add")
    empty["generator"]["inputs"]["region_prior"] = ["scene", 3]
    other = demo_graph()
    other["other"] = {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 0}}
    other["edit"]["inputs"]["image"] = ["other", 0]
    wide = demo_graph()
    wide["generator"]["inputs"]["region_prior"] = ["scene", 3]
    wide["generator"]["inputs"]["image"] = wide["edit"]["inputs"]["image"] = ["three", 0]
    wide["three"] = {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 8, "batch_size": 1, "color": 0}}
    for graph, name, words in (
        (empty, "Learnable Region Generator", "region_prior is empty"),
        (other, "Region Inpaint Optimize", "connect the same image"),
        (wide, "Learnable Region Generator", "at least 32"),
    ):
        run = comfy.run(graph)
        assert not run.success
        message = run.error["exception_message"]
        assert message.startswith(name), message
        assert words in message
        assert len(message.strip().splitlines()) == 1


@pytest.mark.parametrize("widgets", [{}, TINY_PAPER], ids=["evidence", "paper"])
def test_seeds_as_core_s_sampler_takes_them(comfy: Comfy, widgets: dict[str, Any]) -> None:
    """Up to 2^64 - 1, typed or linked, in every node that has one."""
    high = 2**64 - 1
    for linked in (False, True):
        graph = tiny_graph(comfy, seed=high, **widgets)
        graph["scene"]["inputs"]["seed"] = high
        if linked:
            for node in ("scene", "edit"):
                take(comfy, graph, f"{node}.seed", high)
        comfy.forget()
        run = comfy.run(graph)
        assert run.success, (run.problems, run.messages)
    graph = tiny_graph(comfy)
    take(comfy, graph, "edit.seed", high + 1)
    assert "seed is 18446744073709551616; it must be from 0 to" in comfy.run(graph).error["exception_message"]


@pytest.mark.parametrize("default", [torch.bfloat16, torch.float64])
@pytest.mark.parametrize("widgets", [{}, TINY_PAPER], ids=["evidence", "paper"])
def test_a_default_dtype_that_another_pack_changed_finds_the_same(
    comfy: Comfy, default: torch.dtype, widgets: dict[str, Any]
) -> None:
    plain = comfy.run(tiny_graph(comfy, **widgets))
    torch.set_default_dtype(default)
    comfy.forget()
    comfy.part("nodes.steps").forget()
    try:
        run = comfy.run(tiny_graph(comfy, **widgets))
    finally:
        torch.set_default_dtype(torch.float32)
        comfy.forget()
        comfy.part("nodes.steps").forget()
    assert run.success, run.messages
    assert run.seen["v2"] == plain.seen["v2"]
    assert {run.seen[f"v{i}"].dtype for i in (0, 1, 3, 4, 5)} == {torch.float32}


def test_a_default_device_that_another_pack_left_finds_the_same(comfy: Comfy) -> None:
    plain = comfy.run(demo_graph())
    comfy.forget()
    torch.set_default_device("meta")  # of this thread, in which nodes run
    try:
        run = comfy.run(demo_graph())
    finally:
        torch.set_default_device(None)
        comfy.forget()
    assert run.success, run.messages
    assert run.seen["v2"] == plain.seen["v2"]
    assert all(torch.equal(run.seen[f"v{i}"], plain.seen[f"v{i}"]) for i in (0, 1, 3, 5))
