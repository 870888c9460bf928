"""What one pass of each full-size model costs, counted on the models built without weights."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from region_core.cost import GFLOP, PRICE

SIDES = {"clip_images": 224, "dino_images": 256, "unet_evaluations": 512, "vae_encodings": 512, "vae_decodings": 512}

AT_ONCE = 16


def gflop(call: Callable[[], Any]) -> float:
    """GFLOP of a call, a multiplication and an addition counted as two; products of attention too."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops() / 1e9


def clip_model() -> Any:
    """OpenAI's CLIP ViT-B/16 as open_clip builds it."""
    from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg

    return CLIP(
        512, CLIPVisionCfg(layers=12, width=768, patch_size=16, image_size=224), CLIPTextCfg(), quick_gelu=True
    ).eval()


def dino_model() -> Any:
    """DINO ViT-B/8."""
    from transformers import ViTConfig, ViTModel

    return ViTModel(ViTConfig(patch_size=8, attn_implementation="eager"), add_pooling_layer=False).eval()


def unet_model() -> Any:
    """Stable Diffusion 2 inpainting's UNet."""
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        sample_size=64,
        in_channels=9,
        cross_attention_dim=1024,
        attention_head_dim=(5, 10, 20, 20),
        use_linear_projection=True,
    ).eval()


def vae_model() -> Any:
    """Stable Diffusion's autoencoder."""
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(128, 256, 512, 512),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
        sample_size=512,
    ).eval()


def passes(at_once: int = 1) -> dict[str, Callable[[], Any]]:
    """One pass of each, named as in `region_core.cost.GFLOP`, each with models of its own, CLIP's of `at_once`
    pictures or texts; a model is built where torch's default device is when its pass is made ready."""

    def clip_images() -> Any:
        visual = clip_model().visual
        return lambda: visual(torch.zeros(at_once, 3, 224, 224))

    def clip_texts() -> Any:
        model = clip_model()
        return lambda: model.encode_text(torch.zeros(at_once, 77, dtype=torch.long))

    def dino_images() -> Any:
        dino = dino_model()
        return lambda: dino(torch.zeros(1, 3, 256, 256), interpolate_pos_encoding=True)

    def unet_evaluations() -> Any:
        unet = unet_model()
        return lambda: unet(torch.zeros(1, 9, 64, 64), torch.zeros(1), torch.zeros(1, 77, 1024))

    def vae_encodings() -> Any:
        encoder = vae_model().encoder
        return lambda: encoder(torch.zeros(1, 3, 512, 512))

    def vae_decodings() -> Any:
        decoder = vae_model().decoder
        return lambda: decoder(torch.zeros(1, 4, 64, 64))

    return {
        make.__name__: make
        for make in (clip_images, clip_texts, dino_images, unet_evaluations, vae_encodings, vae_decodings)
    }


def counted(name: str) -> float:
    """GFLOP of one pass; nothing is computed, no weights made."""
    with torch.device("meta"):
        return gflop(passes()[name]())


def seconds_of(name: str, times: int = 3) -> float:
    """Seconds of one pass on this machine's CPU in float32, with weights at random: the median of `times`
    after one that is not counted. CLIP sees AT_ONCE pictures or texts together, as in a search."""
    call = passes(AT_ONCE)[name]()
    taken = []
    with torch.inference_mode():
        for _ in range(times + 1):
            started = time.perf_counter()
            call()
            taken.append(time.perf_counter() - started)
    return statistics.median(taken[1:]) / (AT_ONCE if name.startswith("clip") else 1)


def table(seconds: bool) -> Iterator[str]:
    """The lines of the `currency` command's table, with seconds on this CPU where they are asked for."""
    heads = ["pass", "side", "GFLOP counted", "GFLOP used", "UNet evaluations"]
    heads += ["seconds here", "UNet evaluations by seconds"] if seconds else []
    yield "| " + " | ".join(heads) + " |"
    yield "|---" * len(heads) + "|"
    unet = seconds_of("unet_evaluations") if seconds else 0.0
    for name in GFLOP:
        cells = [name, SIDES.get(name, "-"), f"{counted(name):.1f}", f"{GFLOP[name]:.1f}", f"{PRICE[name]:.4f}"]
        if seconds:
            taken = unet if name == "unet_evaluations" else seconds_of(name)
            cells += [f"{taken:.3f}", f"{taken / unet:.4f}"]
        yield "| " + " | ".join(map(str, cells)) + " |"
