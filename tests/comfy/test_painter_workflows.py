"""The workflows of other painters, run on random models of their families."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from ..tools.workflow_painters import PAINTERS
from .conftest import Comfy
from .flows import PACK, as_prompt, find, load
from .parts import (
    demo_parts,
    take,
    tiny_film_vae,
    tiny_flux,
    tiny_flux2,
    tiny_flux_fill,
    tiny_qwen_image,
    tiny_unet,
    tiny_vae,
    watch,
    words,
)

EXTRAS = ("flux", "qwen", "edit_model", "logic", "custom_sampler", "model_advanced", "mask", "preview_any", "sam3")
SIDE = 64  # pixels of a crop
PAINTING = [name for name in PAINTERS if name.startswith("Paint")]


class Words:
    """A CLIP that says the same to every text."""

    def __init__(self, pooled: int) -> None:
        self.pooled = pooled

    def tokenize(self, text: str, **more: Any) -> str:
        return text

    def encode_from_tokens_scheduled(self, tokens: str, **more: Any) -> list:
        return words(pooled=self.pooled)


class Outlines(torch.nn.Module):
    """What SAM3_Detect asks of a MODEL's insides: here the outline is the box that it is asked about."""

    def __init__(self) -> None:
        super().__init__()
        self.boxes: list[list[int]] = []

    def forward_segment(self, frame: torch.Tensor, box_inputs: Any = None, mask_inputs: Any = None) -> torch.Tensor:
        if mask_inputs is not None:
            return mask_inputs
        x0, y0, x1, y1 = (box_inputs.flatten() * 128 / frame.shape[-1]).round().int().tolist()
        self.boxes.append([x0, y0, x1, y1])
        drawn = torch.full((1, 1, 128, 128), -1.0)
        drawn[..., y0:y1, x0:x1] = 1
        return drawn


class Outliner(torch.nn.Module):
    """The model of such a MODEL."""

    def __init__(self) -> None:
        super().__init__()
        self.diffusion_model = Outlines()

    def get_dtype(self) -> torch.dtype:
        return torch.float32


# of each: its model, its VAE, how wide the pooled words are
FAMILIES: dict[str, tuple[Callable[[], Any], Callable[[], Any], int]] = {
    "Paint with Flux Fill": (tiny_flux_fill, lambda: tiny_vae(16), 24),
    "Paint with Flux Kontext": (tiny_flux, lambda: tiny_vae(16), 24),
    "Paint with Flux.2 Klein": (tiny_flux2, lambda: tiny_vae(128, 16), 24),
    "Paint with Qwen-Image-Edit": (tiny_qwen_image, tiny_film_vae, 0),
    "Paint with SDXL Inpainting": (lambda: tiny_unet("SDXL", 9), tiny_vae, 1280),
    "Paint with SD1.5 LCM": (lambda: tiny_unet("SD15", 9), tiny_vae, 0),
}


@pytest.fixture(scope="module")
def extras(comfy: Comfy) -> Iterator[None]:
    """The nodes that the server alone loads."""
    before = dict(comfy.nodes.NODE_CLASS_MAPPINGS)
    for name in EXTRAS:
        file = Path(comfy.root) / "comfy_extras" / f"nodes_{name}.py"
        if not file.is_file():
            pytest.skip(f"this ComfyUI has no {file.name}")
        assert asyncio.run(comfy.nodes.load_custom_node(str(file), module_parent="comfy_extras")), name
    yield
    comfy.nodes.NODE_CLASS_MAPPINGS.clear()
    comfy.nodes.NODE_CLASS_MAPPINGS.update(before)


