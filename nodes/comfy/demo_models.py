"""The shapes world's diffusers weights as ComfyUI's own MODEL, VAE and CLIP.

ComfyUI detects models by their size, and these are far smaller than any it knows. So the pieces it
would have chosen are put together here by hand, from its own classes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import comfy.latent_formats
import comfy.sd
import comfy.utils
import torch
from comfy import model_base, model_management, sd1_clip, supported_models, supported_models_base
from comfy.ldm.models.autoencoder import AutoencoderKL
from comfy.model_patcher import ModelPatcher

from .demo_vae import read_vae


class _ShapesUNet(supported_models.SD20):
    """Stable Diffusion 2's family at a small size; `load_model` fills in what the config says."""

    native_size = 128
    unet_extra_config = {"attn_precision": torch.float32}

    def __init__(self, unet_config: dict, scale: float, v_prediction: bool) -> None:
        super().__init__(unet_config)
        self.latent_format.scale_factor = scale
        # for core's previewer: least squares on scenes, for the VAE is not Stable Diffusion's
        self.latent_format.latent_rgb_factors = [
            [-0.008, -0.085, -0.328],
            [-0.05, -0.15, 0.162],
            [-0.166, -0.221, -0.05],
            [0.047, 0.035, 0.267],
        ]
        self.latent_format.latent_rgb_factors_bias = [0.042, 0.01, -0.014]
        self.v_prediction = v_prediction

    def model_type(self, state_dict: dict, prefix: str = "") -> Any:
        kind = model_base.ModelType
        return kind.V_PREDICTION if self.v_prediction else kind.EPS


def _read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    path = next(iter(sorted(folder.glob("*.safetensors"))))
    return comfy.utils.load_torch_file(str(path), safe_load=True)


def unet_config(config: dict) -> dict:
    """ComfyUI's words for a diffusers UNet2DConditionModel config with plain attention blocks."""
    blocks = config["layers_per_block"]
    levels = len(config["block_out_channels"])
    base = config["block_out_channels"][0]
    down = ["CrossAttn" in kind for kind in config["down_block_types"]]
    up = ["CrossAttn" in kind for kind in config["up_block_types"]]
    return {
        "image_size": config["sample_size"],
        "in_channels": config["in_channels"],
        "out_channels": config["out_channels"],
        "model_channels": base,
        "num_res_blocks": [blocks] * levels,
        "channel_mult": [width // base for width in config["block_out_channels"]],
        "transformer_depth": [int(has) for has in down for _ in range(blocks)],
        # read from its end, so the outermost level comes first
        "transformer_depth_output": [int(has) for has in up[::-1] for _ in range(blocks + 1)],
        "transformer_depth_middle": 1,
        "use_spatial_transformer": True,
        "legacy": False,
        "use_linear_in_transformer": config["use_linear_projection"],
        "context_dim": config["cross_attention_dim"],
        "adm_in_channels": None,
        "use_temporal_attention": False,
        # diffusers calls the number of heads attention_head_dim in this family
        "num_heads": config["attention_head_dim"],
        "num_head_channels": -1,
    }


def load_model(folder: Path) -> ModelPatcher:
    """The inpainting UNet of a diffusers pipeline folder as a MODEL."""
    settings = unet_config(_read(folder / "unet" / "config.json"))
    scale = _read(folder / "vae" / "config.json")["scaling_factor"]
    kind = _read(folder / "scheduler" / "scheduler_config.json")["prediction_type"]
    source = _weights(folder / "unet")
    config = _ShapesUNet(settings, scale, kind == "v_prediction")
    load_device = model_management.get_torch_device()
    offload_device = model_management.unet_offload_device()
    dtype = model_management.unet_dtype(
        model_params=comfy.utils.calculate_parameters(source), supported_dtypes=list(config.supported_inference_dtypes)
    )
    cast = model_management.unet_manual_cast(dtype, load_device, config.supported_inference_dtypes)
    config.set_inference_dtype(dtype, cast)
    names = comfy.utils.unet_to_diffusers(settings)
    state = {ours: source[theirs] for theirs, ours in names.items() if theirs in source}
    model = config.get_model(state, "", device=offload_device)
    model.load_model_weights(dict(state), "")
    return ModelPatcher(model, load_device=load_device, offload_device=offload_device)


def load_vae(folder: Path) -> comfy.sd.VAE:
    """The autoencoder as a VAE.

    ComfyUI knows none of its kind, so it stands behind the VAE's interface in the place of a small one that the
    constructor wants.
    """
    params = {
        "embed_dim": 4,
        "ddconfig": {
            "double_z": True,
            "z_channels": 4,
            "resolution": 32,
            "in_channels": 3,
            "out_ch": 3,
            "ch": 32,
            "ch_mult": [1],
            "num_res_blocks": 1,
            "attn_resolutions": [],
            "dropout": 0.0,
        },
    }
    with torch.random.fork_rng(devices=[]):  # building draws random weights
        placeholder = AutoencoderKL(**params)
    vae = comfy.sd.VAE(sd=placeholder.state_dict(), config={"params": params})
    offload_device = model_management.vae_offload_device()
    module = read_vae(folder / "vae").requires_grad_(False)
    vae.first_stage_model = module.to(device=offload_device, dtype=vae.vae_dtype)
    vae.patcher = ModelPatcher(vae.first_stage_model, load_device=vae.device, offload_device=offload_device)
    return vae


def load_text_encoder(folder: Path) -> comfy.sd.CLIP:
    """The small text encoder and its tokenizer as a CLIP."""
    config_file = folder / "text_encoder" / "config.json"
    config = _read(config_file)
    source = _weights(folder / "text_encoder")
    width = config["hidden_size"]

    class Tokenizer(sd1_clip.SDTokenizer):
        def __init__(self, embedding_directory: Any = None, tokenizer_data: Any = None) -> None:
            super().__init__(
                str(folder / "tokenizer"),
                embedding_directory=embedding_directory,
                embedding_size=width,
                tokenizer_data=tokenizer_data or {},
            )

    class Encoder(sd1_clip.SDClipModel):
        def __init__(self, device: Any = "cpu", dtype: Any = None, model_options: dict | None = None) -> None:
            super().__init__(
                device=device,
                dtype=dtype,
                layer="last",
                return_projected_pooled=False,
                textmodel_json_config=str(config_file),
                model_options=model_options or {},
                special_tokens={
                    "start": config["bos_token_id"],
                    "end": config["eos_token_id"],
                    "pad": config["eos_token_id"],
                },
            )
            words = self.transformer.text_model.embeddings
            # ComfyUI makes room for CLIP's 49,408 tokens; this vocabulary is a small one
            words.token_embedding = type(words.token_embedding)(config["vocab_size"], width, dtype=dtype, device=device)

    def build_tokenizer(embedding_directory: Any = None, tokenizer_data: Any = None) -> Any:
        return sd1_clip.SD1Tokenizer(embedding_directory, tokenizer_data or {}, tokenizer=Tokenizer)

    def build_encoder(**kwargs: Any) -> Any:
        return sd1_clip.SD1ClipModel(clip_model=Encoder, **kwargs)

    with torch.random.fork_rng(devices=[]):
        clip = comfy.sd.CLIP(supported_models_base.ClipTarget(build_tokenizer, build_encoder))
    state = {key if key.startswith("text_model.") else f"text_model.{key}": value for key, value in source.items()}
    state["text_projection.weight"] = torch.eye(width, dtype=torch.float32)  # only the pooled output reads it
    clip.cond_stage_model.load_sd(state)
    return clip
