"""What is only shown may fail: the edit goes on, the fault is told once, and Cancel still stops it."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import torch

from .conftest import Comfy, Run
from .parts import TINY_PAPER, take, tiny_graph


class Previewer:
    """A previewer of another pack."""

    def __init__(self, answer: Any) -> None:
        self.answer, self.asked = answer, 0

    def decode_latent_to_preview_image(self, _format: str, _x0: Any) -> Any:
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def run_with(comfy: Comfy, monkeypatch: pytest.MonkeyPatch, get_previewer: Any, **widgets: Any) -> Run:
    import latent_preview

    monkeypatch.setattr(latent_preview, "get_previewer", get_previewer)  # as such packs do
    comfy.forget()
    return comfy.run(tiny_graph(comfy, **widgets))


@pytest.mark.parametrize("answer", [None, RuntimeError("no such layer"), ("JPEG", "no picture", 512), (1,)])
def test_a_previewer_that_gives_nothing_or_fails(
    comfy: Comfy, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, answer: Any
) -> None:
    previewer = Previewer(answer)
    with caplog.at_level(logging.WARNING):
        run = run_with(comfy, monkeypatch, lambda *_args, **_more: previewer, steps=3)
    assert run.success, run.messages
    assert previewer.asked == 3
    told = [one for one in caplog.messages if "could not be shown" in one]
    assert len(told) == (answer is not None)


def test_a_previewer_that_cannot_be_had(comfy: Comfy, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_args: Any, **_more: Any) -> Any:
        raise ImportError("another pack's library")

    assert run_with(comfy, monkeypatch, broken).success


def test_a_bar_that_fails(comfy: Comfy) -> None:
    import comfy.utils as utils

    def hook(*_args: Any, **_more: Any) -> None:
        raise OSError("the connection is gone")

    before = utils.PROGRESS_BAR_HOOK
    utils.set_progress_bar_global_hook(hook)
    try:
        comfy.forget()
        assert comfy.run(tiny_graph(comfy)).success
    finally:
        utils.set_progress_bar_global_hook(before)


def test_a_bar_that_cannot_be_had(comfy: Comfy, monkeypatch: pytest.MonkeyPatch) -> None:
    import comfy.utils as utils

    def broken(*_args: Any, **_more: Any) -> Any:
        raise TypeError("another pack's bar takes other values")

    monkeypatch.setattr(utils, "ProgressBar", broken)
    comfy.forget()
    assert comfy.run(tiny_graph(comfy)).success


def test_a_region_is_found_or_not_without_drawings(comfy: Comfy, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import ImageDraw

    def broken(*_args: Any, **_more: Any) -> Any:
        raise OSError("nothing can be drawn")

    comfy.forget()
    scene = comfy.run(tiny_graph(comfy)).seen["v8"]
    monkeypatch.setattr(ImageDraw, "Draw", broken)
    graph = tiny_graph(comfy)
    for name, caption in (("there", ["scene", 1]), ("absent", "a white ring")):
        inputs = {"dino": ["demo", 3], "scorer": ["demo", 4], "image_caption": caption}
        graph[name] = {"class_type": "LearnableRegions_FindRegion", "inputs": inputs}
        take(comfy, graph, f"{name}.image", scene)
    graph["generator"]["inputs"]["loss"] = ["loss", 0]
    take(comfy, graph, "generator.image", scene)
    graph["loss"]["inputs"].update(image_caption="a white ring", editing_prompt="a red circle")
    graph["sink"]["inputs"] = {"v0": ["there", 6], "v1": ["absent", 6], "v2": ["generator", 2], "v3": ["absent", 5]}
    run = comfy.run(graph)
    assert run.success, run.messages
    assert not run.seen["v3"]
    for name in ("v0", "v1", "v2"):
        assert torch.equal(run.seen[name], scene)  # the picture itself


def test_drawings_that_fail_leave_the_pictures(comfy: Comfy, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import ImageFont

    def broken(*_args: Any, **_more: Any) -> Any:
        raise OSError("no font can be read")

    monkeypatch.setattr(ImageFont, "load_default", broken)
    comfy.forget()
    for widgets in ({}, TINY_PAPER):
        run = comfy.run(tiny_graph(comfy, **widgets))
        assert run.success, run.messages
        assert run.seen["v4"].shape[0] == run.seen["v5"].shape[0] == 1
