"""A film's frames: what is kept of them is at most three times the batch, and nothing else is held."""

from __future__ import annotations

import gc
import weakref
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from region_core.cost import Cost

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


def result_of(frame: torch.Tensor, settings: Any) -> Any:
    edits = [
        SimpleNamespace(image=frame * share, box=(10, 10, 90, 90), score=0.5, deciding=0.5, parts={}, improves=True)
        for share in (0.9, 0.8)
    ]
    mask = torch.zeros(1, 1, HEIGHT, WIDTH)
    mask[..., 10:90, 10:90] = 1
    return SimpleNamespace(
        image=edits[0].image,
        mask=mask,
        candidates=edits,
        box=(10, 10, 90, 90),
        score=0.5,
        source_score=0.4,
        tried_boxes=torch.tensor([[10.0, 10.0, 90.0, 90.0]]),
        rounds=[],
        verdict="edited",
        reason="",
        unet_evaluations=2.0,
        caption="a red circle",
        prompt="a blue square",
        cost=Cost(unet_evaluations=2.0),
        seconds=0.1,
        seed=1,
        settings=settings,
        generator=None,
        relevance=torch.zeros(1, 1, HEIGHT, WIDTH),
        presence=5.0,
        stopped="",
    )


def results_of(comfy: Comfy, count: int) -> tuple[Any, torch.Tensor, list[Any]]:
    part = comfy.part
    frames = picture(HEIGHT, WIDTH, count=count)
    settings = part("region_core.settings").preset("fast")
    results, watched = part("nodes.results").Results(frames, []), []
    for index in range(count):
        core = part("nodes.common").to_core(frames[index : index + 1])
        result = result_of(core, settings)
        watched += [weakref.ref(result.candidates[1].image), weakref.ref(core)]
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
    assert torch.equal(edited, frames * 0.9)
    assert torch.equal(ranked, edited)


@pytest.mark.parametrize("count", [1, 3])
def test_of_few_pictures_all_finished_edits_are_there(comfy: Comfy, count: int) -> None:
    results, frames, _ = results_of(comfy, count)
    outputs = results.outputs().args
    assert len(outputs[3]) == 2 * count
    torch.testing.assert_close(outputs[3][0::2], frames * 0.9)
    torch.testing.assert_close(outputs[3][1::2], frames * 0.8)
    assert outputs[4].shape[1] > 320


def test_what_a_generator_keeps_of_many_frames(comfy: Comfy) -> None:
    frames = picture(HEIGHT, WIDTH, count=12)
    node = comfy.part("nodes.region_generator").LearnableRegionGenerator
    with torch.inference_mode():
        made, saliency, drawn = node.execute(
            image=frames, dino=demo_parts(comfy)["dino"], point_number=2, max_window_size=3, seed=1
        ).args
    assert held([saliency, drawn]) <= 1.6 * frames.nbytes
    assert len(made) == len(saliency) == len(drawn) == 12
