"""A workflow as the front end saves it, from nodes, links and frames in columns."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

from ..comfy.flows import SEEDS, WIDGETS, inputs_of, outputs_of

GAP, PAD, HEAD = 64, 20, 84  # between nodes, beside them, and above the first of a frame
COLOURS = {"models": "#3f789e", "texts": "#8A8", "work": "#b06634"}
PICTURES = {"LoadImage": 250, "PreviewImage": 290, "SaveImage": 290, "MaskPreview": 290}
TEXTS = {"PreviewAny": 150, "CLIPTextEncode": 76, "TextEncodeQwenImageEditPlus": 100, "SAM3_Detect": 40}
TEXTS["LearnableRegions_EditSeveralRegions"] = 220  # lines, also while the classic renderer shows what is painted
TEXTS["LearnableRegions_FindRegion"] = 220  # what is found, in the classic renderer
Link = tuple["Node", str]  # a node and the name of its output


class Node:
    """A node and where its inputs come from; an input that is no link is a widget's value."""

    def __init__(self, kind: str, title: str = "", /, *, wide: int = 340, **inputs: Any) -> None:
        self.kind, self.title, self.width = kind, title, wide
        self.links: dict[str, Link] = {name: value for name, value in inputs.items() if isinstance(value, tuple)}
        self.widgets = {name: value for name, value in inputs.items() if name not in self.links}
        self.models: list[dict[str, str]] = []
        self.labels: dict[str, str] = {}
        self.number, self.place = 0, (0, 0)
        types = inputs_of(self.as_chosen())[0]
        named = [name for name, kind in types.items() if kind in WIDGETS]
        unknown = {*self.links, *self.widgets} - set(types)
        assert not unknown, (kind, unknown)
        rows = max(len(types) - len(named), len(outputs_of(kind)))
        tall = sum(24 * (2 if name in SEEDS else 1) for name in named)
        badge = 28 if kind.startswith("LearnableRegions_") else 0  # the pack's name, below its nodes
        self.height = 20 * rows + tall + 26 + badge + PICTURES.get(kind, 0) + TEXTS.get(kind, 0)

    def __getitem__(self, output: str) -> Link:
        return self, output

    def fetch(self, directory: str, *urls: str) -> Node:
        """Say from where a loader's files may be had."""
        self.models += [{"name": url.rsplit("/", 1)[1], "url": url, "directory": directory} for url in urls]
        return self

    def called(self, widget: str, label: str) -> tuple[Node, str]:
        """A widget for an app, under another name than its own."""
        self.labels[widget] = label
        return self, widget

    def as_chosen(self) -> dict[str, Any]:
        """Kind and first widget, which say what inputs there are."""
        return {"type": self.kind, "widgets_values": list(self.widgets.values()), "inputs": []}


App = tuple[list[tuple[Node, str]], list[Node]]


class Note(Node):
    """A text beside the graph."""

    def __init__(self, title: str, text: str, *, width: int = 340, height: int = 200) -> None:
        self.kind, self.title, self.width, self.height = "MarkdownNote", title, width, height
        self.links, self.models, self.number, self.place = {}, [], 0, (0, 0)
        self.widgets = {"": text}


class Frame:
    """Nodes below each other under a title; `room` is what is left free below them."""

    def __init__(self, title: str, colour: str, nodes: list[Node], *, room: int = 0) -> None:
        self.title, self.colour, self.nodes, self.room = title, COLOURS[colour], nodes, room


