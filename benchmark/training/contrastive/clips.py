"""The small CLIPs: what they are built as, and how they become `local-dir:` folders of open_clip's."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import torch
from open_clip.constants import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg
from safetensors.torch import save_file
from torch.nn import functional as F

from ..vocabulary import CONTEXT_LENGTH, write_tokenizer

SIDE, EMBED = 128, 128
START_SCALE, MOST_SCALE = math.log(1 / 0.07), math.log(100)
TOWERS = {
    # timm's smallest residual net and the mean over places: each place is read off by the projection
    "conv": {"image_size": SIDE, "timm_model_name": "test_resnet", "timm_pool": "avg", "timm_proj": "linear"},
    # open_clip's own transformer as ViT-B/16 is: 8 x 8 patches of 16 pixels and a class token
    "vit": {"image_size": SIDE, "layers": 4, "width": 192, "head_width": 32, "mlp_ratio": 2.0, "patch_size": 16},
}


def model_config(tower: str, vocab_size: int) -> dict:
    """open_clip's `model_cfg` for one of TOWERS."""
    return {
        "embed_dim": EMBED,
        "vision_cfg": TOWERS[tower],
        "text_cfg": {
            "context_length": CONTEXT_LENGTH,
            "vocab_size": vocab_size,
            "width": 128,
            "heads": 4,
            "layers": 2,
            "mlp_ratio": 2.0,
            "hf_tokenizer_name": "./",
        },
    }


def build(tower: str, vocab_size: int) -> CLIP:
    """The untrained model."""
    config = model_config(tower, vocab_size)
    return CLIP(
        config["embed_dim"],
        CLIPVisionCfg(**config["vision_cfg"]),
        CLIPTextCfg(**config["text_cfg"]),
        init_logit_scale=START_SCALE,
    )


def save(
    state: dict[str, torch.Tensor],
    tower: str,
    words: Iterable[str],
    folder: Path,
    scores: dict[str, float] | None = None,
) -> None:
    """Write weights (fp16), config and tokenizer as a `local-dir:` folder, whole or not at all."""
    temporary = folder.with_name(folder.name + ".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    vocab_size = write_tokenizer(temporary, tuple(words))
    config = {
        "model_cfg": model_config(tower, vocab_size),
        "preprocess_cfg": {
            "mean": OPENAI_DATASET_MEAN,
            "std": OPENAI_DATASET_STD,
            "interpolation": "bicubic",
            "resize_mode": "squash",
        },
    }
    (temporary / "open_clip_config.json").write_text(json.dumps(config, indent=1) + "\n")
    half = {k: (v.half() if v.is_floating_point() else v).contiguous() for k, v in state.items()}
    save_file(half, temporary / "open_clip_model.safetensors")
    if scores is not None:
        (temporary / "scores.json").write_text(json.dumps(scores, indent=1) + "\n")
    old = folder.with_name(folder.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        os.replace(folder, old)
    os.replace(temporary, folder)
    shutil.rmtree(old, ignore_errors=True)


def normalise(pictures: torch.Tensor) -> torch.Tensor:
    """0..1 pictures to what the image tower takes."""
    mean, std = torch.tensor(OPENAI_DATASET_MEAN), torch.tensor(OPENAI_DATASET_STD)
    return (pictures - mean[:, None, None]) / std[:, None, None]


def encode_texts(model: CLIP, ids: torch.Tensor) -> torch.Tensor:
    """Unit text features of token ids [T, n <= 77]; positions after the end token cannot matter."""
    length = ids.shape[1]
    x = model.token_embedding(ids) + model.positional_embedding[:length]
    x = model.ln_final(model.transformer(x, attn_mask=model.attn_mask[:length, :length]))
    x = x[torch.arange(len(x)), ids.argmax(dim=-1)] @ model.text_projection
    return F.normalize(x.float(), dim=-1)
