"""Checkpoints of the real models' size and form, with random weights: what no test can download."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

UNET = {
    "image_size": 32,
    "in_channels": 9,
    "out_channels": 4,
    "model_channels": 320,
    "num_res_blocks": [2, 2, 2, 2],
    "channel_mult": [1, 2, 4, 4],
    "transformer_depth": [1, 1, 1, 1, 1, 1, 0, 0],
    "transformer_depth_middle": 1,
    "transformer_depth_output": [1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0],
    "use_spatial_transformer": True,
    "legacy": False,
    "context_dim": 1024,
    "use_linear_in_transformer": True,
    "adm_in_channels": None,
    "use_temporal_attention": False,
}
VAE = {
    "embed_dim": 4,
    "ddconfig": {
        "double_z": True,
        "z_channels": 4,
        "resolution": 256,
        "in_channels": 3,
        "out_ch": 3,
        "ch": 128,
        "ch_mult": [1, 2, 4, 4],
        "num_res_blocks": 2,
        "attn_resolutions": [],
        "dropout": 0.0,
    },
}
META = torch.device("meta")


def _random(shapes: dict[str, torch.Tensor], dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """Weights that keep activations about as large as they came: one block of numbers, repeated."""
    block = torch.randn(1 << 20, generator=torch.Generator().manual_seed(0))
    made = {}
    for name, like in shapes.items():
        if not like.is_floating_point():
            continue  # buffers that the model makes for itself
        if like.ndim < 2:
            norm = name.endswith("weight") and name.split(".")[-2] != "out"
            made[name] = torch.full(like.shape, 1.0 if norm else 0.0, dtype=dtype)
            continue
        count, fan = like.numel(), like[0].numel()
        # short of a whole number of blocks, so that no two rows are alike
        flat = block[:1_048_573].repeat(-(-count // 1_048_573))[:count]
        made[name] = (flat.view(like.shape) * fan**-0.5).to(dtype)
    return made


def write_sd2_inpainting(path: Path) -> None:
    """A file with the names and shapes of `512-inpainting-ema.safetensors`, in half precision."""
    from comfy import supported_models
    from comfy.ldm.models.autoencoder import AutoencoderKL
    from comfy.text_encoders.sd2_clip import SD2ClipModel
    from safetensors.torch import save_file

    config = supported_models.SD20(UNET)
    config.set_inference_dtype(torch.float16, None)
    half = torch.float16
    unet = _random(config.get_model({}, "", device=META).diffusion_model.state_dict(), half)
    with META:
        autoencoder = AutoencoderKL(**VAE)
    vae = _random(autoencoder.state_dict(), half)
    text = _random(SD2ClipModel(device=META, dtype=half).state_dict(), half)
    whole = {
        **config.process_unet_state_dict_for_saving(unet),
        **config.process_vae_state_dict_for_saving(vae),
        **config.process_clip_state_dict_for_saving(text),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: weight.contiguous() for name, weight in whole.items()}, str(path))


def write_dino(folder: Path) -> None:
    """A folder in the form of facebook/dino-vitb8."""
    from transformers import ViTConfig, ViTModel

    config = ViTConfig(
        hidden_size=768,
        num_hidden_layers=12,
        num_attention_heads=12,
        intermediate_size=3072,
        patch_size=8,
        image_size=224,
        qkv_bias=True,
    )
    ViTModel(config, add_pooling_layer=False).save_pretrained(str(folder))


def write_clip(path: Path) -> None:
    """A file in the form of OpenAI's ViT-B/16 for open_clip."""
    import open_clip
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    model: Any = open_clip.create_model("ViT-B-16", pretrained=None)
    save_file({name: weight.contiguous() for name, weight in model.state_dict().items()}, str(path))
