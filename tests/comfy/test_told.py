"""What is wrong is told once, at the input that is wrong, before any work; and nothing found is no failure."""

from __future__ import annotations

import io
import resource
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from .conftest import Comfy, demo_graph
from .flows import show_text
from .parts import TINY_PAPER, demo_parts, take, tiny_graph
from .served import Heard, Server

CAPTION, PROMPT = "image_caption", "editing_prompt"
# the node, its widgets, and the one input and sentence that should be heard
FAULTS: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "no caption": ("loss", {CAPTION: " ", PROMPT: "a cat"}, CAPTION, "image_caption is empty"),
    "no prompt": ("loss", {CAPTION: "a dog", PROMPT: ""}, PROMPT, "editing_prompt is empty"),
    "neither": ("loss", {CAPTION: "", PROMPT: ""}, CAPTION, "image_caption is empty"),
    "in another order": ("loss", {PROMPT: "a cat", CAPTION: ""}, CAPTION, "image_caption is empty"),
    "learning": ("edit", {"preset": "paper", "preset.learning": "magic"}, "preset.learning", "'magic' not in"),
    "steps": ("edit", {"steps": 0}, "steps", "steps"),
    "save elsewhere": ("save", {"filename_prefix": "../x"}, "filename_prefix", "give a name inside"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_one_fault_is_one_sentence_at_its_input(server: Server, fault: str) -> None:
    node, widgets, culprit, sentence = FAULTS[fault]
    graph = saved(demo_graph())
    del graph["sink"]
    graph["after"] = {"class_type": "PreviewImage", "inputs": {"images": ["edit", 0]}}
    inputs = graph[node]["inputs"]
    for name in widgets:
        inputs.pop(name, None)  # the order is the script's
    inputs.update(widgets)
    heard = server.run(graph)
    assert set(heard.refused) == {node}
    # ComfyUI writes a sentence of `validate_inputs` at each input that it looks at; it names the one that is meant
    said = {error["extra_info"]["input_name"]: error["details"] for error in heard.refused[node]["errors"]}
    assert said[culprit].startswith(culprit)
    assert all(sentence in one for one in said.values())


def test_a_sentence_has_no_path_of_python_before_it(comfy: Comfy) -> None:
    graph = tiny_graph(comfy)
    take(comfy, graph, "edit.loss", None)
    assert comfy.run(graph).error["exception_type"] == "InputError"


def saved(graph: dict) -> dict:
    """The graph with Save Learned Region Generator at its end."""
    graph["save"] = {
        "class_type": "LearnableRegions_SaveLearnedGenerator",
        "inputs": {"learned": ["edit", 7], "filename_prefix": "regions"},
    }
    return graph


@pytest.fixture(scope="module")
def parts(comfy: Comfy) -> dict[str, Any]:
    return demo_parts(comfy)


def fails_before_work(comfy: Comfy, parts: dict[str, Any], graph: dict) -> str:
    """What a graph fails with, before CLIP sees a picture or the MODEL is asked anything."""
    clip = next(m for m in parts["scorer"].encoder.model.visual.modules() if isinstance(m, torch.nn.Conv2d))
    worked: list[str] = []
    handles = [
        module.register_forward_pre_hook(lambda *_, name=name: worked.append(name))
        for name, module in (("CLIP", clip), ("UNet", parts["model"].model.diffusion_model))
    ]
    take(comfy, graph, "edit.model", parts["model"])
    take(comfy, graph, "loss.scorer", parts["scorer"])
    run = comfy.run(graph)
    for handle in handles:
        handle.remove()
    assert not run.success
    assert worked == []
    return run.error["exception_message"]


@pytest.mark.parametrize("widgets", [{}, {**TINY_PAPER, "learning": "off"}, {**TINY_PAPER, "generator_steps": 0}])
def test_what_will_not_be_learned_is_told_before_it_is_to_be_saved(
    comfy: Comfy, parts: dict[str, Any], widgets: dict
) -> None:
    message = fails_before_work(comfy, parts, saved(tiny_graph(comfy, **widgets)))
    assert "there will be nothing to save" in message


def test_squares_smaller_than_a_model_was_trained_on_are_told(comfy: Comfy, parts: dict[str, Any]) -> None:
    for size, told in ((64, True), (0, False)):
        graph = tiny_graph(comfy, native_size=size)
        run = comfy.run(graph)
        assert run.success, run.messages
        assert ("native_size 64 is below the 128 pixels" in run.seen["v6"]) is told


def test_no_loss_is_told_where_something_learns_by_it(comfy: Comfy, parts: dict[str, Any]) -> None:
    none = {"loss_alpha": 0, "loss_beta": 0, "loss_gamma": 0}
    message = fails_before_work(comfy, parts, tiny_graph(comfy, **TINY_PAPER, **none))
    assert "loss_alpha, loss_beta and loss_gamma are all 0" in message
    assert "learning to off" in message
    assert comfy.run(tiny_graph(comfy, **TINY_PAPER, **none, learning="off")).success


def test_a_preset_that_is_none(comfy: Comfy) -> None:
    """A script's; the front end offers those that there are."""
    message = comfy.run(tiny_graph(comfy, preset="magic")).error["exception_message"]
    assert "preset 'magic' is not known; choose one of fast, standard, quality, paper, custom" in message


class Typed:
    """Core's node of that name, which is not loaded in this process."""

    RETURN_TYPES = ("STRING",)
    FUNCTION = "give"
    CATEGORY = "test"

    @classmethod
    def INPUT_TYPES(cls) -> dict:  # noqa: N802
        return {"required": {"value": ("STRING", {})}}

    def give(self, value: str) -> tuple:
        return (value,)


@pytest.mark.parametrize("linked", [False, True])
def test_texts_that_differ_are_told_in_the_report(comfy: Comfy, monkeypatch: pytest.MonkeyPatch, linked: bool) -> None:
    monkeypatch.setitem(comfy.nodes.NODE_CLASS_MAPPINGS, "PrimitiveString", Typed)
    graph = tiny_graph(comfy)
    graph["loss"]["inputs"].update(image_caption="red circle", editing_prompt="blue square")
    graph["typed"] = {"class_type": "PrimitiveString", "inputs": {"value": "green star"}}
    text = graph["positive"]["inputs"]
    text["text"] = ["typed", 0] if linked else "green star"
    assert "positive says 'green star' and editing_prompt 'blue square'" in comfy.run(graph).seen["v6"]
    graph["typed"]["inputs"]["value"] = "blue square"
    text["text"] = ["typed", 0] if linked else " blue  square"
    assert "positive says" not in comfy.run(graph).seen["v6"]


def test_where_nothing_can_be_saved_is_told_before_anything_runs(comfy: Comfy) -> None:
    graph = saved(tiny_graph(comfy))
    del graph["sink"]
    root = Path(comfy.folder_paths.get_folder_paths("learnable_regions")[0])
    root.mkdir(parents=True, exist_ok=True)
    (root / "taken").touch()
    graph["save"]["inputs"]["filename_prefix"] = "taken/mine"
    assert "taken' is a file; choose a folder" in str(comfy.run(graph).problems)
    graph["save"]["inputs"]["filename_prefix"] = "mine"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))  # as a full disk, no file gets larger
    try:
        run = comfy.run(graph)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "which cannot be written to (File too large)" in str(run.problems)


