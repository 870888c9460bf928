"""What a person sees of a template: its picture, room between the nodes, both languages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .flows import WORKFLOWS, load
from .test_workflows import each_edit

each_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
AIR = 30  # a node's title stands above its position


@each_workflow
def test_each_has_a_picture_of_its_size(path: Path) -> None:
    from PIL import Image

    with Image.open(path.with_suffix(".jpg")) as picture:
        assert picture.format == "JPEG"
        assert min(picture.size) >= 256
    assert path.with_suffix(".jpg").stat().st_size < 250_000


@each_workflow
def test_nothing_lies_on_anything_else(path: Path) -> None:
    flow = load(path)
    boxes = [
        (
            node["title"] if "title" in node else node["type"],
            node["pos"][0],
            node["pos"][1] - AIR,
            node["pos"][0] + node["size"][0],
            node["pos"][1] + node["size"][1],
        )
        for node in flow["nodes"]
    ]
    for index, (name, x0, y0, x1, y1) in enumerate(boxes):
        for other, u0, v0, u1, v1 in boxes[:index]:
            assert x1 <= u0 or u1 <= x0 or y1 <= v0 or v1 <= y0, (name, other)
    assert flow["groups"]
    for group in flow["groups"]:
        left, top, width, height = group["bounding"]
        for name, x0, y0, x1, y1 in boxes:  # in it or out of it, never half
            apart = x1 <= left or left + width <= x0 or y1 <= top or top + height <= y0
            assert apart or (left <= x0 and x1 <= left + width and top <= y0 and y1 <= top + height), (
                group["title"],
                name,
            )


@each_edit
def test_frames_have_room_for_the_live_preview(path: Path) -> None:
    flow = load(path)
    node = next(node for node in flow["nodes"] if node["type"].endswith("RegionInpaintOptimize"))
    bottom = max(
        frame["bounding"][1] + frame["bounding"][3]
        for frame in flow["groups"]
        if frame["bounding"][0] <= node["pos"][0] <= frame["bounding"][0] + frame["bounding"][2]
        and frame["bounding"][1] <= node["pos"][1] <= frame["bounding"][1] + frame["bounding"][3]
    )
    assert bottom - node["pos"][1] >= 1050


@each_workflow
def test_what_is_found_is_shown_within_its_node(path: Path) -> None:
    """The classic renderer makes a node larger by what it shows while it runs, over what is below it."""
    for node in load(path)["nodes"]:
        if node["type"].endswith("FindRegion"):
            assert node["size"][1] >= 500


@each_workflow
def test_what_a_workflow_says_is_said_in_chinese_too(path: Path) -> None:
    """The front end has no translation of notes, frames and titles."""
    flow = load(path)
    said = [frame["title"] for frame in flow["groups"]]
    said += [node["title"] for node in flow["nodes"] if "title" in node and ".png" not in node["title"]]
    said += [node["widgets_values"][0] for node in flow["nodes"] if node["type"] == "MarkdownNote"]
    for text in said:
        assert re.search("[a-z]{3}", text), text
        assert re.search("[\u4e00-\u9fff]", text), text
