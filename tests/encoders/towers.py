"""A small CLIP of each kind of image tower."""

from __future__ import annotations

from typing import Any

import open_clip
import torch
import transformers as hf
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg, CustomTextCLIP

from region_core.encoders import ClipScorer
from region_core.encoders.huggingface import HuggingFaceModel

TEXT = CLIPTextCfg(context_length=8, vocab_size=20, width=16, heads=2, layers=1)
SIZES = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
WORDS = SIZES | {
    "vocab_size": 50,
    "max_position_embeddings": 8,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
PICTURE = SIZES | {"image_size": 64, "patch_size": 16}


def timm(name: str, pool: str, proj: str | None = "linear") -> Any:
    vision = CLIPVisionCfg(image_size=64, timm_model_name=name, timm_pool=pool, timm_proj=proj)
    model = CustomTextCLIP(12, vision, TEXT)
    if hasattr(model.visual.trunk, "set_input_size"):
        model.visual.trunk.set_input_size(64)
    return model


def clip() -> hf.CLIPModel:
    return hf.CLIPModel(hf.CLIPConfig(text_config=WORDS, vision_config=PICTURE, projection_dim=12))


def siglip() -> hf.SiglipModel:
    return hf.SiglipModel(hf.SiglipConfig(text_config=WORDS, vision_config=PICTURE))


def siglip2() -> hf.Siglip2Model:
    vision = SIZES | {"num_patches": 16, "patch_size": 16}
    return hf.Siglip2Model(hf.Siglip2Config(text_config=WORDS, vision_config=vision))


TOWERS = {  # model, grid
    "open_clip's transformer": (
        lambda: CLIP(12, CLIPVisionCfg(image_size=64, layers=2, width=16, head_width=8, patch_size=16), TEXT),
        (4, 4),
    ),
    "open_clip's resnet": (
        lambda: CLIP(12, CLIPVisionCfg(image_size=64, layers=(1, 1, 1, 1), width=8, head_width=8), TEXT),
        (2, 2),
    ),
    "timm: siglip": (lambda: timm("test_vit", "map", "none"), (4, 4)),
    "timm: eva": (lambda: timm("eva02_tiny_patch14_224", "token", None), (4, 4)),
    "timm: class token": (lambda: timm("test_vit", "token"), (4, 4)),
    "timm: mean of tokens": (lambda: timm("test_vit4", "avg"), (4, 4)),
    "timm: convolutions": (lambda: timm("test_resnet", "avg"), (2, 2)),
    "hugging face: clip": (lambda: HuggingFaceModel(clip()), (4, 4)),
    "hugging face: siglip": (lambda: HuggingFaceModel(siglip()), (4, 4)),
    "hugging face: siglip 2": (lambda: HuggingFaceModel(siglip2()), (4, 4)),
}


def tower(kind: str) -> tuple[ClipScorer, tuple[int, int]]:
    """A scorer and the grid of its places, random and always the same."""
    make, grid = TOWERS[kind]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = make().eval()
    tokenizer = open_clip.SimpleTokenizer(context_length=8)
    return ClipScorer(model, tokenizer, 64, (0.5,) * 3, (0.5,) * 3), grid
