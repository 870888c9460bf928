"""A film's frames: what is kept of them is at most three times the batch, and nothing else is held."""

from __future__ import annotations

import dataclasses
import gc
import weakref
from typing import Any

import pytest
import torch

from .conftest import Comfy
from .parts import demo_parts, picture

FRAMES, HEIGHT, WIDTH = 40, 180, 320


def held(values: Any) -> int:
    """Bytes of all memory behind tensors, each counted once."""
    seen = {
        one.untyped_storage().data_ptr(): one.untyped_storage().nbytes()
        for one in values
        if isinstance(one, torch.Tensor)
    }
    return sum(seen.values())


class Dim:
    """A painter that needs no model: what is under the mask gets darker."""

    size = 64

    def __call__(self, pictures: torch.Tensor, masks: torch.Tensor, **_: Any) -> torch.Tensor:
        return pictures * 0.5


def result_of(comfy: Comfy, frame: torch.Tensor) -> Any:
    """Two finished edits of a frame [1,3,H,W], and a region found."""
    part = comfy.part
    settings = part("region_core.settings").preset("standard")
    encoded = part("region_core.encode").EncodedPicture(
        part("region_core.picture").picture_from(frame),
        frame,
        part("region_core.encoders").PatchFeatures(torch.rand(1, 4, 6, 8), torch.rand(1, 6, 8)),
        torch.zeros(1, 4),
        None,
        None,
        "key",
    )
    box = part("region_core.find").Region.from_box
    regions = [box((10, 10, 90, 90), HEIGHT, WIDTH), box((100, 20, 180, 100), HEIGHT, WIDTH)]
    edits = part("region_core.paint").paint_regions(encoded.picture, regions, Dim(), seed=1, tint=False)
    ranked = tuple(dataclasses.replace(edit, score=0.5, rank_score=0.5) for edit in edits)
    found = part("region_core.find").Regions(tuple(regions), "key", "a red circle", torch.rand(1, 1, 6, 8))
    return part("region_core.edit").Edits(
        ranked, encoded, found, settings, "a red circle", "a blue square", tried_boxes=torch.rand(2, 4) * 90
    )


def results_of(comfy: Comfy, count: int) -> tuple[Any, torch.Tensor, list[Any]]:
    part = comfy.part
    frames = picture(HEIGHT, WIDTH, count=count)
    results, watched = part("nodes.results").Results(frames, []), []
    for index in range(count):
        core = part("nodes.common").to_core(frames[index : index + 1])
        result = result_of(comfy, core)
        watched += [weakref.ref(result[1].picture), weakref.ref(core)]
        results.add(core, result)
        del result, core
    return results, frames, watched


def test_what_is_kept_of_many_frames(comfy: Comfy) -> None:
    results, frames, watched = results_of(comfy, FRAMES)
    outputs = results.outputs().args
    gc.collect()
    assert not [ref for ref in watched if ref() is not None], "a frame's edits are held on to"
    edited, mask, boxes, ranked, drawn, curves = outputs[:6]
    assert held(outputs) <= 2.4 * frames.nbytes
    assert len(edited) == len(mask) == len(boxes) == len(drawn) == len(curves) == FRAMES
    assert torch.equal(edited[mask == 0], frames[mask == 0])
    assert not torch.equal(edited, frames)
    assert torch.equal(ranked, edited)


@pytest.mark.parametrize("count", [1, 3])
def test_of_few_pictures_all_finished_edits_are_there(comfy: Comfy, count: int) -> None:
    results, frames, _ = results_of(comfy, count)
    outputs = results.outputs().args
    assert len(outputs[3]) == 2 * count
    first, second = outputs[3][0::2], outputs[3][1::2]
    assert torch.equal(first, outputs[0])
    assert not torch.equal(first[:, 10:90, 10:90], frames[:, 10:90, 10:90])
    assert torch.equal(second[:, 30:90, 10:60], frames[:, 30:90, 10:60])
    assert not torch.equal(second[:, 20:100, 100:180], frames[:, 20:100, 100:180])
    assert outputs[4].shape[1] > 320


def test_what_a_generator_keeps_of_many_frames(comfy: Comfy) -> None:
    frames = picture(HEIGHT, WIDTH, count=12)
    node = comfy.part("nodes.region_generator").LearnableRegionGenerator
    with torch.inference_mode():
        made, saliency, drawn = node.execute(image=frames, dino=demo_parts(comfy)["dino"], max_window_size=3).args
    assert held([saliency, drawn]) <= 1.6 * frames.nbytes
    assert len(made) == len(saliency) == len(drawn) == 12
