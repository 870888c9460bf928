"""The templates in workflows/ and the blueprint: every link, socket and widget fits its node."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ..tools.workflow_painters import PAINTERS
from ..tools.workflows import MADE
from .conftest import Comfy
from .flows import (
    BLUEPRINTS,
    CORE,
    DEMO,
    EDITS,
    OURS,
    PACK,
    PHOTOGRAPH,
    WIDGETS,
    WORKFLOWS,
    as_prompt,
    find,
    inputs_of,
    load,
    outputs_of,
    running,
    widgets_of,
)

each_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
each_edit = pytest.mark.parametrize("path", EDITS, ids=lambda path: path.stem)
each_blueprint = pytest.mark.parametrize("path", BLUEPRINTS, ids=lambda path: path.stem)
# what a workflow chooses: the rest of our widgets are as in a fresh node
CHOSEN = {
    *(
        "models",
        "dino_name",
        "clip_name",
        "preset",
        "preset.per_image_iteration",
        "preset.point_number",
        "point_number",
        "steps",
        "cfg",
        "kind",
        *("edits", "image_caption", "size"),
    ),
    ("LearnableRegions_ShapesScene", "seed"),
}
FILES = {"models", "learned_name"}
OPTIMIZE = "LearnableRegions_RegionInpaintOptimize"
FINDERS = {"LearnableRegions_FindRegion", "LearnableRegions_RegionCrop"}


def test_there_are_workflows() -> None:
    assert len(WORKFLOWS) >= 4
    assert BLUEPRINTS


@pytest.mark.parametrize("name", MADE)
def test_a_workflow_is_what_its_maker_makes(name: str) -> None:
    assert load(PACK / "workflows" / f"{name}.json") == json.loads(json.dumps(MADE[name](name)))


@pytest.mark.parametrize("path", [DEMO, PHOTOGRAPH], ids=lambda path: path.stem)
def test_who_begins_sees_eight_nodes_and_a_note(path: Path) -> None:
    flow = load(path)
    assert len(running(flow)) <= 8
    assert len(flow["nodes"]) - len(running(flow)) <= 1


@each_workflow
def test_results_are_saved_and_a_loss_curve_is_of_the_published_method(path: Path) -> None:
    flow = load(path)
    kinds = {node["id"]: node["type"] for node in flow["nodes"]}
    assert "SaveImage" in kinds.values()
    starts = {(kinds[link[1]], link[2]) for link in flow["links"]}
    curve = ("LearnableRegions_RegionInpaintOptimize", [name for name, _ in outputs_of(OPTIMIZE)].index("loss_curve"))
    assert (curve in starts) == path.stem.startswith("Published")


@pytest.mark.parametrize("name", PAINTERS)
def test_where_nothing_is_found_nothing_is_painted(name: str) -> None:
    """Each result hangs on the switch, or on nothing that paints; the reason is shown."""
    prompt = as_prompt(load(PACK / "workflows" / f"{name}.json"))
    switch = find(prompt, "ComfySwitchNode")
    assert prompt[prompt[switch]["inputs"]["switch"][0]]["class_type"] in FINDERS
    ends = [key for key, node in prompt.items() if not as_input(prompt, key)]
    paints = {"VAEDecode", "SAM3_Detect"}
    for end in ends:
        assert not paints & {prompt[key]["class_type"] for key in behind(prompt, end, but=switch)}, end
    assert paints & {prompt[key]["class_type"] for key in behind(prompt, switch)}
    told = prompt[find(prompt, "PreviewAny")]["inputs"]["source"]
    assert outputs_of(prompt[told[0]]["class_type"])[told[1]][0] == "report"


def as_input(prompt: dict, key: str) -> bool:
    return any(value == key for node in prompt.values() for value, *_ in links_of(node))


def links_of(node: dict) -> list[list]:
    return [value for value in node["inputs"].values() if isinstance(value, list)]


def behind(prompt: dict, key: str, but: str = "") -> set[str]:
    """All that a node's inputs hang on, and not what hangs on another."""
    found = {key}
    for start, _ in links_of(prompt[key]):
        found |= set() if start == but else behind(prompt, start, but)
    return found


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
        assert start["type"] == kind, (start, end, kind)
        assert end["type"] in (kind, "*"), (start, end, kind)
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
        types, optional = inputs_of(node)
        given = {slot["name"]: slot["type"] for slot in node["inputs"]}
        if kind == "ComfySwitchNode":
            assert given.pop("on_true") == given.pop("on_false") == node["outputs"][0]["type"] in ("IMAGE", "MASK")
            continue
        assert given == types, kind
        named = [slot["name"] for slot in node["inputs"] if "widget" in slot]
        assert named == [name for name, one in types.items() if one in WIDGETS], kind
        assert [[slot["name"], slot["type"]] for slot in node["outputs"]] == outputs_of(kind), kind
        for slot in node["inputs"]:
            assert slot.get("widget", {"name": slot["name"]}) == {"name": slot["name"]}
            open_end = slot["link"] is None and "widget" not in slot
            assert not open_end or slot["name"] in optional, (kind, slot["name"])
        assert node["properties"]["Node name for S&R"] == kind
        assert node["properties"]["cnr_id"] == ("learnable-regions" if kind in OURS else "comfy-core")
        assert node["properties"]["ver"]
        widgets_of(node)


