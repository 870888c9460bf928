"""A device of 8 GB, simulated: the painter has the room that it needs, whatever of ours was there before."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from .conftest import Comfy
from .parts import DEMO_NAMES, demo_parts, take, tiny_graph, watch

GIB = 2**30
DEVICE, REST = torch.device("cpu", 0), torch.device("cpu")  # two devices to ComfyUI, one to torch
PAINTER, ENCODER = 5 * GIB, 2 * GIB  # as ComfyUI is told; not all three fit
LITTLE = 2**20  # bytes: the region generator and what is remembered of a picture


class Small:
    """The device, as ComfyUI asks after it."""

    def __init__(self, management: Any) -> None:
        self.management = management

    def loaded(self) -> list[Any]:
        """The patchers that are there."""
        models = [one.model for one in self.management.current_loaded_models if one.device == DEVICE]
        return [one for one in models if one is not None and one.loaded_size()]

    def free(self, dev: Any = None, torch_free_too: bool = False) -> Any:
        """Bytes that are left."""
        left = 8 * GIB - sum(one.loaded_size() for one in self.loaded()) if dev in (None, DEVICE) else 64 * GIB
        return (left, 0) if torch_free_too else left


@pytest.fixture
def small(comfy: Comfy, monkeypatch: pytest.MonkeyPatch) -> Iterator[Small]:
    """Nothing is loaded before or after."""
    from comfy import model_management

    model_management.unload_all_models()
    comfy.forget()
    device = Small(model_management)
    monkeypatch.setattr(model_management, "get_torch_device", lambda: DEVICE)
    monkeypatch.setattr(model_management, "unet_offload_device", lambda: REST)
    monkeypatch.setattr(model_management, "get_free_memory", device.free)
    monkeypatch.setattr(model_management, "get_total_memory", lambda *_args, **_more: 8 * GIB)
    yield device
    model_management.unload_all_models()
    comfy.forget()


def bytes_of(module: torch.nn.Module) -> int:
    return sum(one.nbytes for one in (*module.parameters(), *module.buffers()))


def modules() -> dict[int, torch.nn.Module]:
    """All modules that are alive and in no other, by id."""
    gc.collect()
    found = [one for one in gc.get_objects() if issubclass(type(one), torch.nn.Module)]
    inner = {id(child) for one in found for child in one.children()}
    return {id(one): one for one in found if id(one) not in inner}


def test_the_painter_has_its_room_and_ours_can_go(comfy: Comfy, small: Small) -> None:
    before = modules()
    parts = demo_parts(comfy)
    encoders = [parts["dino"].patcher, parts["scorer"].patcher]
    parts["model"].size = PAINTER
    for patcher in encoders:
        patcher.size = ENCODER
    at_work: list[tuple[list[Any], float]] = []

    def look(_x: torch.Tensor) -> None:
        there = small.loaded()
        assert any(one.is_clone(parts["model"]) and one.loaded_size() == PAINTER for one in there)
        at_work.append(([one for one in there if one in encoders], small.free()))

    things = {**parts, "model": watch(parts["model"], look)}
    graph = tiny_graph(comfy, steps=4)
    del graph["demo"]
    for name, node in list(graph.items()):
        for socket, link in list(node["inputs"].items()):
            if isinstance(link, list) and link[0] == "demo":
                take(comfy, graph, f"{name}.{socket}", things[DEMO_NAMES[link[1]]])
    run = comfy.run(graph)
    assert run.success, run.messages
    assert len(at_work) > 2
    for encoder_beside_it, left in at_work:
        assert len(encoder_beside_it) < 2, "both encoders kept the painter from its room"
        assert left >= small.management.minimum_inference_memory()

    # all of ours that is alive now is under ComfyUI's memory manager, or of next to no size
    managed = [parts[name].patcher for name in ("clip", "vae", "dino", "scorer")] + [parts["model"]]
    known = {id(one) for patcher in managed for one in patcher.model.modules()}
    stray = [one for number, one in modules().items() if number not in before and number not in known]
    assert sum(bytes_of(one) for one in stray) < LITTLE, stray
    for patcher in encoders:  # and it goes where it is told to
        small.management.load_models_gpu([patcher])
    small.management.free_memory(1e32, DEVICE)
    assert small.loaded() == []
    assert [patcher.loaded_size() for patcher in encoders] == [0, 0]
