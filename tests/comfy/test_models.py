"""One node for the families of models people load; half precision; large pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from .conftest import PACK, Comfy, answer_of
from .parts import (
    NATIVE,
    PeakMemory,
    Shelf,
    picture,
    take,
    tiny_flux_fill,
    tiny_graph,
    tiny_unet,
    tiny_vae,
    watch,
    words,
)

FAMILIES: dict[str, tuple[Callable[[], Any], dict[str, Any]]] = {
    "SD1.5 inpainting": (lambda: tiny_unet("SD15", 9), {}),
    "SD2 inpainting": (lambda: tiny_unet("SD20", 9), {}),
    "SDXL inpainting": (lambda: tiny_unet("SDXL", 9), {"pooled": 1280}),
    "plain SD1.5": (lambda: tiny_unet("SD15", 4), {}),
    "plain SDXL": (lambda: tiny_unet("SDXL", 4), {"pooled": 1280}),
    "Flux Fill": (tiny_flux_fill, {"pooled": 24}),
}


def with_model(
    comfy: Comfy, model: Any, image: torch.Tensor, conditioning: list, channels: int = 4, **optimize: Any
) -> dict:
    graph = tiny_graph(comfy, image, **optimize)
    take(comfy, graph, "edit.model", model)
    take(comfy, graph, "edit.vae", tiny_vae(channels))
    for socket in ("edit.positive", "edit.negative"):
        take(comfy, graph, socket, conditioning)
    return graph


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_edits_through_the_same_node(comfy: Comfy, family: str) -> None:
    make, text = FAMILIES[family]
    seen: list[tuple[int, ...]] = []
    modes: list[bool] = []

    def see(batch: torch.Tensor) -> None:
        seen.append(tuple(batch.shape))
        modes.append(torch.is_inference_mode_enabled())

    image = picture(96, 128)
    channels = 16 if family == "Flux Fill" else 4
    scheduler = {"scheduler": "simple", "sampler_name": "euler"} if channels == 16 else {}
    run = comfy.run(
        with_model(comfy, watch(make(), see), image, words(**text), channels, native_size=NATIVE, **scheduler)
    )
    assert run.success, run.messages
    edited, mask = run.seen["v0"], run.seen["v1"]
    assert edited.shape == image.shape
    assert edited.isfinite().all()
    assert torch.equal(edited[mask == 0], image[mask == 0])
    assert not torch.equal(run.seen["v3"][0], image[0]), "nothing was painted"
    assert {shape[1:] for shape in seen} == {(channels, NATIVE // 8, NATIVE // 8)}
    assert all(modes), "the sampler kept what gradients need"


@pytest.mark.parametrize("family", ["SD1.5 inpainting", "SDXL inpainting", "plain SD1.5", "Flux Fill"])
def test_each_candidate_has_its_own_mask(comfy: Comfy, family: str) -> None:
    make, text = FAMILIES[family]
    conditioning = words(**text)
    one = comfy.part("nodes.comfy.painter").ComfyPainter(
        make(),
        tiny_vae(16 if family == "Flux Fill" else 4),
        conditioning,
        conditioning,
        sampler="euler",
        scheduler="simple",
        size=NATIVE,
    )
    masks = torch.zeros(2, 1, NATIVE, NATIVE)
    masks[0, :, :32, :32] = 1
    masks[1, :, 32:, 32:] = 1
    image = picture(NATIVE, NATIVE).movedim(-1, 1).repeat(2, 1, 1, 1)
    given: dict[str, Any] = {"seed": 1, "steps": 3, "guidance": 2.0, "strength": 1.0}
    both, alone = one(image, masks, **given), one(image[1:], masks[1:], **given)
    assert torch.allclose(both[1:], alone, atol=1e-4)
    assert not torch.allclose(both[0], both[1], atol=1e-3)


def test_a_large_picture_is_edited_in_crops_of_the_models_size(comfy: Comfy) -> None:
    sides: set[tuple[int, int]] = set()
    encoded: set[tuple[int, int]] = set()
    model = watch(tiny_unet("SD15", 9), lambda x: sides.add((x.shape[-2], x.shape[-1])))
    peaks = {}
    # twice the small one: what is taken once and kept is no matter of size
    for height, width in ((192, 256), (192, 256), (1536, 2048)):
        image = picture(height, width)
        graph = with_model(comfy, model, image, words(), native_size=NATIVE)
        inner = Shelf.things["edit.vae"].first_stage_model.encoder
        handle = inner.register_forward_pre_hook(lambda _module, args: encoded.add(tuple(args[0].shape[-2:])))
        with PeakMemory() as peak:
            run = comfy.run(graph)
        handle.remove()
        assert run.success, run.messages
        assert run.seen["v0"].shape == image.shape
        changed = (run.seen["v3"][0] != image[0]).any(dim=-1)
        assert 0 < changed.float().mean() < 1
        peaks[width] = peak.more
    assert sides == {(NATIVE // 8, NATIVE // 8)}
    assert encoded == {(NATIVE, NATIVE)}
    one = 1536 * 2048 * 3 * 4  # bytes of one such picture
    more = (peaks[2048] - peaks[256]) / one
    # seven and a half such pictures were measured, ten with what the small one takes as well; a VAE
    # or a UNet that is given the whole takes forty and more
    assert more < 12, f"{more:.1f} pictures: {peaks[2048] >> 20} MiB, small {peaks[256] >> 20} MiB"


HALF = """
import importlib, json, sys, types
from pathlib import Path

