"""The templates in workflows/: every link, socket and widget fits the nodes they name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .conftest import PACK, Comfy

WORKFLOWS = sorted((PACK / "workflows").glob("*.json"))
HERE = PACK / "tests" / "comfy"
OURS: dict[str, dict] = json.loads((HERE / "sockets.json").read_text(encoding="utf-8"))
CORE: dict[str, tuple[dict[str, str], list[str]]] = {  # inputs and output types in 0.3.64 and 0.33
    "CLIPTextEncode": ({"clip": "CLIP", "text": "STRING"}, ["CONDITIONING"]),
    "CheckpointLoaderSimple": ({"ckpt_name": "COMBO"}, ["MODEL", "CLIP", "VAE"]),
    "LoadImage": ({"image": "COMBO"}, ["IMAGE", "MASK"]),
    "PreviewImage": ({"images": "IMAGE"}, []),
    "PrimitiveString": ({"value": "STRING"}, ["STRING"]),
}
NOTES = {"MarkdownNote", "Note"}  # the front end's own, which never run
WIDGETS = {"INT", "FLOAT", "STRING", "COMBO", "BOOLEAN"}
CONTROLS = {"fixed", "increment", "decrement", "randomize"}

each_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)


def load(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def running(flow: dict) -> list[dict]:
    return [node for node in flow["nodes"] if node["type"] not in NOTES]


def inputs_of(kind: str) -> tuple[dict[str, str], set[str]]:
    """Types of a node's inputs by name in the schema's order, and which may stay open."""
    if kind in CORE:
        return CORE[kind][0], set()
    groups = OURS[kind]["inputs"]
    return {**groups["required"], **groups["optional"]}, set(groups["optional"])


def widgets_of(node: dict) -> dict[str, Any]:
    """Values by widget; a seed's second entry and the upload button's are stepped over."""
    names = [slot["name"] for slot in node["inputs"] if "widget" in slot]
    values, found = list(node["widgets_values"]), {}
    for name in names:
        found[name] = values.pop(0)
        if name == "seed":
            assert values.pop(0) in CONTROLS, node["type"]
    if node["type"] == "LoadImage":
        assert values.pop(0) == "image"
    assert not values, f"{node['type']} has {len(values)} widget values too many"
    return found


def as_prompt(flow: dict) -> dict[str, dict]:
    """What the front end would queue."""
    links = {link[0]: [str(link[1]), link[2]] for link in flow["links"]}
    prompt = {}
    for node in running(flow):
        inputs = widgets_of(node)
        inputs.update({slot["name"]: links[slot["link"]] for slot in node["inputs"]
                       if slot["link"] is not None})
        prompt[str(node["id"])] = {"class_type": node["type"], "inputs": inputs}
    return prompt


def test_there_are_workflows() -> None:
    assert WORKFLOWS


@each_workflow
def test_links_have_both_ends_and_one_type(path: Path) -> None:
    flow = load(path)
    assert flow["version"] == 0.4
    nodes = {node["id"]: node for node in flow["nodes"]}
    assert len(nodes) == len(flow["nodes"])
    assert flow["last_node_id"] >= max(nodes)
    ends: set[int] = set()
    for number, source, slot, target, place, kind in flow["links"]:
        assert number not in ends
        ends.add(number)
        start, end = nodes[source]["outputs"][slot], nodes[target]["inputs"][place]
        assert start["type"] == end["type"] == kind, (start, end, kind)
        assert number in start["links"]
        assert number == end["link"]
    assert flow["last_link_id"] >= max(ends)
    for node in flow["nodes"]:
        named = [slot["link"] for slot in node["inputs"] if slot["link"] is not None]
        named += [link for slot in node["outputs"] for link in slot["links"] or []]
        assert set(named) <= ends, node["type"]


@each_workflow
def test_nodes_have_the_sockets_of_their_schema(path: Path) -> None:
    for node in running(load(path)):
        kind = node["type"]
        assert kind in OURS or kind in CORE, f"{kind} is neither ours nor an allowed core node"
        types, optional = inputs_of(kind)
        assert {slot["name"]: slot["type"] for slot in node["inputs"]} == types, kind
        named = [slot["name"] for slot in node["inputs"] if "widget" in slot]
        assert named == [name for name, one in types.items() if one in WIDGETS], kind
        outputs = ([list(pair) for pair in OURS[kind]["outputs"]] if kind in OURS
                   else [[one, one] for one in CORE[kind][1]])
        assert [[slot["name"], slot["type"]] for slot in node["outputs"]] == outputs, kind
        for slot in node["inputs"]:
            assert slot.get("widget", {"name": slot["name"]}) == {"name": slot["name"]}
            open_end = slot["link"] is None and "widget" not in slot
            assert not open_end or slot["name"] in optional, (kind, slot["name"])
        assert node["properties"]["Node name for S&R"] == kind
        assert node["properties"]["cnr_id"] == (
            "learnable-regions" if kind in OURS else "comfy-core")
        assert node["properties"]["ver"]
        widgets_of(node)


@each_workflow
def test_one_prompt_serves_the_sampler_and_the_loss(path: Path) -> None:
    prompt = as_prompt(load(path))
    loss = next(n for n in prompt.values() if n["class_type"].endswith("_ClipRegionLoss"))
    edit = next(n for n in prompt.values() if n["class_type"].endswith("_RegionInpaintOptimize"))
    positive = prompt[edit["inputs"]["positive"][0]]
    assert positive["inputs"]["text"] == loss["inputs"]["editing_prompt"]
    generator = prompt[edit["inputs"]["generator"][0]]
    assert generator["inputs"]["image"] == edit["inputs"]["image"]


@each_workflow
def test_models_to_fetch_are_the_ones_chosen(path: Path) -> None:
    for node in running(load(path)):
        for model in node["properties"].get("models", []):
            assert model["name"] in node["widgets_values"]
            assert model["url"].startswith("https://huggingface.co/")
            assert model["url"].endswith("/" + model["name"])
            assert model["directory"]
        assert node["type"] != "CheckpointLoaderSimple" or node["properties"]["models"]


def test_the_demo_in_api_form_is_the_demo() -> None:
    api = load(HERE / "demo_api.json")
    shown = as_prompt(load(PACK / "workflows" / "learnable_regions_demo.json"))
    assert {key: {"class_type": node["class_type"], "inputs": node["inputs"]}
            for key, node in api.items()} == shown


def widget_specs(cls: Any) -> dict[str, tuple]:
    """A node class's widgets in order, as ComfyUI describes them to the front end."""
    inputs = cls.INPUT_TYPES()
    specs = {**inputs.get("required", {}), **inputs.get("optional", {})}
    return {name: (spec[0], spec[1] if len(spec) > 1 else {}) for name, spec in specs.items()
            if isinstance(spec[0], list) or spec[0] in WIDGETS}


@each_workflow
def test_widget_values_fit_comfyuis_schemas(comfy: Comfy, path: Path) -> None:
    for node in running(load(path)):
        kind = node["type"]
        if kind not in comfy.nodes.NODE_CLASS_MAPPINGS:
            assert kind in CORE  # the extra nodes are loaded by the server alone
            continue
        specs = widget_specs(comfy.nodes.NODE_CLASS_MAPPINGS[kind])
        extra = sum(bool(fields.get("control_after_generate")) + bool(fields.get("image_upload"))
                    for _, fields in specs.values())
        assert len(node["widgets_values"]) == len(specs) + extra, kind
        values = widgets_of(node)
        assert list(values) == list(specs), kind
        linked = {slot["name"] for slot in node["inputs"] if slot["link"] is not None}
        for name, (one, fields) in specs.items():
            value = values[name]
            options = one if isinstance(one, list) else fields.get("options")
            if kind in OURS and options and "download: " not in str(value):
                assert value in options, (kind, name, value)
            if one in ("INT", "FLOAT") and name not in linked:
                assert fields["min"] <= value <= fields["max"], (kind, name, value)
                assert isinstance(value, int) or one == "FLOAT", (kind, name, value)
