"""Region Crop and Region Stitch: regions for any painter, and back."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from .conftest import Comfy
from .parts import take, tiny_graph

CROP, STITCH = ({"class_type": f"LearnableRegions_Region{name}"} for name in ("Crop", "Stitch"))


class Paint:
    """A painter: all of a crop in one colour."""

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "paint"
    CATEGORY = "test"

    @classmethod
    def INPUT_TYPES(cls) -> dict:  # noqa: N802
        return {"required": {"crop": ("IMAGE", {})}}

    def paint(self, crop: torch.Tensor) -> tuple[torch.Tensor]:
        return (torch.ones_like(crop) * crop.new_tensor([1.0, 0.0, 0.0]),)


def graph_of(comfy: Comfy, *, image: torch.Tensor | None = None, kind: str = "recolour", **widgets: Any) -> dict:
    """v0 to v3 what Region Crop gives, v4 and v5 what Region Stitch does, v6 the regions, v7 the source."""
    comfy.nodes.NODE_CLASS_MAPPINGS["TestPaint"] = Paint
    graph = tiny_graph(comfy)
    graph["scene"]["inputs"]["kind"] = kind
    graph["find"] = {
        "class_type": "LearnableRegions_FindRegion",
        "inputs": {"image": ["scene", 0], "dino": ["demo", 3], "scorer": ["demo", 4], "image_caption": ["scene", 1]},
    }
    graph["crop"] = {**CROP, "inputs": {"image": ["scene", 0], "regions": ["find", 0], "size": 128, **widgets}}
    graph["paint"] = {"class_type": "TestPaint", "inputs": {"crop": ["crop", 0]}}
    graph["stitch"] = {**STITCH, "inputs": {"stitch": ["crop", 2], "painted": ["paint", 0]}}
    graph["sink"] = {"class_type": "TestGather", "inputs": {f"v{i}": ["crop", i] for i in range(4)}}
    graph["sink"]["inputs"] |= {"v4": ["stitch", 0], "v5": ["stitch", 1], "v6": ["find", 0], "v7": ["scene", 0]}
    if image is not None:
        for node in ("find", "crop"):
            take(comfy, graph, f"{node}.image", image)
    for name in ("generator", "loss", "edit", "positive", "negative"):
        del graph[name]
    return graph


class Gather:
    """An output node that keeps lists as they come."""

    seen: dict[str, list] = {}
    RETURN_TYPES = ()
    FUNCTION = "keep"
    OUTPUT_NODE = True
    INPUT_IS_LIST = True
    CATEGORY = "test"

    @classmethod
    def INPUT_TYPES(cls) -> dict:  # noqa: N802
        return {"required": {}, "optional": {f"v{i}": ("*",) for i in range(10)}}

    def keep(self, **values: Any) -> dict:
        type(self).seen = values
        return {"ui": {}}


def seen(comfy: Comfy, graph: dict) -> list[list]:
    """The lists at the sink."""
    comfy.nodes.NODE_CLASS_MAPPINGS["TestGather"] = Gather
    comfy.forget()
    run = comfy.run(graph)
    assert run.success, (run.messages, run.problems)
    return [Gather.seen[f"v{i}"] for i in range(8)]


def told(comfy: Comfy, graph: dict) -> str:
    comfy.nodes.NODE_CLASS_MAPPINGS["TestGather"] = Gather
    comfy.forget()
    message = comfy.run(graph).error["exception_message"].strip()
    assert len(message.splitlines()) == 1
    return message


def two_stars(comfy: Comfy) -> torch.Tensor:
    """A scene beside itself: two of the thing, in a picture [1,128,256,4] of which a half shows through."""
    scene = comfy.part("nodes.shapes_demo").ShapesScene.execute(3, "recolour").args[0]
    wide = torch.cat([scene, scene], dim=2)
    return torch.cat([wide, torch.full_like(wide[..., :1], 0.5)], dim=3)


def test_a_painted_crop_comes_back_and_all_else_stays(comfy: Comfy) -> None:
    (crop,), (mask,), _, (found,), (edited,), (shown,), (regions,), (source,) = seen(comfy, graph_of(comfy))
    assert found is True
    assert crop.shape == (1, 128, 128, 3)
    assert mask.shape == (1, 128, 128)
    assert 0 < mask.mean() < 0.9
    region = regions.regions[0][0]
    assert shown.shape == source.shape[:3]
    assert bool((shown[0][region.mask[0, 0] > 0.5] == 1).all()), "the thing is not covered"
    assert torch.equal(edited[shown == 0], source[shown == 0])
    assert 0.2 < (shown == 0).float().mean() < 1
    inside = edited[shown == 1]
    assert inside[:, 0].mean() > 0.6 > 0.4 > inside[:, 1:].mean(), inside.mean(0)
    again = seen(comfy, graph_of(comfy, mask_shape="object", mask_feather_percent=0.0, mask_grow_percent=0.0))
    assert again[5][0].sum() < shown.sum() / 2


def test_all_things_of_a_kind_are_a_list_and_one_picture(comfy: Comfy) -> None:
    image = two_stars(comfy)
    crops, masks, _, _, (edited,), (shown,), (regions,), _ = seen(comfy, graph_of(comfy, image=image, which="all"))
    assert len(crops) == len(masks) == 2
    assert all(crop.shape == (1, 128, 128, 3) for crop in crops)
    assert torch.equal(edited[shown == 0], image[shown == 0])
    assert torch.equal(edited[..., 3], image[..., 3])
    things = [region for region in regions.regions[0] if region.separate][:2]
    for region in things:
        assert bool((shown[0][region.mask[0, 0] > 0.5] == 1).all()), region.box
    left = seen(comfy, graph_of(comfy, image=image, which="leftmost"))
    assert len(left[0]) == 1
    assert not left[5][0][..., 128:].any()
    assert left[5][0][..., :128].any()


def test_every_picture_of_a_batch_is_stitched_into_itself(comfy: Comfy) -> None:
    scene = two_stars(comfy)[:, :, :128, :3]
    bare = scene.flatten(1, 2).median(dim=1).values.expand_as(scene)
    image = torch.cat([scene, bare, scene.flip(2)])
    crops, _, _, (found,), (edited,), (shown,), *_ = seen(comfy, graph_of(comfy, image=image))
    assert len(crops) == 2
    assert found is True
    assert torch.equal(edited[1], image[1])
    assert [bool(one.any()) for one in shown] == [True, False, True]
    assert torch.equal(edited[shown == 0], image[shown == 0])


@pytest.mark.parametrize(
    ("size", "multiple", "side"), [(100, 16, 112), (96, 16, 96), (64, 200, 200), (1, 1, 64), (512, 8, 512)]
)
def test_the_size_is_the_next_multiple(comfy: Comfy, size: int, multiple: int, side: int) -> None:
    (crop,), (mask,), *_ = seen(comfy, graph_of(comfy, size=size, multiple_of=multiple))
    assert crop.shape[1:3] == mask.shape[1:] == (side, side)


def test_size_0_keeps_the_pixels(comfy: Comfy) -> None:
    image = torch.nn.functional.interpolate(two_stars(comfy).movedim(-1, 1), (512, 1024)).movedim(1, -1)
    (crop,), *_, (source,) = seen(comfy, graph_of(comfy, image=image, size=0, multiple_of=16))
    side = crop.shape[1]
    assert side % 16 == 0
    assert side < 512
    windows = image[0, ..., :3].unfold(0, side, 1).unfold(1, side, 1)
    assert bool((windows[..., 0, 0] == crop[0, 0, 0]).all(-1).any())
    corner = (windows[:, :, 0, 0, 0] == crop[0, 0, 0, 0]).nonzero()
    assert any(torch.equal(windows[y, x].movedim(0, -1), crop[0]) for y, x in corner.tolist())


def test_where_nothing_was_found_the_graph_goes_on_and_nothing_changes(comfy: Comfy) -> None:
    (crop,), (mask,), _, (found,), (edited,), (shown,), _, (source,) = seen(comfy, graph_of(comfy, kind="absent"))
    assert found is False
    assert torch.equal(crop, source)
    assert not mask.any()
    assert mask.shape == (1, 128, 128)
    assert torch.equal(edited, source)
    assert not shown.any()


def test_a_picked_region_is_cut_out_whatever_it_is(comfy: Comfy) -> None:
    graph = graph_of(comfy)
    (regions,) = seen(comfy, graph)[6]
    index = next(place for place, region in enumerate(regions.regions[0]) if not region.separate)
    graph["pick"] = {
        "class_type": "LearnableRegions_PickRegion",
        "inputs": {"regions": ["find", 0], "index": index + 1},
    }
    graph["crop"]["inputs"]["regions"] = ["pick", 0]
    *_, (found,), _, (shown,), _, _ = seen(comfy, graph)
    assert found is True
    assert bool((shown[0][regions.regions[0][index].mask[0, 0] > 0.5] == 1).all())


def test_painted_crops_of_another_size_fit_and_of_another_shape_or_number_do_not(comfy: Comfy) -> None:
    graph = graph_of(comfy)
    red = torch.tensor([1.0, 0.0, 0.0]).expand(1, 128, 128, 3)
    want = seen(comfy, graph)[4][0]
    take(comfy, graph, "stitch.painted", red[:, ::2, ::2])
    assert torch.allclose(seen(comfy, graph)[4][0], want, atol=1e-4)
    take(comfy, graph, "stitch.painted", red[:, :60])
    assert "painted picture 1 is 128 x 60 pixels; keep it a square, as its crop is" in told(comfy, graph)
    take(comfy, graph, "stitch.painted", red.expand(3, -1, -1, -1))
    message = told(comfy, graph)
    assert message == "Region Stitch: painted has 3 pictures of 1 crops; give each crop once, painted"
    for wrong, words in (
        (None, "got nothing for painted: connect a picture"),
        ("red", "painted is 'red', not a picture"),
    ):
        take(comfy, graph, "stitch.painted", wrong)
        assert words in told(comfy, graph)
    graph = graph_of(comfy)
    take(comfy, graph, "crop.image", torch.zeros(2, 128, 128, 3))
    assert "the image is 2 of 128 x 128 pixels and the regions was made from 1" in told(comfy, graph)