def graph_of(comfy: Comfy, name: str, parts: dict[str, Any], kind: str) -> dict:
    """A workflow on a scene with the demo's encoders, `parts` (model, clip, vae) for what its loaders give, and its
    result and reason at the sink."""
    prompt = as_prompt(load(PACK / "workflows" / f"{name}.json"))
    demo = demo_parts(comfy)
    image, caption, *_ = comfy.part("nodes.shapes_demo").ShapesScene.execute(3, kind).args
    given = {
        "CheckpointLoaderSimple": (parts.get("model"), parts.get("clip"), parts.get("vae")),
        "UNETLoader": (parts.get("model"),),
        "LoraLoaderModelOnly": (parts.get("model"),),
        "CLIPLoader": (parts.get("clip"),),
        "DualCLIPLoader": (parts.get("clip"),),
        "VAELoader": (parts.get("vae"),),
        "LoadImage": (image,),
        "LearnableRegions_LoadDinoEncoder": (demo["dino"],),
        "LearnableRegions_LoadClipScorer": (demo["scorer"],),
    }
    loaders = {key: given[node["class_type"]] for key, node in prompt.items() if node["class_type"] in given}
    graph = {key: node for key, node in prompt.items() if key not in loaders}
    for key, node in list(graph.items()):
        for socket, value in node["inputs"].items():
            if isinstance(value, list) and value[0] in loaders:
                take(comfy, graph, f"{key}.{socket}", loaders[value[0]][value[1]])
    graph[find(graph, "FindRegion")]["inputs"]["image_caption"] = caption
    for node in graph.values():  # as small as the models
        for widget in {"size", "width", "height"} & set(node["inputs"]):
            node["inputs"][widget] = SIDE
        if node["class_type"] == "KSampler":
            node["inputs"]["steps"] = 2
    saved = graph[find(graph, "SaveImage")]["inputs"]["images"]
    told = graph[find(graph, "PreviewAny")]["inputs"]["source"]
    for kind in ("SaveImage", "PreviewImage", "PreviewAny"):
        del graph[find(graph, kind)]
    graph["sink"] = {"class_type": "TestSink", "inputs": {"v0": saved, "v1": told}}
    take(comfy, graph, "sink.v2", image)
    return graph


def painted(comfy: Comfy, name: str, kind: str) -> tuple[torch.Tensor, torch.Tensor, str, int]:
    """The result, the source, the reason, and how often the model was asked."""
    make, vae, pooled = FAMILIES[name]
    asked: list[tuple[int, ...]] = []
    model = watch(make(), lambda batch: asked.append(tuple(batch.shape)))
    comfy.forget()
    run = comfy.run(graph_of(comfy, name, {"model": model, "clip": Words(pooled), "vae": vae()}, kind))
    assert run.success, (run.messages, run.problems)
    return run.seen["v0"], run.seen["v2"], run.seen["v1"], len(asked)


@pytest.mark.usefixtures("extras")
@pytest.mark.parametrize("name", PAINTING)
def test_a_painter_paints_the_region_that_was_found(comfy: Comfy, name: str) -> None:
    after, before, told, asked = painted(comfy, name, "recolour")
    assert after.shape == before.shape
    assert after.isfinite().all()
    assert asked >= 2
    changed = (after != before).any(dim=-1).float().mean()
    assert 0.01 < changed < 0.9, "outside the region nothing changes"
    assert "likely" in told


@pytest.mark.usefixtures("extras")
@pytest.mark.parametrize("name", PAINTING)
def test_where_nothing_is_found_no_painter_is_asked(comfy: Comfy, name: str) -> None:
    after, before, told, asked = painted(comfy, name, "absent")
    assert torch.equal(after, before)
    assert asked == 0
    assert "nothing in the picture answers to" in told


@pytest.mark.usefixtures("extras")
@pytest.mark.parametrize("kind", ["recolour", "absent"])
def test_sam_3_outlines_in_the_box_that_was_found_and_is_not_asked_otherwise(comfy: Comfy, kind: str) -> None:
    from comfy.model_patcher import ModelPatcher

    cpu = torch.device("cpu")
    model = ModelPatcher(Outliner(), load_device=cpu, offload_device=cpu)
    comfy.forget()
    run = comfy.run(graph_of(comfy, "Mask by SAM 3", {"model": model}, kind))
    assert run.success, (run.messages, run.problems)
    mask = run.seen["v0"][..., 0]
    boxes = model.model.diffusion_model.boxes
    if kind == "absent":
        assert not boxes
        assert not mask.any()
        return
    ((x0, y0, x1, y1),) = boxes
    assert (x1 - x0) * (y1 - y0) < 0.5 * 128 * 128
    assert mask[0, y0:y1, x0:x1].all()
    assert mask.sum() == (x1 - x0) * (y1 - y0)