@each_edit
def test_one_prompt_serves_the_sampler_and_the_loss(path: Path) -> None:
    prompt = as_prompt(load(path))
    loss = next(n for n in prompt.values() if n["class_type"].endswith("_ClipRegionLoss"))
    edit = next(n for n in prompt.values() if n["class_type"].endswith("_RegionInpaintOptimize"))
    positive = prompt[edit["inputs"]["positive"][0]]
    assert positive["inputs"]["text"] == loss["inputs"]["editing_prompt"]
    source = prompt[edit["inputs"]["generator"][0]] if "generator" in edit["inputs"] else prompt[finder(prompt)]
    assert source["inputs"]["image"] == edit["inputs"]["image"]


def finder(prompt: dict) -> str:
    """The Find Region by Text node, whose caption is the loss's."""
    found, loss = (find(prompt, kind) for kind in ("FindRegion", "ClipRegionLoss"))
    assert prompt[found]["inputs"]["image_caption"] == prompt[loss]["inputs"]["image_caption"]
    return found


LOADERS = {"CheckpointLoaderSimple", "UNETLoader", "CLIPLoader", "DualCLIPLoader", "VAELoader", "LoraLoaderModelOnly"}
FILES_END = (".safetensors", ".ckpt")


def check_models(nodes: list[dict]) -> None:
    """What the missing-model dialog offers is what the loaders are set to."""
    for node in nodes:
        models = node["properties"].get("models", [])
        assert bool(models) == (node["type"] in LOADERS) or node["type"].endswith("LoadEditingModels")
        for model in models:
            assert model["name"] in node["widgets_values"]
            assert model["url"].startswith("https://huggingface.co/")
            assert "/resolve/" in model["url"]
            assert model["url"].endswith("/" + model["name"])
            assert model["directory"]
        wanted = [
            value
            for value in map(str, node["widgets_values"])
            if value.endswith(FILES_END) and not value.startswith("download: ")
        ]
        if node["type"] in LOADERS:
            assert [model["name"] for model in models] == wanted


@each_workflow
def test_models_to_fetch_are_the_ones_chosen(path: Path) -> None:
    check_models(running(load(path)))


def widget_specs(cls: Any, values: list) -> dict[str, tuple]:
    """A node class's widgets in order, as ComfyUI describes them to the front end, with those that the first of
    `values` shows."""
    inputs = cls.INPUT_TYPES()
    specs = {}
    for name, spec in {**inputs.get("required", {}), **inputs.get("optional", {})}.items():
        fields = spec[1] if len(spec) > 1 else {}
        if spec[0] == "COMFY_DYNAMICCOMBO_V3":
            options = {one["key"]: one["inputs"] for one in fields["options"]}
            specs[name] = ("COMBO", {"options": list(options)})
            for group in options[values[0]].values():
                specs.update({f"{name}.{key}": (more[0], more[1]) for key, more in group.items()})
        elif isinstance(spec[0], list) or spec[0] in WIDGETS:
            specs[name] = (spec[0], fields)
    return specs


