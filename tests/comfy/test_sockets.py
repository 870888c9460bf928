"""What a switch, another pack or a script may hand to a node: nothing, anything, or no value at all."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

from .conftest import Comfy
from .parts import demo_parts, picture, take, tiny_graph, words

NODES = {
    "generator": "Learnable Region Generator",
    "loss": "CLIP Region Loss",
    "edit": "Region Inpaint Optimize",
    "scene": "Shapes Scene",
}
HALF = "a \ud83d"
MAY_STAY_OPEN = [("generator", name) for name in ("region_prior", "learned", "loss")] + [("edit", "regions")]


def required(comfy: Comfy, kind: str) -> list[str]:
    return list(comfy.classes[kind].GET_NODE_INFO_V1()["input"]["required"])


def every_input(comfy: Comfy, node: str) -> list[tuple[str, str]]:
    """(name, type) of the node's inputs."""
    kind = tiny_graph(comfy)[node]["class_type"]
    return [(one.id, one.get_io_type()) for one in comfy.classes[kind].define_schema().inputs]


def told(comfy: Comfy, graph: dict, node: str) -> str:
    run = comfy.run(graph)
    assert not run.success
    message = run.error["exception_message"].strip()
    assert run.error["exception_type"].endswith("InputError"), message
    assert message.startswith(f"{NODES[node]}: "), message
    assert len(message.splitlines()) == 1
    return message


@pytest.mark.parametrize("node", NODES)
def test_nothing_at_any_socket_is_one_sentence(comfy: Comfy, node: str) -> None:
    for name, kind in every_input(comfy, node):
        graph = tiny_graph(comfy)
        take(comfy, graph, f"{node}.{name}", None)
        if (node, name) in MAY_STAY_OPEN:
            assert comfy.run(graph).success
            continue
        if name in ("generator", "preset"):
            continue  # see below
        message = told(comfy, graph, node)
        assert f"got nothing for {name}: connect " in message, (kind, message)


@pytest.mark.parametrize("node", NODES)
def test_another_kind_of_thing_at_any_socket_is_one_sentence(comfy: Comfy, node: str) -> None:
    for name, kind in every_input(comfy, node):
        if kind == "COMFY_DYNAMICCOMBO_V3":
            continue  # ComfyUI knows its options
        if kind in ("STRING", "COMBO"):
            wrong: list[Any] = [3, [], torch.zeros(3), *["../../x"] * (kind == "COMBO")]
        elif kind in ("INT", "FLOAT"):
            wrong = ["three", float("nan"), float("inf"), -1e9, torch.zeros(3), {}]
        else:
            wrong = ["a text", 3, {}, [1, 2], object()]
        for value in wrong:
            if kind == "BOOLEAN" and isinstance(value, int):
                continue
            graph = tiny_graph(comfy)
            take(comfy, graph, f"{node}.{name}", value)
            assert name in told(comfy, graph, node), value


def test_nothing_to_find_a_region_by(comfy: Comfy) -> None:
    graph = tiny_graph(comfy)
    take(comfy, graph, "edit.generator", None)
    assert "got neither a generator nor regions: connect Learnable Region Generator" in told(comfy, graph, "edit")


@pytest.mark.parametrize("shape", [(64,), (1, 64, 0), (3, 2, 0, 64)])
def test_a_mask_that_is_none(comfy: Comfy, shape: tuple[int, ...]) -> None:
    graph = tiny_graph(comfy)
    take(comfy, graph, "generator.region_prior", torch.ones(shape))
    assert "region_prior has the shape" in told(comfy, graph, "generator")


def test_values_left_out_of_a_graph_are_the_widgets_own(comfy: Comfy) -> None:
    """As a script of an older version, or of a lazy person, sends it."""
    defaults = {}
    for node in NODES:
        kind = tiny_graph(comfy)[node]["class_type"]
        for one in comfy.classes[kind].define_schema().inputs:
            if getattr(one, "default", None) not in (None, ""):
                defaults[node, one.id] = one.default
    whole, bare = tiny_graph(comfy), tiny_graph(comfy)
    for (node, name), value in defaults.items():
        whole[node]["inputs"][name] = value
        bare[node]["inputs"].pop(name, None)
    for graph in (whole, bare):
        graph["edit"]["inputs"]["steps"] = 2  # as little work as there can be
        graph["edit"]["inputs"].pop("preset.num_regions", None)
    whole["edit"]["inputs"]["preset"] = "standard"
    del bare["edit"]["inputs"]["preset"]
    assert len(bare["edit"]["inputs"]) == 8
    first, second = comfy.run(whole), comfy.run(bare)
    assert first.success, (first.problems, first.messages)
    assert second.success, (second.problems, second.messages)
    for name in ("v0", "v1", "v3"):
        assert torch.equal(first.seen[name], second.seen[name])


def test_texts_and_pictures_have_no_value_of_their_own(comfy: Comfy) -> None:
    graph = tiny_graph(comfy)
    del graph["loss"]["inputs"]["image_caption"], graph["edit"]["inputs"]["image"]
    problems = str(comfy.run(graph).problems)
    assert "image_caption" in problems
    assert "image" in problems