def workflow(name: str, columns: list[list[Frame | Note]], app: App | None = None) -> dict:
    """The file's content. `app` is what ComfyUI's app mode shows: widgets to be set and nodes whose results are."""
    nodes, frames, left = [], [], 0
    for column in columns:
        top, wide = 0, 0
        for part in column:
            width = part.width if isinstance(part, Note) else max(node.width for node in part.nodes) + 2 * PAD
            if isinstance(part, Note):
                part.place = (left, top)
                nodes.append(part)
                top += part.height + 40
            else:
                y = top + HEAD
                for node in part.nodes:
                    node.place = (left + PAD, y)
                    y += node.height + GAP
                    nodes.append(node)
                height = y - GAP + PAD + part.room - top
                frames.append(_frame(len(frames) + 1, part, [left, top, width, height]))
                top += height + 40
            wide = max(wide, width)
        left += wide + 60
    for number, node in enumerate(nodes, 1):
        node.number = number
    links, saved = _linked(nodes)
    extra: dict[str, Any] = {"ds": {"scale": 0.6, "offset": [40, 60]}, "workflowRendererVersion": "LG"}
    if app is not None:
        widgets, results = app
        data = {"inputs": [[one.number, key] for one, key in widgets], "outputs": [one.number for one in results]}
        extra |= {"linearMode": True, "linearData": data}
    return {
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"learnable-regions/{name}")),
        "revision": 0,
        "last_node_id": len(nodes),
        "last_link_id": len(links),
        "nodes": saved,
        "links": links,
        "groups": frames,
        "config": {},
        "extra": extra,
        "version": 0.4,
    }


def _frame(number: int, part: Frame, bounding: list[int]) -> dict[str, Any]:
    return {"id": number, "title": part.title, "bounding": bounding, "color": part.colour, "font_size": 24, "flags": {}}


def _linked(nodes: list[Node]) -> tuple[list[list], list[dict]]:
    """All links, and the nodes as they are saved."""
    links: list[list] = []
    saved = {node: _saved(node) for node in nodes}
    for node in nodes:
        for place, slot in enumerate(saved[node]["inputs"]):
            if slot["name"] not in node.links:
                continue
            source, output = node.links[slot["name"]]
            outputs = saved[source]["outputs"]
            start = next(index for index, one in enumerate(outputs) if one["name"] == output)
            if node.kind == "ComfySwitchNode" and slot["type"] == "*":  # it takes on the type of what it switches
                slot["type"] = saved[node]["outputs"][0]["type"] = outputs[start]["type"]
            slot["link"] = len(links) + 1
            outputs[start]["links"] = [*(outputs[start]["links"] or []), slot["link"]]
            links.append([slot["link"], source.number, start, node.number, place, outputs[start]["type"]])
    return links, list(saved.values())


def _saved(node: Node) -> dict[str, Any]:
    core = not node.kind.startswith("LearnableRegions_")
    made: dict[str, Any] = {
        "id": node.number,
        "type": node.kind,
        "pos": list(node.place),
        "size": [node.width, node.height],
        "flags": {},
        "order": node.number - 1,
        "mode": 0,
        "inputs": [],
        "outputs": [],
        **({"title": node.title} if node.title else {}),
        "properties": {},
    }
    if isinstance(node, Note):
        return {**made, "widgets_values": list(node.widgets.values()), "color": "#432", "bgcolor": "#000"}
    types = inputs_of(node.as_chosen())[0]
    made["inputs"] = [
        {
            **{"name": name, "type": kind, **({"widget": {"name": name}} if kind in WIDGETS else {}), "link": None},
            **({"label": node.labels[name]} if name in node.labels else {}),
        }
        for name, kind in types.items()
    ]
    made["outputs"] = [{"name": name, "type": kind, "links": None} for name, kind in outputs_of(node.kind)]
    made["properties"] = {
        "Node name for S&R": node.kind,
        "cnr_id": "comfy-core" if core else "learnable-regions",
        "ver": "0.14.0" if core else "0.1.0",
        **({"models": node.models} if node.models else {}),
    }
    values: list[Any] = []
    for slot in made["inputs"]:
        if "widget" in slot:
            linked = "" if slot["type"] == "STRING" else False
            values.append(linked if slot["name"] in node.links else node.widgets[slot["name"]])
            values += ["fixed"] if slot["name"] in SEEDS else []
    return {**made, "widgets_values": [*values, *(["image"] if node.kind == "LoadImage" else [])]}


def written(path: Path, flow: dict) -> None:
    """Write a workflow as the others are."""
    path.write_text(json.dumps(flow, indent=2, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")