NOTHING = {
    "grow": ("GrowMask", {"mask": ["edit", 1], "expand": 4, "tapered_corners": True}),
    "invert": ("InvertMask", {"mask": ["edit", 1]}),
    "feather": ("FeatherMask", {"mask": ["edit", 1], "left": 2, "top": 2, "right": 2, "bottom": 2}),
    "as picture": ("MaskToImage", {"mask": ["edit", 1]}),
    "composite": (
        "ImageCompositeMasked",
        {
            "destination": ["scene", 0],
            "source": ["edit", 0],
            "mask": ["edit", 1],
            "x": 0,
            "y": 0,
            "resize_source": False,
        },
    ),
    "inpaint": (
        "InpaintModelConditioning",
        {
            "positive": ["positive", 0],
            "negative": ["negative", 0],
            "vae": ["demo", 2],
            "pixels": ["edit", 0],
            "mask": ["edit", 1],
            "noise_mask": True,
        },
    ),
    "encode": (
        "VAEEncodeForInpaint",
        {"pixels": ["edit", 0], "vae": ["demo", 2], "mask": ["edit", 1], "grow_mask_by": 6},
    ),
    "crop": ("ImageCropV2", {"image": ["edit", 0], "crop_region": ["edit", 2]}),
    "boxes": ("DrawBBoxes", {"bboxes": ["edit", 2], "image": ["edit", 0]}),
    "branch": ("ComfySwitchNode", {"switch": ["edit", 9], "on_true": ["edit", 0], "on_false": ["branch off", 0]}),
    "branch off": ("EmptyImage", {"width": 16, "height": 16, "batch_size": 1, "color": 0}),
}


