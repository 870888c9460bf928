"""Tiny random DINO and CLIP models."""

from __future__ import annotations

import torch
from transformers import ViTConfig, ViTModel

SMALL_TEXT = {"context_length": 20, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
VISIONS = {
    "transformer": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8},
    "resnet": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8},
    "timm": {
        "image_size": 32,
        "timm_model_name": "test_vit",
        "timm_model_pretrained": False,
        "timm_pool": "token",
        "timm_proj": "linear",
    },
}
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


def tiny_vit(attention: str = "eager") -> ViTModel:
    config = ViTConfig(
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=32,
        image_size=32,
        patch_size=8,
        attn_implementation=attention,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = ViTModel(config, add_pooling_layer=False).eval()
        for parameter in model.parameters():  # the default init is too timid to tell heads apart
            torch.nn.init.normal_(parameter, std=0.3)
    return model


def pictures(count: int, height: int, width: int) -> torch.Tensor:
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(1))


def normalised(images: torch.Tensor, mean: tuple, std: tuple) -> torch.Tensor:
    return (images - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
