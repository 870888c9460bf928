"""What was made of another picture at a node's socket is refused; what another CLIP made is not compared with."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from .conftest import Comfy
from .parts import demo_parts, picture, take, tiny_graph

OTHER = "picture 2 of the image is another than the {} came from; connect the same image to both"


def pictures() -> tuple[torch.Tensor, torch.Tensor]:
    """Two pictures, and two of which the second is another."""
    both = picture(96, 128, count=2)
    other = both.clone()
    other[1, 40, 50] = 1 - other[1, 40, 50]
    return both, other


def found_in(comfy: Comfy, image: torch.Tensor, **optimize: Any) -> dict:
    """The demo graph with Find Region by Text in a batch, for its background."""
    graph = tiny_graph(comfy, image, **optimize)
    graph["find"] = {
        "class_type": "LearnableRegions_FindRegion",
        "inputs": {"dino": ["demo", 3], "scorer": ["demo", 4], "image_caption": "background"},
    }
    take(comfy, graph, "find.image", image)
    return graph


@pytest.mark.parametrize("node", ["generator", "regions"])
def test_one_picture_of_a_batch_is_another(comfy: Comfy, node: str) -> None:
    both, other = pictures()
    graph = found_in(comfy, both)
    take(comfy, graph, "edit.image", other)
    if node == "regions":
        graph["edit"]["inputs"]["regions"] = ["find", 0]
    run = comfy.run(graph)
    assert OTHER.format(node) in run.error["exception_message"]


def test_region_crop_cuts_nothing_out_of_another_picture(comfy: Comfy) -> None:
    both, other = pictures()
    graph = found_in(comfy, both)
    inputs = {"regions": ["find", 0], "size": 128}
    graph["crop"] = {"class_type": "LearnableRegions_RegionCrop", "inputs": inputs}
    graph["sink"]["inputs"] = {"v0": ["crop", 0]}
    take(comfy, graph, "crop.image", other)
    assert OTHER.format("regions") in comfy.run(graph).error["exception_message"]


def test_another_clip_s_encoding_is_not_compared_with(comfy: Comfy) -> None:
    image = picture(96, 128)
    parts = demo_parts(comfy)
    ranked = []
    for turned in (False, True):
        graph = found_in(comfy, image)
        graph["edit"]["inputs"]["regions"] = ["find", 0]
        # the same but for its answers' directions, by which no edit may be ranked otherwise
        scorer = Turned(parts["scorer"]) if turned else parts["scorer"]
        take(comfy, graph, "find.scorer", scorer)
        take(comfy, graph, "loss.scorer", parts["scorer"])
        run = comfy.run(graph)
        assert run.success, run.messages
        ranked.append(run.seen["v6"].split("cost")[0])
    assert ranked[0] == ranked[1]


class Turned:
    """A CLIP that says the opposite."""

    def __init__(self, scorer: Any) -> None:
        self.scorer = scorer

    def __getattr__(self, name: str) -> Any:
        return getattr(self.scorer, name)

    def encode_images(self, images: torch.Tensor) -> torch.Tensor:
        return -self.scorer.encode_images(images)
