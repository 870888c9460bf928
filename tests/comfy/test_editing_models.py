"""Load Editing Models: a checkpoint, what is connected, or the demo's models."""

from __future__ import annotations

import shutil

import pytest

from .conftest import PACK, Comfy
from .parts import demo_parts, take, tiny_graph

WEIGHTS = PACK / "region_core" / "demo" / "weights"
SHAPES = "demo: shapes, nothing to download"


def graph_with(comfy: Comfy, **models: str) -> dict:
    """The demo graph with all models from Load Editing Models, whose outputs are in Load Shapes Demo's order."""
    names = {"dino_name": "download: facebook/dino-vitb8", "clip_name": "download: ViT-B-16-openai.safetensors"}
    graph = tiny_graph(comfy)
    graph["demo"] = {"class_type": "LearnableRegions_LoadEditingModels", "inputs": {**names, **models}}
    return graph


def test_the_demo_is_one_choice(comfy: Comfy) -> None:
    run = comfy.run(graph_with(comfy, models=SHAPES))
    assert run.success, (run.problems, run.messages)


def test_what_is_connected_takes_the_place_of_a_checkpoints(comfy: Comfy) -> None:
    models = comfy.base / "models"
    for kind, part in (("dino", "dino"), ("open_clip", "clip")):
        shutil.copytree(WEIGHTS / part, models / kind / "shapes", dirs_exist_ok=True)
    (models / "checkpoints").mkdir(parents=True, exist_ok=True)
    (models / "checkpoints" / "empty.safetensors").touch()  # reading it would fail
    graph = graph_with(comfy, models="empty.safetensors", dino_name="shapes", clip_name="shapes")
    parts = demo_parts(comfy)
    for name in ("model", "clip", "vae"):
        take(comfy, graph, f"demo.other_{name}", parts[name])
    try:
        run = comfy.run(graph)
        assert run.success, (run.problems, run.messages)
        (models / "checkpoints" / "empty.safetensors").unlink()
        graph["demo"]["inputs"]["models"] = "what is connected"
        run = comfy.run(graph)
        assert run.success, (run.problems, run.messages)
        graph["demo"]["inputs"]["models"] = SHAPES
        message = comfy.run(graph).error["exception_message"]
        assert message.startswith("Load Editing Models: models is 'demo")
        assert "choose a checkpoint" in message
        del graph["demo"]["inputs"]["other_vae"]
        graph["demo"]["inputs"]["models"] = "what is connected"
        message = comfy.run(graph).error["exception_message"]
        assert "not all of MODEL, CLIP and VAE are; connect them, or choose a checkpoint" in message
    finally:
        shutil.rmtree(models / "dino" / "shapes")
        shutil.rmtree(models / "open_clip" / "shapes")
        (models / "checkpoints" / "empty.safetensors").unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("models", "none.safetensors", "models is 'none.safetensors', which is not in models/checkpoints"),
        ("dino_name", "none", "dino_name is 'none', which is not in models/dino"),
    ],
)
def test_a_file_that_is_not_there_is_told_at_its_input(comfy: Comfy, name: str, value: str, sentence: str) -> None:
    folder = comfy.base / "models" / "checkpoints" / "sub"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "empty.safetensors").touch()
    try:  # a name as written on Windows
        run = comfy.run(graph_with(comfy, **{"models": "sub\\empty.safetensors", name: value}))
    finally:
        (folder / "empty.safetensors").unlink()
    errors = {error["extra_info"]["input_name"]: error["details"] for error in run.problems["demo"]["errors"]}
    assert sentence in errors[name]
