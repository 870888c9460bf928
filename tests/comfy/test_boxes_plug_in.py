"""Boxes, masks and `found` of our nodes at core's nodes: for one picture, a batch, and where nothing was found."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import torch

from .conftest import Comfy
from .parts import take, tiny_graph

SIDE = 128
WHOLE = {"x": 0, "y": 0, "width": SIDE, "height": SIDE}
EXTRAS = ("images", "rtdetr", "sam3", "sdpose", "bounding_boxes", "compositor")
# every BOUNDING_BOX that our nodes give, as (node, slot), and the mask that it goes round
BOXES = {
    ("find", 3): ("find", 2),
    ("pick", 3): ("pick", 2),
    ("edit", 2): None,
    ("edit", 10): ("edit", 1),
    ("several", 2): None,
    ("several", 5): ("several", 1),
}
FOUND = {("find", 8): ("find", 5), ("edit", 11): ("edit", 9), ("several", 6): ("several", 4)}


@pytest.fixture(scope="module")
def core(comfy: Comfy) -> dict[str, Any]:
    """Core's nodes by name."""
    for name in EXTRAS:
        path = comfy.root / "comfy_extras" / f"nodes_{name}.py"
        if path.is_file():
            asyncio.run(comfy.nodes.load_custom_node(str(path), module_parent="comfy_extras"))
    return comfy.nodes.NODE_CLASS_MAPPINGS


def scenes(comfy: Comfy) -> tuple[torch.Tensor, str, str]:
    """Two pictures [2,H,W,3] with the same thing in other places, and what is asked for."""
    make = comfy.part("nodes.shapes_demo").ShapesScene.execute
    first, caption, prompt = make(3, "recolour").args[:3]
    second = next(
        image for image, there, *_ in (make(seed, "recolour").args for seed in range(4, 99)) if there == caption
    )
    return torch.cat([first, second]), caption, prompt


def graph_of(comfy: Comfy, image: torch.Tensor, caption: str, prompt: str) -> dict:
    graph = tiny_graph(comfy, steps=2, mask_feather_percent=20.0)
    graph["loss"]["inputs"].update(image_caption=caption, editing_prompt=prompt)
    graph["positive"]["inputs"]["text"] = prompt
    demo = dict(zip(("model", "clip", "vae", "dino", "scorer"), (["demo", slot] for slot in range(5)), strict=True))
    kinds = {"find": "FindRegion", "pick": "PickRegion", "several": "EditSeveralRegions"}
    inputs: dict[str, dict] = {
        "find": {"dino": demo["dino"], "scorer": demo["scorer"], "image_caption": caption},
        "pick": {"regions": ["find", 0], "index": 1},
        "several": {**demo, "negative": ["negative", 0], "edits": f"{caption} -> {prompt}", "steps": 2, "cfg": 2.0},
    }
    graph |= {key: {"class_type": f"LearnableRegions_{kind}", "inputs": inputs[key]} for key, kind in kinds.items()}
    graph["edit"]["inputs"]["regions"] = ["find", 0]
    for node in ("generator", "edit", "find", "several"):
        take(comfy, graph, f"{node}.image", image)
    return graph


def outputs(comfy: Comfy, image: torch.Tensor, caption: str, prompt: str) -> dict[tuple[str, int], Any]:
    """Boxes, masks and founds by node and slot; a list where the output is one."""
    wanted = [*BOXES, *(mask for mask in BOXES.values() if mask), *FOUND, *FOUND.values()]
    graph, seen = graph_of(comfy, image, caption, prompt), {}

    class Keep:
        RETURN_TYPES, FUNCTION, OUTPUT_NODE, CATEGORY, INPUT_IS_LIST = (), "keep", True, "test", True

        @classmethod
        def INPUT_TYPES(cls) -> dict:  # noqa: N802
            return {"required": {}, "optional": {f"{node} {slot}": ("*",) for node, slot in wanted}}

        def keep(self, **values: Any) -> dict:
            seen.update(values)
            return {"ui": {}}

    comfy.nodes.NODE_CLASS_MAPPINGS["TestKeep"] = Keep
    graph["sink"] = {"class_type": "TestKeep", "inputs": {f"{a} {b}": [a, b] for a, b in wanted}}
    comfy.forget()
    run = comfy.run(graph)
    assert run.success, (run.messages, run.problems)
    return {one: seen[f"{one[0]} {one[1]}"] for one in wanted}


@pytest.fixture(scope="module")
def given(comfy: Comfy) -> dict[str, tuple[torch.Tensor, dict[tuple[str, int], Any]]]:
    """By case the picture or batch and all that our nodes give for it."""
    both, caption, prompt = scenes(comfy)
    bare = both[:1].flatten(1, 2).median(dim=1).values.expand_as(both[:1]).contiguous()
    batches = {"one": both[:1], "two": both, "none": bare, "half": torch.cat([bare, both[1:]])}
    return {name: (image, outputs(comfy, image, caption, prompt)) for name, image in batches.items()}


CASES = [(case, source) for case in ("one", "two", "none", "half") for source in BOXES]


def around(mask: torch.Tensor) -> dict[str, int]:
    """The box round a mask [B,H,W]."""
    _, rows, columns = (mask > 0).nonzero(as_tuple=True)
    x, y = int(columns.min()), int(rows.min())
    return {"x": x, "y": y, "width": int(columns.max()) + 1 - x, "height": int(rows.max()) + 1 - y}


