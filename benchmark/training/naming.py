"""Weights under the names that every supported version of transformers reads.

Version 5 has names of its own for a ViT's and a text encoder's layers, and reads those of the hub too;
version 4 knows the hub's alone, and leaves what it does not know at random values without an error.
"""

from __future__ import annotations

import re
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

_VIT = (
    ("attention.q_proj", "attention.attention.query"),
    ("attention.k_proj", "attention.attention.key"),
    ("attention.v_proj", "attention.attention.value"),
    ("attention.o_proj", "attention.output.dense"),
    ("mlp.fc1", "intermediate.dense"),
    ("mlp.fc2", "output.dense"),
)


def vit_names(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A ViTModel's weights under the hub's names."""
    named = {}
    for name, value in state.items():
        name = re.sub(r"^layers\.", "encoder.layer.", name)
        for newer, hub in _VIT:
            name = name.replace(f".{newer}.", f".{hub}.")
        named[name] = value
    return named


def text_names(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A CLIPTextModel's weights under the hub's names."""
    return {name if name.startswith("text_model.") else f"text_model.{name}": value for name, value in state.items()}


def rename_text_encoder(folder: Path) -> None:
    """Put the weights that `save_pretrained` wrote into `folder` under the hub's names."""
    path = folder / "model.safetensors"
    save_file(text_names(load_file(path)), path, metadata={"format": "pt"})
