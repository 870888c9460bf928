"""CLIP models and their weights, by open_clip: from a folder, a file or the hub, never at random."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import torch

from ..errors import InputError, first_line
from ..files import path_of
from ..memory import is_out_of_memory
from ..quiet import quiet_open_clip
from ..weights import check_file, check_folder, check_hub
from .clip import SMALLER, ClipScorer


def load_clip(
    name: str = "ViT-B-16",
    pretrained: str | None = "openai",
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    cache_dir: str | None = None,
) -> ClipScorer:
    """A scorer from an open_clip model name and weights (a tag or a file), "hf-hub:owner/name", a
    folder, or "local-dir:folder" with open_clip_config.json, weights and tokenizer (`pretrained` is
    not used for the last three).

    Raises InputError where the model or its weights cannot be had; never returns random weights.
    """
    import open_clip

    folder = path_of(name.removeprefix("local-dir:"))
    if name.startswith("local-dir:") or os.path.isdir(folder):
        name = f"local-dir:{folder}"
    if pretrained and os.path.isfile(path_of(pretrained)):
        pretrained = str(path_of(pretrained))
    placed = ":" in name
    if not placed and not pretrained:
        raise InputError(f"The CLIP model '{name}' has no weights named; give a tag such as 'openai' or a file.")
    if name.startswith("local-dir:"):
        check_folder(folder)
    elif pretrained and os.path.isfile(pretrained):
        check_file(Path(pretrained))
    try:
        with torch.random.fork_rng(devices=[]), quiet_open_clip():  # building draws random weights
            model = open_clip.create_model(
                name,
                pretrained=None if placed else pretrained,
                force_quick_gelu=not placed and _trained_with_quick_gelu(name, pretrained),
                require_pretrained=True,
                cache_dir=cache_dir,
            )
            tokenizer = _tokenizer(name, cache_dir)
        model = model.to(device=device, dtype=dtype)
    except Exception as error:
        if is_out_of_memory(error):
            raise InputError(f"The CLIP model '{name}' is too large for {device}; {SMALLER}.") from error
        model = f"The CLIP model '{name}'" + ("" if placed else f" with weights '{pretrained}'")
        check_hub(model, _repository(name, pretrained), error, cache_dir)
        raise InputError(
            f"{model} could not be loaded ({first_line(error)}); pass 'local-dir:' and a folder with "
            "open_clip_config.json and weights, or connect to the network once to download it."
        ) from error
    config = open_clip.get_model_preprocess_cfg(model)
    size = config["size"]
    height, width = (size, size) if isinstance(size, int) else size
    if height != width:
        raise InputError(f"The CLIP model '{name}' takes {height} x {width} images; use one that takes squares.")
    return ClipScorer(model, tokenizer, height, tuple(config["mean"]), tuple(config["std"]))


def _tokenizer(name: str, cache_dir: str | None) -> Any:
    """The model's tokenizer; a config that comes with it may not ask for its own code to be run."""
    import open_clip

    try:
        return open_clip.get_tokenizer(name, cache_dir=cache_dir, trust_remote_code=False)
    except TypeError:  # open_clip's own tokenizer has no such argument, for it runs no code
        return open_clip.get_tokenizer(name, cache_dir=cache_dir)


def _repository(name: str, pretrained: str | None) -> str:
    """The hub's repository that a model's weights come from; "" where they do not."""
    import open_clip

    if ":" in name:
        return name.removeprefix("hf-hub:") if name.startswith("hf-hub:") else ""
    return str(open_clip.get_pretrained_cfg(name, pretrained or "").get("hf_hub", "")).strip("/")


def _trained_with_quick_gelu(name: str, pretrained: str | None) -> bool:
    """Whether weights need QuickGELU, as OpenAI's do; the plain model name ("ViT-B-16") would build
    with GELU and answer almost right, which is worse than an error.

    open_clip's table says so of each tag; a file is known by the tag in its name.
    """
    import open_clip

    if not pretrained:
        return False
    if not os.path.isfile(pretrained):
        return bool(open_clip.get_pretrained_cfg(name, pretrained).get("quick_gelu", False))
    file = _plain(Path(pretrained).stem)
    tags = [tag for tag in open_clip.list_pretrained_tags_by_model(name) if _plain(tag) in file]
    if not tags:
        return "openai" in file
    return bool(open_clip.get_pretrained_cfg(name, max(tags, key=len)).get("quick_gelu", False))


def _plain(name: str) -> str:
    """A name less what people write in several ways."""
    return re.sub(r"[^a-z0-9]", "", name.lower())