sys.modules["diffusers"] = None  # who edits in ComfyUI need not have it
root, base, pack, *flags = sys.argv[1:]
sys.argv = ["main.py", "--cpu", *flags]
sys.path.insert(0, root)
import comfy.options
comfy.options.enable_args_parsing()
import comfy.cli_args
import torch
package = sys.modules["half"] = types.ModuleType("half")
package.__path__ = [f"{pack}/tests/comfy"]
conftest, parts = (importlib.import_module("half." + name) for name in ("conftest", "parts"))
comfy_ui = conftest.Comfy(Path(root), Path(base))
loaded = parts.demo_parts(comfy_ui)
graph = parts.tiny_graph(comfy_ui, **{**parts.TINY_PAPER, "generator_steps": 20})
for socket, name in (("edit.model", "model"), ("edit.vae", "vae"), ("positive.clip", "clip"),
                     ("negative.clip", "clip")):
    parts.take(comfy_ui, graph, socket, loaded[name])
run = comfy_ui.run(graph)
assert run.success, run.messages
edited, mask, source = (run.seen[key] for key in ("v0", "v1", "v8"))
print(json.dumps({
    "unet": str(loaded["model"].model_dtype()),
    "vae": str(loaded["vae"].vae_dtype),
    "text": str(next(p.dtype for n, p in loaded["clip"].cond_stage_model.named_parameters()
                     if n.endswith("q_proj.weight"))),
    "finite": bool(edited.isfinite().all()), "type": str(edited.dtype),
    "kept": bool(torch.equal(edited[mask == 0], source[mask == 0])),
    "painted": float((run.seen["v3"][0] - source[0]).abs().max())}))
"""


def test_half_precision_on_a_cpu_without_diffusers(comfy: Comfy, tmp_path: Path) -> None:
    flags = ("--bf16-unet", "--bf16-vae", "--fp16-text-enc")
    found = answer_of(HALF, str(comfy.root), str(tmp_path), str(PACK), *flags)
    assert found["unet"] == found["vae"] == "torch.bfloat16"
    assert found["text"] == "torch.float16"
    assert found["type"] == "torch.float32"
    assert found["finite"]
    assert found["kept"]
    assert found["painted"] > 0.05


def test_the_demos_autoencoder_answers_as_diffusers_does(comfy: Comfy) -> None:
    from diffusers import AutoencoderKL

    folder = PACK / "region_core" / "demo" / "weights" / "inpaint" / "vae"
    ours = comfy.part("nodes.comfy.demo_vae").read_vae(folder)
    theirs = AutoencoderKL.from_pretrained(folder).float().eval()
    pictures = picture(96, 128).movedim(-1, 1) * 2 - 1
    with torch.no_grad():
        latents = ours.encode(pictures)
        torch.testing.assert_close(latents, theirs.encode(pictures).latent_dist.mean)
        torch.testing.assert_close(ours.decode(latents), theirs.decode(latents).sample)
