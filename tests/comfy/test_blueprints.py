"""The blueprint in subgraphs/: what it shows is joined to what is inside."""

from __future__ import annotations

from pathlib import Path

import pytest

from .flows import BLUEPRINTS, inputs_of, load, outputs_of, widgets_of
from .test_workflows import check_models

each_blueprint = pytest.mark.parametrize("path", BLUEPRINTS, ids=lambda path: path.stem)


@each_blueprint
def test_a_blueprint_joins_what_it_shows_to_what_is_inside(path: Path) -> None:
    flow = load(path)
    (outer,), (graph,) = flow["nodes"], flow["definitions"]["subgraphs"]
    assert outer["type"] == graph["id"]
    assert graph["name"] == outer["title"] == path.stem
    assert [(slot["name"], slot["type"]) for slot in outer["inputs"]] == [
        (slot["name"], slot["type"]) for slot in graph["inputs"]
    ]
    assert [(slot["name"], slot["type"]) for slot in outer["outputs"]] == [
        (slot["name"], slot["type"]) for slot in graph["outputs"]
    ]
    inner = {node["id"]: node for node in graph["nodes"]}
    assert {"image", "image_caption", "editing_prompt"} <= {s["name"] for s in graph["inputs"]}
    links = {link["id"]: link for link in graph["links"]}
    assert len(links) == len(graph["links"])
    for link in links.values():
        start = (graph["inputs"] if link["origin_id"] == -10 else inner[link["origin_id"]]["outputs"])[
            link["origin_slot"]
        ]
        end = (graph["outputs"] if link["target_id"] == -20 else inner[link["target_id"]]["inputs"])[
            link["target_slot"]
        ]
        assert start["type"] == end["type"] == link["type"]
        assert link["id"] in (start["linkIds"] if "linkIds" in start else start["links"])
        assert link["id"] in end.get("linkIds", [end.get("link")])
    for node in graph["nodes"]:
        types, optional = inputs_of(node)
        assert {slot["name"]: slot["type"] for slot in node["inputs"]} == types
        assert [[s["name"], s["type"]] for s in node["outputs"]] == outputs_of(node["type"])
        for slot in node["inputs"]:
            assert slot["link"] is None or slot["link"] in links
            open_end = slot["link"] is None and "widget" not in slot
            assert not open_end or slot["name"] in optional, (node["type"], slot["name"])
        widgets_of(node)
    for number, widget in outer["properties"]["proxyWidgets"]:
        assert widget in {slot["name"] for slot in inner[int(number)]["inputs"]}
    check_models(graph["nodes"])


@each_blueprint
def test_a_blueprint_names_no_file_that_a_fresh_comfyui_lacks(path: Path) -> None:
    """Its widget would be red before anybody has chosen anything."""
    for node in load(path)["definitions"]["subgraphs"][0]["nodes"]:
        files = [value for value in map(str, node["widgets_values"]) if value.endswith((".safetensors", ".ckpt"))]
        assert all(value.startswith("download: ") for value in files), (node["type"], files)
