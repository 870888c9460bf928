"""What one pass of each full-size model costs, counted on the models built without weights."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from region_core.cost import GFLOP, PRICE

SIDES = {"clip_images": 224, "dino_images": 256, "unet_evaluations": 512, "vae_encodings": 512, "vae_decodings": 512}


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


def counted(name: str) -> float:
    """GFLOP of one pass named as in `region_core.cost.GFLOP`; nothing is computed, no weights made."""
    with torch.device("meta"):
        if name == "clip_images":
            visual = clip_model().visual
            return gflop(lambda: visual(torch.empty(1, 3, 224, 224)))
        if name == "clip_texts":
            model = clip_model()
            return gflop(lambda: model.encode_text(torch.zeros(1, 77, dtype=torch.long)))
        if name == "dino_images":
            dino = dino_model()
            return gflop(lambda: dino(torch.empty(1, 3, 256, 256), interpolate_pos_encoding=True))
        if name == "unet_evaluations":
            unet = unet_model()
            return gflop(lambda: unet(torch.empty(1, 9, 64, 64), torch.empty(1), torch.empty(1, 77, 1024)))
        vae = vae_model()
        if name == "vae_encodings":
            return gflop(lambda: vae.encoder(torch.empty(1, 3, 512, 512)))
        return gflop(lambda: vae.decoder(torch.empty(1, 4, 64, 64)))


def main(_args: argparse.Namespace) -> int:
    """The `currency` command."""
    print("| pass | side | GFLOP counted | GFLOP used | UNet evaluations |\n|---|---|---|---|---|")
    for name in GFLOP:
        print(
            f"| {name} | {SIDES.get(name, '-')} | {counted(name):.1f} | {GFLOP[name]:.1f} | {PRICE[name]:.4f} |",
            flush=True,
        )
    return 0
