"""Odder things at the sockets: texts of two encoders, hints that are none, folders that cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from .conftest import Comfy
from .parts import demo_parts, picture, take, tiny_graph, words
from .test_sockets import told


def test_a_picture_in_8_bit_floats(comfy: Comfy) -> None:
    run = comfy.run(tiny_graph(comfy, picture(64, 80).to(torch.float8_e4m3fn)))
    assert run.success, run.messages


def width_of(comfy: Comfy) -> int:
    return demo_parts(comfy)["model"].model.model_config.unet_config["context_dim"]


def test_texts_of_two_encoders_combined(comfy: Comfy) -> None:
    graph, width = tiny_graph(comfy), width_of(comfy)
    take(comfy, graph, "edit.positive", words(width) + words(width + 8))
    assert f"the positive conditioning is {width + 8} wide and the MODEL" in told(comfy, graph, "edit")


def test_hints_that_are_none(comfy: Comfy) -> None:
    graph = tiny_graph(comfy)
    plain = comfy.run(graph)
    nothing = {"mask": None, "control": None, "gligen": None, "hooks": None, "area": None, "start_percent": None}
    text, options = words(width_of(comfy))[0]
    for socket in ("edit.positive", "edit.negative"):
        take(comfy, graph, socket, [[text, {**options, **nothing}]])
    run = comfy.run(graph)
    assert plain.success
    assert run.success, run.messages


def test_a_text_that_never_applies(comfy: Comfy) -> None:
    """As Conditioning (Set Timestep Range) makes it; core's KSampler runs it, too."""
    graph = tiny_graph(comfy)
    never = [[words(width_of(comfy))[0][0], {"start_percent": 0.5, "end_percent": 0.5}]]
    take(comfy, graph, "edit.positive", never)
    run = comfy.run(graph)
    assert run.success, run.messages


def test_a_model_folder_that_cannot_be_read_is_as_if_it_were_empty(
    comfy: Comfy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import folder_paths

    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    wrong = [str(loop), str(tmp_path / ("x" * 300)), str(tmp_path / "none")]
    good = tmp_path / "good"
    (good / "mine").mkdir(parents=True)
    (good / "mine" / "config.json").write_text("{}")
    (good / "loop").symlink_to(good / "loop")
    monkeypatch.setattr(folder_paths, "get_folder_paths", lambda _kind: [*wrong, str(good)])
    assert list(comfy.part("nodes.loaders")._local("dino")) == ["mine"]


def test_links_in_a_circle_below_the_folder_of_generators(
    comfy: Comfy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import folder_paths

    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    monkeypatch.setattr(folder_paths, "get_folder_paths", lambda _kind: [str(tmp_path)])
    node = comfy.part("nodes.learned").SaveLearnedGenerator
    assert "is a link that leads nowhere" in node.validate_inputs(filename_prefix="loop/x")
