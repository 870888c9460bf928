"""DINO models: from a folder in Hugging Face's or timm's layout, or from the hub."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..defaults import plain_defaults
from ..errors import InputError, first_line
from ..files import path_of
from ..memory import is_out_of_memory
from ..quiet import quiet_libraries
from ..weights import HUB_ID, check_folder, check_hub, variant_in
from .configs import check_taken, read_config
from .dino import DinoEncoder
from .dino_timm import load_timm_vit

# what its config.json calls a model that shows patches and attention
KINDS = {"vit": "DINO", "dinov2": "DINOv2", "dinov2_with_registers": "DINOv2 with registers", "dinov3_vit": "DINOv3"}
_SUCH_AS = "pass a DINO, DINOv2 or DINOv3 vision transformer such as facebook/dino-vitb8"


@plain_defaults
def load_dino(
    path_or_hub_id: str | Path,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    image_size: int | None = None,
    cache_dir: str | None = None,
) -> DinoEncoder:
    """A DINO encoder from a local folder or, where there is none of that name, from the hub.

    Raises InputError where neither can be read, or where the folder holds another kind of model.
    """
    name = str(path_or_hub_id)
    folder = path_of(name)
    if os.path.isfile(folder) and os.path.isfile(folder.parent / "config.json"):
        folder = folder.parent  # the weights within a model's folder were named
    local = os.path.isdir(folder)
    if not local and (os.path.isfile(folder) or not HUB_ID.fullmatch(name)):
        what = "one file" if os.path.isfile(folder) else "neither a folder nor the name of a repository of the hub"
        raise InputError(
            f"The DINO model '{name}' is {what}; pass a folder with config.json and model.safetensors, such as a "
            "download of facebook/dino-vitb8."
        )
    if local:
        check_folder(folder)
        config = read_config(folder)
        if "architecture" in config and "model_type" not in config:
            return DinoEncoder(load_timm_vit(folder, config).to(device=device, dtype=dtype), image_size)
        _check_kind(name, config.get("model_type"))
    try:
        # Building the model draws random weights; the caller's generator stays as it is.
        with torch.random.fork_rng(devices=[]), quiet_libraries():
            model = _read(str(folder) if local else name, local, cache_dir)
        model = model.to(device=device, dtype=dtype)
    except InputError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise InputError(
                f"The DINO model '{name}' is too large for {device}; choose a smaller one, or another device."
            ) from error
        check_hub(f"The DINO model '{name}'", "" if local else name, error, cache_dir)
        raise InputError(
            f"The DINO model '{name}' could not be loaded"
            + (" from that folder" if local else ", neither from disk nor from the hub")
            + f" ({first_line(error)}); pass a folder with config.json and model.safetensors, such"
            " as a download of facebook/dino-vitb8."
        ) from error
    return DinoEncoder(model, image_size)


def _read(name: str, local: bool, cache_dir: str | None) -> nn.Module:
    from transformers import AutoConfig, AutoModel

    options: dict[str, Any] = {"local_files_only": local, "cache_dir": cache_dir, "trust_remote_code": False}
    options["variant"] = variant_in(Path(name)) if local else None
    config = AutoConfig.from_pretrained(name, **options)
    _check_kind(name, config.model_type)
    if config.model_type == "vit":
        options["add_pooling_layer"] = False
    options |= {"attn_implementation": "eager", "output_loading_info": True, "ignore_mismatched_sizes": True}
    model, info = AutoModel.from_pretrained(name, config=config, **options)
    check_taken(f"The DINO model '{name}'", info)
    return model


def _check_kind(name: str, kind: object) -> None:
    if kind in KINDS:
        if kind == "dinov3_vit" and not _knows_dinov3():
            raise InputError(
                f"The model '{name}' is a DINOv3, which transformers reads from version 4.56 on; update transformers, "
                "or pass a DINO or DINOv2."
            )
        return
    if kind == "timm_wrapper":
        raise InputError(f"The model '{name}' is in timm's layout; download it and pass its folder.")
    what = f"is of the kind '{kind}', none of DINO's" if kind else "has no config.json that tells its kind"
    raise InputError(f"The model '{name}' {what}; {_SUCH_AS}.")


def _knows_dinov3() -> bool:
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    return "dinov3_vit" in CONFIG_MAPPING_NAMES