def test_half_a_character_typed_or_linked(comfy: Comfy) -> None:
    graph = tiny_graph(comfy)
    graph["loss"]["inputs"].update(image_caption=HALF, editing_prompt=HALF)
    run = comfy.run(graph)
    assert not run.success
    assert "image_caption has half of a character at place 3" in str(run.problems)
    take(comfy, graph, "loss.editing_prompt", HALF)
    graph["loss"]["inputs"]["image_caption"] = "a red circle"
    message = told(comfy, graph, "loss")
    message.encode("utf-8")
    assert "editing_prompt has half of a character" in message


HINTS = {"area": (64, 64, 0, 64), "mask": torch.ones(1, 64, 64), "control": object(), "gligen": ("position", None, [])}


@pytest.mark.parametrize("hint", HINTS)
@pytest.mark.parametrize("socket", ["positive", "negative"])
def test_hints_placed_in_the_whole_picture_are_refused(comfy: Comfy, hint: str, socket: str) -> None:
    graph = tiny_graph(comfy)
    width = demo_parts(comfy)["model"].model.model_config.unet_config["context_dim"]
    conditioning = [words(width)[0], [torch.zeros(1, 12, width), {hint: HINTS[hint], "strength": 1.0}]]
    take(comfy, graph, f"edit.{socket}", conditioning)
    message = told(comfy, graph, "edit")
    assert f"the {socket} conditioning has" in message
    assert "made for the whole picture" in message


def test_values_beyond_1_are_kept_outside_the_region(comfy: Comfy) -> None:
    image = picture(64, 80) * 3 - 0.2
    run = comfy.run(tiny_graph(comfy, image))
    assert run.success, run.messages
    edited, mask = run.seen["v0"], run.seen["v1"]
    assert torch.equal(edited[mask == 0], image[mask == 0])
    assert edited[mask == 0].max() > 1
    inside = edited[mask == 1]
    assert not len(inside) or (inside.min() >= 0 and inside.max() <= 1)
    assert "the models see them cut to 0 to 1" in run.seen["v6"]


def test_values_of_8_bits_are_refused(comfy: Comfy) -> None:
    assert "scale them" in told(comfy, tiny_graph(comfy, picture(64, 80) * 255), "generator")


def test_names_that_lead_elsewhere_or_are_no_names(comfy: Comfy) -> None:
    learned = comfy.part("nodes.learned")
    for name in (
        "../x",
        "a/../../x",
        "/x",
        "C:/x",
        "C:x",
        "a\\..\\..\\x",
        "CON",
        "con.txt",
        "a/aux",
        "x\0",
        "a?",
        "x" * 300,
        "",
        " ",
        ".",
        "..",
        "a/",
        HALF,
        "lpt1",
        "a. /b",
    ):
        with pytest.raises(ValueError, match="give a name inside") as told:
            learned._stem(name)
        json.dumps(str(told.value)).encode("utf-8")
    for name in ("regions", "deep/mine", "\u7ea2", "a.b", "console"):
        assert learned._stem(name)


def test_a_region_of_a_number_and_one_that_is_not_there(comfy: Comfy) -> None:
    graph = tiny_graph(comfy)
    graph["find"] = {
        "class_type": "LearnableRegions_FindRegion",
        "inputs": {"image": ["scene", 0], "dino": ["demo", 3], "scorer": ["demo", 4], "image_caption": ["scene", 1]},
    }
    graph["pick"] = {"class_type": "LearnableRegions_PickRegion", "inputs": {"regions": ["find", 0], "index": 1}}
    graph["sink"]["inputs"] = {f"v{i}": ["find", i] for i in range(8)} | {"v8": ["pick", 1], "v9": ["pick", 3]}
    run = comfy.run(graph)
    assert run.success, run.messages
    regions, mask, box_mask, box, relevance, found, ranked, report = (run.seen[f"v{i}"] for i in range(8))
    assert found is True
    assert torch.equal(mask, run.seen["v8"])
    assert box == run.seen["v9"]
    assert mask.shape == box_mask.shape == relevance.shape == (1, 128, 128)
    assert 0 < mask.sum() < box_mask.sum() == box["width"] * box["height"]
    assert bool((mask <= box_mask).all())
    assert ranked.shape[0] == 1
    assert f"1: x {box['x']}, y {box['y']}, {box['width']} x {box['height']} pixels" in report
    graph["pick"]["inputs"]["index"] = 999
    message = comfy.run(graph).error["exception_message"]
    assert message.startswith(f"Pick Region: index is 999 and {len(regions.regions[0])} regions were found"), message
    graph["scene"]["inputs"]["kind"] = "absent"
    graph["pick"]["inputs"]["index"] = 1
    run = comfy.run(graph)
    assert run.success, run.messages
    assert run.seen["v5"] is False
    assert not run.seen["v1"].any()
    assert not run.seen["v8"].any()
    assert run.seen["v3"] == {"x": 0, "y": 0, "width": 128, "height": 128}
    assert "answers to" in run.seen["v7"]


def test_a_picture_without_a_mask_of_load_image_has_no_prior(comfy: Comfy) -> None:
    """64 x 64 of black, whatever the picture's size."""
    plain, graph = tiny_graph(comfy), tiny_graph(comfy)
    take(comfy, graph, "generator.region_prior", torch.zeros(1, 64, 64))
    first, second = comfy.run(plain), comfy.run(graph)
    assert second.success, second.messages
    assert torch.equal(first.seen["v0"], second.seen["v0"])