@pytest.mark.parametrize("path", [*WORKFLOWS, *BLUEPRINTS], ids=lambda path: path.stem)
def test_widget_values_fit_comfyuis_schemas(comfy: Comfy, path: Path) -> None:
    flow = load(path)
    inside = [graph["nodes"] for graph in flow.get("definitions", {}).get("subgraphs", [])]
    for node in [n for nodes in inside for n in nodes] or running(flow):
        kind = node["type"]
        if kind not in comfy.nodes.NODE_CLASS_MAPPINGS:
            assert kind in CORE  # the extra nodes are loaded by the server alone
            continue
        specs = widget_specs(comfy.nodes.NODE_CLASS_MAPPINGS[kind], node["widgets_values"])
        extra = sum(
            bool(fields.get("control_after_generate")) + bool(fields.get("image_upload"))
            for _, fields in specs.values()
        )
        assert len(node["widgets_values"]) == len(specs) + extra, kind
        values = widgets_of(node)
        assert list(values) == list(specs), kind
        linked = {slot["name"] for slot in node["inputs"] if slot["link"] is not None}
        for name, (one, fields) in specs.items():
            value = values[name]
            if kind in OURS and name not in linked and not {name, (kind, name)} & CHOSEN:
                assert value == fields.get("default", (fields.get("options") or one)[0]), (kind, name)
            options = one if isinstance(one, list) else fields.get("options")
            if kind in OURS and options and "download: " not in str(value) and name not in FILES:
                assert value in options, (kind, name, value)
            if one in ("INT", "FLOAT") and name not in linked:
                assert fields["min"] <= value <= fields["max"], (kind, name, value)
                assert isinstance(value, int) or one == "FLOAT", (kind, name, value)


def test_what_a_workflow_downloads_stays_in_the_list_when_it_is_there(
    comfy: Comfy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or the front end would report a missing model each time the workflow is opened again."""
    loaders = comfy.part("nodes.loaders")
    folders = comfy.part("nodes.loaders").folder_paths.folder_names_and_paths
    for kind in ("dino", "open_clip"):  # other tests put models of their own into the shared ones
        monkeypatch.setitem(folders, kind, ([str(tmp_path / kind)], folders[kind][1]))
    dino = tmp_path / "dino" / "dino-vitb8"
    clip = tmp_path / "open_clip" / "ViT-B-16-openai.safetensors"
    for file in (dino / "config.json", clip):
        file.parent.mkdir(parents=True)
        file.touch()
    options = {
        kind: node.define_schema().inputs[0].options
        for kind, node in (
            ("LearnableRegions_LoadDinoEncoder", loaders.LoadDinoEncoder),
            ("LearnableRegions_LoadClipScorer", loaders.LoadClipScorer),
        )
    }
    assert dino.name in options["LearnableRegions_LoadDinoEncoder"]
    assert clip.name in options["LearnableRegions_LoadClipScorer"]
    chosen = [
        (node["type"], node["widgets_values"][0])
        for path in WORKFLOWS
        for node in load(path)["nodes"]
        if node["type"] in options
    ]
    assert chosen
    assert all(name in options[kind] for kind, name in chosen)


def test_a_linked_name_that_is_none_is_one_sentence(comfy: Comfy) -> None:
    for kind, option in (("LoadDinoEncoder", "dino_name"), ("LoadClipScorer", "clip_name")):
        with pytest.raises(Exception, match=f"{option} is 'none'.* put it there or choose"):
            getattr(comfy.part("nodes.loaders"), kind).execute("none", *[256] * (kind[4] == "D"))
