"""A vision transformer in timm's layout, with the outputs of one in Hugging Face's: DINO of any generation."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import InputError, first_line
from ..quiet import without_warnings
from ..weights import WEIGHTS


class TimmVit(nn.Module):
    """`forward` gives last_hidden_state [B, T, D] and attentions, the last layer's alone: [B, heads, T, T]."""

    def __init__(self, trunk: Any) -> None:
        super().__init__()
        self.trunk = trunk
        self.attention = trunk.blocks[-1].attn
        self.attention.fused_attn = False  # the fused one does not show its weights
        self.config = SimpleNamespace(
            model_type="timm",
            patch_size=trunk.patch_embed.patch_size,
            hidden_size=trunk.num_features,
            num_hidden_layers=1,  # whose attention is kept
            num_attention_heads=self.attention.num_heads,
        )

    def forward(self, pixel_values: Tensor, output_attentions: bool = True) -> SimpleNamespace:
        seen: list[Tensor] = []
        handle = self.attention.attn_drop.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
        try:
            tokens = self.trunk.forward_features(pixel_values)
        finally:
            handle.remove()
        return SimpleNamespace(last_hidden_state=tokens, attentions=seen)


def load_timm_vit(folder: Path, config: dict[str, Any]) -> TimmVit:
    """The transformer of a folder whose config.json names a timm `architecture`; InputError where it is none."""
    try:
        import timm
    except Exception as error:  # of a stranger's module of that name
        raise InputError(
            f"The model in '{folder}' is in timm's layout, and timm cannot be imported ({first_line(error)}); run: pip "
            'install "timm>=1.0.17", or pass a DINO in Hugging Face\'s layout.'
        ) from error
    name = str(config["architecture"])
    weights = sorted(path for path in folder.iterdir() if path.suffix in WEIGHTS)
    if not weights:
        raise InputError(f"The folder '{folder}' holds no weights of '{name}'; download the model again.")
    try:
        with torch.random.fork_rng(devices=[]), without_warnings():
            # by the class token, whatever it is pooled by: then all tokens are normalised
            options = {"global_pool": "token", "dynamic_img_size": True, **config.get("model_args", {})}
            trunk = timm.create_model(name, num_classes=0, **options)
            lacking = timm.models.load_checkpoint(trunk, str(weights[0]), strict=False).missing_keys
            if trunk.cls_token is None:
                raise ValueError("it has no class token, whose attention is wanted")
            model = TimmVit(trunk)
    except Exception as error:  # of timm, on models of any kind
        raise InputError(
            f"The timm model '{name}' in '{folder}' could not be loaded ({first_line(error)}); pass a DINO vision "
            "transformer."
        ) from error
    if lacking:
        raise InputError(
            f"The file '{weights[0]}' lacks {len(lacking)} of the weights of '{name}' (first: {lacking[0]}); download "
            "the model again."
        )
    return model
