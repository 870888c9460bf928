"""Cancel at every stage of an edit: it stops there, and leaves everything as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch

from .conftest import Comfy, Run
from .parts import DEMO_NAMES, demo_parts, take, tiny_graph

SOCKETS = {"model": ["edit.model"], "clip": ["positive.clip", "negative.clip"],
           "vae": ["edit.vae"], "dino": ["generator.dino"], "scorer": ["loss.scorer"]}
STEPS = 4


@pytest.fixture(scope="module")
def parts(comfy: Comfy) -> dict[str, Any]:
    """The demo's models, the same objects in every run of this module."""
    return demo_parts(comfy)


class Pressed:
    """Presses Cancel at the n-th time something happens and counts what happens after it."""

    def __init__(self, comfy: Comfy, at: int) -> None:
        self.comfy, self.at, self.count = comfy, at, 0

    def __call__(self, *_: Any) -> None:
        self.count += 1
        if self.count == self.at:
            self.comfy.nodes.interrupt_processing(True)

    @property
    def after(self) -> int:
        return self.count - self.at


@contextmanager
def pressed_at(module: torch.nn.Module, pressed: Pressed) -> Iterator[None]:
    handle = module.register_forward_pre_hook(pressed)
    try:
        yield
    finally:
        handle.remove()


def run_with(comfy: Comfy, parts: dict[str, Any]) -> Run:
    graph = tiny_graph(comfy, steps=STEPS, cfg=2.0, finalists=2, look_steps=2)
    for name in DEMO_NAMES:
        for socket in SOCKETS[name]:
            take(comfy, graph, socket, parts[name])
    return comfy.run(graph)


def weights_of(parts: dict[str, Any]) -> list[torch.Tensor]:
    modules = (parts["model"].model, parts["vae"].first_stage_model,
               parts["clip"].cond_stage_model, parts["dino"].encoder.model,
               parts["scorer"].encoder.model)
    return [w.detach().float().sum() for m in modules for w in m.state_dict().values()]


# where Cancel is pressed: the module that runs, the how many-eth time, how often it may run after
STAGES: dict[str, tuple[Callable[[dict[str, Any]], torch.nn.Module], int, int]] = {
    "DINO reads the picture": (lambda p: p["dino"].encoder.model, 1, 0),
    "CLIP screens the boxes": (lambda p: p["scorer"].encoder.model.visual, 3, 0),
    "the VAE encodes for a look": (lambda p: p["vae"].first_stage_model.vae.encoder, 1, 0),
    "a look is sampled": (lambda p: p["model"].model.diffusion_model, 1, 0),
    "a look is decoded": (lambda p: p["vae"].first_stage_model.vae.decoder, 1, 0),
    "the edit is sampled": (lambda p: p["model"].model.diffusion_model, 4, 0),
}


def test_cancel_stops_at_every_stage_and_the_next_prompt_works(comfy: Comfy,
                                                               parts: dict[str, Any]) -> None:
    comfy.forget()
    want = run_with(comfy, parts)
    assert want.success, want.messages
    random = torch.random.get_rng_state()
    weights = weights_of(parts)
    options = repr(sorted(parts["model"].model_options))
    for stage, (module, at, more) in STAGES.items():
        comfy.forget()
        pressed = Pressed(comfy, at)
        with pressed_at(module(parts), pressed):
            run = run_with(comfy, parts)
        assert not run.success, stage
        events = [event for event, _ in run.messages]
        assert "execution_interrupted" in events, (stage, events)
        assert "execution_error" not in events, (stage, events)
        assert 0 <= pressed.after <= more, (stage, pressed.count)
        assert torch.equal(random, torch.random.get_rng_state()), stage
    again = run_with(comfy, parts)
    assert again.success, again.messages
    assert torch.equal(again.seen["v0"], want.seen["v0"])
    assert torch.equal(again.seen["v3"], want.seen["v3"])
    assert weights_of(parts) == weights
    assert repr(sorted(parts["model"].model_options)) == options
    assert not parts["model"].patches


def test_a_run_tells_looks_and_shows_boxes_and_the_best_so_far(comfy: Comfy,
                                                               parts: dict[str, Any]) -> None:
    from PIL import Image

    comfy.forget()
    seen: list[tuple[int, int, Any]] = []

    def hook(value: int, total: int, preview: Any, node_id: Any = None, **_: Any) -> None:
        if preview is not None:
            seen.append((value, total, preview))

    import comfy.utils as utils

    before = utils.PROGRESS_BAR_HOOK
    utils.set_progress_bar_global_hook(hook)
    try:
        graph = tiny_graph(comfy, per_image_iteration=2, looks_per_round=3, steps=2)
        for name in DEMO_NAMES:
            for socket in SOCKETS[name]:
                take(comfy, graph, socket, parts[name])
        run = comfy.run(graph)
    finally:
        utils.set_progress_bar_global_hook(before)
    assert run.success, run.messages
    first, *rounds, last = seen
    assert first[0] == 0
    assert [(value, total) for value, total, _ in rounds] == [(3, 7), (6, 7)]
    assert last[0] == last[1] == 7
    for kind, preview, side in (one for _, _, one in seen):
        assert kind == "JPEG"
        assert isinstance(preview, Image.Image)
        assert side == 512
    # boxes beside the best: wider than the picture, which is square
    assert first[2][1].width == first[2][1].height
    assert all(one[1].width > 1.5 * one[1].height for _, _, one in rounds)