@pytest.mark.parametrize(("case", "source"), CASES)
def test_each_of_cores_nodes_takes_our_boxes(
    core: dict[str, Any], given: dict[str, Any], case: str, source: tuple[str, int]
) -> None:
    image, all_of = given[case]
    (boxes,), count = all_of[source], len(image)
    each = [[boxes]] if isinstance(boxes, dict) else boxes
    assert len(each) == count
    assert all(type(side) is int for own in each for box in own for side in box.values())
    if BOXES[source] and case != "none":
        (mask,) = all_of[BOXES[source]]
        assert [own for own, one in zip(each, mask, strict=True) if one.any()] == [
            [around(m[None])] for m in mask if m.any()
        ]

    one_for_all = {"one": each[0][0], "none": WHOLE}.get(case)
    if one_for_all is None:
        found = [box for own, empty in zip(each, (case == "half", False), strict=True) for box in own if not empty]
        lit = torch.zeros(1, SIDE, SIDE)
        for box in found:
            lit[0, box["y"] : box["y"] + box["height"], box["x"] : box["x"] + box["width"]] = 1
        one_for_all = around(lit)
    cropped = core["ImageCropV2"].execute(image, boxes).args[0]
    x, y, across, down = (one_for_all[side] for side in ("x", "y", "width", "height"))
    assert torch.equal(cropped, image[:, y : y + down, x : x + across])

    crops = core["CropByBBoxes"].execute(image, boxes, 64, 64, 0).args[0]
    assert len(crops) == count
    for index, own in enumerate(each):  # in the pictures' order, the whole where nothing was found
        alone = core["CropByBBoxes"].execute(image[index : index + 1], [own], 64, 64, 0).args[0]
        assert torch.equal(crops[index], alone[0])

    drawn = core["DrawBBoxes"].execute(boxes, image).args[0]
    assert drawn.shape == image.shape
    assert all(bool((after != before).any()) for after, before in zip(drawn, image, strict=True))
    assert torch.equal(segmented(core, image, boxes), torch.stack([filled(own) for own in each]))
    if "CreateBoundingBoxes" in core:
        shown = core["CreateBoundingBoxes"].execute(SIDE, SIDE, bboxes=boxes).args[1]
        assert [{side: box[side] for side in WHOLE} for box in shown[0]] == each[0]
    if "LayersFromBoundingBoxes" in core:
        (layer, *_) = core["LayersFromBoundingBoxes"].execute(crops, boxes).args[0]["layers"]
        assert {"x": layer["x"], "y": layer["y"], "width": layer["w"], "height": layer["h"]} == each[0][0]


def filled(boxes: list[dict[str, int]]) -> torch.Tensor:
    """[H,W], 1 in the boxes."""
    mask = torch.zeros(SIDE, SIDE)
    for box in boxes:
        mask[box["y"] : box["y"] + box["height"], box["x"] : box["x"] + box["width"]] = 1
    return mask


def segmented(core: dict[str, Any], image: torch.Tensor, boxes: Any) -> torch.Tensor:
    """SAM3 Detect's masks [B,H,W], of a SAM3 that takes the box itself for the thing."""
    from comfy.model_patcher import ModelPatcher

    class Segmenter(torch.nn.Module):
        def forward_segment(self, frame: torch.Tensor, box_inputs: Any = None, mask_inputs: Any = None) -> torch.Tensor:
            if mask_inputs is not None:
                return mask_inputs
            (x0, y0), (x1, y1) = (box_inputs[0] * SIDE / frame.shape[-1]).round().int().tolist()
            mask = torch.full((1, 1, SIDE, SIDE), -1.0)
            mask[..., y0:y1, x0:x1] = 1
            return mask

    class Whole(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.diffusion_model = Segmenter()
            self.device = torch.device("cpu")

        def get_dtype(self) -> torch.dtype:
            return torch.float32

    cpu = torch.device("cpu")
    model = ModelPatcher(Whole(), load_device=cpu, offload_device=cpu)
    return core["SAM3_Detect"].execute(model, image, bboxes=boxes).args[0]


@pytest.mark.parametrize("case", ["one", "two", "none", "half"])
def test_found_is_there_of_the_batch_and_of_each_picture(given: dict[str, Any], case: str) -> None:
    _, all_of = given[case]
    truth = {"one": [True], "two": [True, True], "none": [False], "half": [False, True]}[case]
    for each, whole in FOUND.items():
        assert all_of[each] == truth
        assert all_of[whole] == [any(truth)]


@pytest.mark.parametrize("case", ["one", "two"])
def test_what_was_painted_goes_further_than_what_was_found(given: dict[str, Any], case: str) -> None:
    """A crop by the found box would cut the fade; one by the painted box does not."""
    _, all_of = given[case]
    for found, painted in (("edit", 2), ("edit", 10)), (("several", 2), ("several", 5)):
        inner, outer = (
            [value] if isinstance(value, dict) else [box for own in value for box in own]
            for (value,) in (all_of[found], all_of[painted])
        )
        for one, other in zip(inner, outer, strict=True):
            assert other["x"] <= one["x"]
            assert other["x"] + other["width"] >= one["x"] + one["width"]
            assert other["width"] * other["height"] > one["width"] * one["height"]