def graph_on(known: set[str], kind: str) -> dict:
    """The demo on a scene of a kind with core's nodes at the outputs, and what they give shown."""
    graph = demo_graph(kind=kind)
    del graph["sink"]
    for name, (node, inputs) in NOTHING.items():
        if node in known:
            graph[name] = {"class_type": node, "inputs": inputs}
            graph[f"see {name}"] = {"class_type": "PreviewAny", "inputs": {"source": [name, 0]}}
    for name, end in (("after", 0), ("ranked", 3), ("boxes drawn", 4), ("curve", 5), ("crop", 0), ("branch", 0)):
        if name in graph or name not in NOTHING:
            source = [name, 0] if name in NOTHING else ["edit", end]
            graph[f"show {name}"] = {"class_type": "PreviewImage", "inputs": {"images": source}}
    return show_text(graph, found=("edit", 9), box=("edit", 2))


def sizes(server: Server, heard: Heard, node: str) -> list[tuple[int, int]]:
    return [Image.open(io.BytesIO(server.picture(one))).size for one in heard.outputs[node]["images"]]


def test_nothing_found_leaves_outputs_that_core_nodes_can_take(server: Server) -> None:
    known = set(server.json("/object_info"))
    heard = server.run(graph_on(known, "absent"))
    assert heard.status == "success", heard.problem
    assert heard.text("found") is False or heard.text("found") == "False"
    assert heard.text("box") == {"x": 0, "y": 0, "width": 128, "height": 128}
    assert sizes(server, heard, "show after") == [(128, 128)]
    if "ImageCropV2" in known:
        assert sizes(server, heard, "show crop") == [(128, 128)]
    if "ComfySwitchNode" in known:
        assert sizes(server, heard, "show branch") == [(16, 16)]
    there = server.run(graph_on(known, "recolour"))
    assert there.status == "success", there.problem
    assert str(there.text("found")) == "True"
    if "ComfySwitchNode" in known:
        assert sizes(server, there, "show branch") == [(128, 128)]


def test_nothing_learned_is_told_on_the_node(comfy: Comfy) -> None:
    """Where it could not be known before: the one that is connected gave nothing."""
    graph = tiny_graph(comfy)
    graph["save"] = {
        "class_type": "LearnableRegions_SaveLearnedGenerator",
        "inputs": {"learned": ["nothing", 0], "filename_prefix": "regions"},
    }
    take(comfy, graph, "save.learned", None)
    run = comfy.run(graph)
    assert run.success, run.messages
    (shown,) = [
        data["output"]["text"][0] for event, data in run.sent if event == "executed" and "text" in data["output"]
    ]
    assert "nothing was learned: choose preset paper" in shown
