"""Find Region by Text with another finder's boxes and masks."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from .conftest import Comfy
from .parts import take, tiny_graph

EMPTY = {"x": 2, "y": 2, "width": 9, "height": 9}


def found(comfy: Comfy, detections: Any, *, only: bool = False, image: torch.Tensor | None = None) -> Any:
    """What the node gives for a scene, by its place; None at detections leaves them out."""
    graph = tiny_graph(comfy)
    graph["find"] = {
        "class_type": "LearnableRegions_FindRegion",
        "inputs": {"image": ["scene", 0], "dino": ["demo", 3], "scorer": ["demo", 4], "image_caption": ["scene", 1]},
    }
    graph["find"]["inputs"]["detections_only"] = only
    if detections is not None:
        take(comfy, graph, "find.detections", detections)
    if image is not None:
        take(comfy, graph, "find.image", image)
    graph["sink"]["inputs"] = {f"v{i}": ["find", i] for i in range(8)} | {"v8": ["scene", 0]}
    comfy.forget()
    return comfy.run(graph)


@pytest.fixture(scope="module")
def thing(comfy: Comfy) -> Any:
    """The run without detections."""
    run = found(comfy, None)
    assert run.success, run.messages
    return run


def boxes_of(run: Any, picture: int = 0) -> list[tuple[int, int, int, int]]:
    assert run.success, run.messages
    return [region.box for region in run.seen["v0"].regions[picture]]


def test_boxes_alone_are_ranked_by_what_the_caption_says(comfy: Comfy, thing: Any) -> None:
    box = thing.seen["v3"]
    x, y = box["x"], box["y"]
    true = (x, y, x + box["width"], y + box["height"])
    for given in ([EMPTY, box], [[EMPTY, {**box, "label": "star", "score": 0.3}]]):
        alone = boxes_of(found(comfy, given, only=True))
        assert len(alone) <= 2
        assert all(abs(a - b) <= 2 for a, b in zip(alone[0], true, strict=True)), (alone, true)
    for given in (EMPTY, [EMPTY], [[EMPTY]]):
        (one,) = boxes_of(found(comfy, given, only=True))
        assert all(abs(a - b) <= 2 for a, b in zip(one, (2, 2, 11, 11), strict=True)), one
    beside = boxes_of(found(comfy, EMPTY))
    assert len(beside) > 1
    assert beside[0] == boxes_of(thing)[0]


def test_masks_are_detections_too(comfy: Comfy, thing: Any) -> None:
    masks = torch.zeros(2, 128, 128)
    masks[0, 2:11, 2:11] = 1
    masks[1] = thing.seen["v1"][0]
    run = found(comfy, masks, only=True)
    assert len(boxes_of(run)) <= 2
    difference = (run.seen["v1"][0] - masks[1]).abs().sum() / masks[1].sum()
    assert difference < 0.3, difference
    small = torch.nn.functional.interpolate(masks[None], (64, 64))[0]
    assert boxes_of(found(comfy, small[0], only=True)) == boxes_of(found(comfy, masks[:1], only=True))


@pytest.mark.parametrize("none", [[], [[]], {**EMPTY, "width": 0}, torch.zeros(1, 64, 64)])
def test_no_detections_change_nothing(comfy: Comfy, thing: Any, none: Any) -> None:
    run = found(comfy, none, only=True)
    assert boxes_of(run) == boxes_of(thing)
    assert torch.equal(run.seen["v1"], thing.seen["v1"])


def test_each_picture_of_a_batch_has_its_own(comfy: Comfy, thing: Any) -> None:
    two = thing.seen["v8"].expand(2, -1, -1, -1)
    box = {name: int(value) for name, value in thing.seen["v3"].items()}
    run = found(comfy, [[EMPTY], [box]], only=True, image=two)
    first, second = boxes_of(run, 0), boxes_of(run, 1)
    assert len(first) == len(second) == 1
    assert first != second
    masks = torch.zeros(2, 128, 128)
    masks[0, 2:11, 2:11] = 1
    masks[1] = thing.seen["v1"][0]
    assert boxes_of(found(comfy, masks, only=True, image=two)) == first
    for shared in (EMPTY, [EMPTY], masks[:1]):
        run = found(comfy, shared, only=True, image=two)
        assert boxes_of(run, 0) == boxes_of(run, 1) == first
    message = found(comfy, [[], [], []], image=two).error["exception_message"]
    assert "detections has boxes of 3 pictures and the image 2; give one list, or one a picture" in message
    message = found(comfy, masks[[0, 1, 1]], image=two).error["exception_message"]
    assert "detections has 3 masks and the image 2 pictures" in message


WRONG = [
    (7, "detections is an int, not boxes or masks; connect "),
    ("a box", "detections is a str, not boxes or masks; connect "),
    ([7], "detections has an int where a list of boxes should be; connect "),
    ([{"x": 1, "y": 2}], "which is no box of x, y, width and height; connect "),
    ([{**EMPTY, "x": float("nan")}], "which is no box of x, y, width and height; connect "),
    ([{**EMPTY, "width": -4}], "a box of -4 x 9 pixels; width and height must not be below 0"),
    ([{**EMPTY, "x": 400}], "a box at x 400, y 2, outside the picture of 128 x 128 pixels; detect in this picture"),
    ([EMPTY] * 300, "there are 300 detections in one picture; give the 256 best at most"),
    (torch.ones(300, 4, 4), "there are 300 detections in one picture; give the 256 best at most"),
    (torch.ones(1, 1, 4, 4), "detections has the shape (1, 1, 4, 4); connect MASKs [N, height, width]"),
]


@pytest.mark.parametrize(("given", "words"), WRONG, ids=[words[:40] for _, words in WRONG])
def test_what_are_no_detections_is_one_sentence(comfy: Comfy, given: Any, words: str) -> None:
    run = found(comfy, given)
    assert not run.success
    message = run.error["exception_message"].strip()
    assert message.startswith("Find Region by Text: "), message
    assert words in message, message
    assert len(message.splitlines()) == 1


def test_the_box_that_stands_for_nothing_found_is_no_detection(comfy: Comfy, thing: Any) -> None:
    graph = tiny_graph(comfy)
    asked = {"image": ["scene", 0], "dino": ["demo", 3], "scorer": ["demo", 4]}
    graph["first"] = {"class_type": "LearnableRegions_FindRegion", "inputs": {**asked, "image_caption": "a zebra"}}
    more = {"image_caption": ["scene", 1], "detections": ["first", 3], "detections_only": True}
    graph["find"] = {"class_type": "LearnableRegions_FindRegion", "inputs": {**asked, **more}}
    graph["sink"]["inputs"] = {"v0": ["find", 0], "v1": ["first", 5], "v3": ["first", 3]}
    comfy.forget()
    run = comfy.run(graph)
    assert run.seen["v3"] == {"x": 0, "y": 0, "width": 128, "height": 128}
    assert boxes_of(run) == boxes_of(thing)
