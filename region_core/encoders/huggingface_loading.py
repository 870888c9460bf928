"""CLIP and SigLIP from a folder, or a repository of the hub, in Hugging Face's layout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from ..errors import InputError
from ..quiet import quiet_libraries
from ..weights import variant_in
from .clip import ClipScorer
from .configs import check_taken, read_config
from .huggingface import HuggingFaceModel, HuggingFaceTokenizer
from .open_clip_package import open_clip

KINDS = ("clip", "siglip", "siglip2")
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
HALF = (0.5, 0.5, 0.5)
OPENAI_WORDS = 49408


def load_huggingface(
    name: str, device: torch.device | str, dtype: torch.dtype, cache_dir: str | None = None, *, local: bool = True
) -> ClipScorer:
    """A scorer from a folder, or with `local` False a repository. Raises InputError where it lacks something, and
    whatever transformers raises."""
    from transformers import AutoModel

    options: dict[str, Any] = {"local_files_only": local, "cache_dir": cache_dir, "trust_remote_code": False}
    asked: dict[str, Any] = {"output_loading_info": True, "ignore_mismatched_sizes": True, **options}
    with torch.random.fork_rng(devices=[]), quiet_libraries():
        model, info = AutoModel.from_pretrained(name, variant=variant_in(Path(name)) if local else None, **asked)
        tokenizer = _tokenizer(name, model.config, options)
    kind = model.config.model_type
    if kind not in KINDS:
        raise InputError(f"The CLIP model '{name}' is of the kind '{kind}'; use one of {', '.join(KINDS)}.")
    check_taken(f"The CLIP model '{name}'", info)
    if not getattr(model.vision_model, "use_head", True):
        raise InputError(f"The CLIP model '{name}' has no head that pools pictures; use another.")
    ours = HuggingFaceModel(model).to(device=device, dtype=dtype)
    mean, std = _normalisation(name, local, cache_dir, kind)
    return ClipScorer(ours, tokenizer, ours.visual.image_size, mean, std)


def _tokenizer(name: str, config: Any, options: dict[str, Any]) -> Any:
    """The model's tokenizer, called as open_clip's are. Where OpenAI's CLIP comes without, open_clip has the same."""
    from transformers import AutoTokenizer

    words, length = config.text_config.vocab_size, int(config.text_config.max_position_embeddings)
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, **options)
        known = len(tokenizer)
    except (OSError, ValueError, TypeError, ImportError):  # some want another library for files that are not there
        known = 0
    if known > words / 2:  # without its files some versions make one that knows no words
        return HuggingFaceTokenizer(tokenizer, length)
    if config.model_type == "clip" and words == OPENAI_WORDS:
        return open_clip().SimpleTokenizer(context_length=length)
    raise InputError(
        f"The CLIP model '{name}' comes without its tokenizer ({known} of {words} tokens are known); put "
        "tokenizer.json or the tokenizer's other files beside its config.json."
    )


def check_clip_folder(folder: Path) -> None:
    """Raise InputError where a folder without open_clip_config.json is no CLIP of Hugging Face's either."""
    config = read_config(folder)
    kind = config.get("model_type") or config.get("architecture")
    if kind in KINDS:
        return
    if not folder.is_dir():
        raise InputError(f"The CLIP model '{folder}' is not there; give a folder that is.")
    what = "has neither open_clip_config.json nor a config.json that tells its kind"
    if kind:
        what = f"is of the kind '{kind}', no whole CLIP or SigLIP"
    raise InputError(
        f"The CLIP model '{folder}' {what}; give a folder of open_clip's (open_clip_config.json and weights), or a "
        "CLIP or SigLIP in Hugging Face's layout (config.json, weights and tokenizer)."
    )


def is_huggingface_file(path: Path) -> bool:
    """Whether a file of weights has Hugging Face's names and its folder what else is needed; InputError where it has
    the names alone, or an image model's that knows no texts."""
    from safetensors import safe_open

    ours = read_config(path.parent).get("model_type") in KINDS
    if path.suffix != ".safetensors":
        return ours and path.name.startswith("pytorch_model")
    with safe_open(str(path), framework="pt") as file:
        names = list(file.keys())
    reads, sees = (any(name.startswith(f"{part}_model.") for name in names) for part in ("text", "vision"))
    if reads or sees:
        if ours:
            return True
        if not (reads and sees):
            raise InputError(
                f"'{path}' holds CLIP's {'text' if reads else 'image'} encoder alone, as other nodes of ComfyUI take "
                "it; give a whole CLIP model."
            )
        raise InputError(
            f"'{path}' has Hugging Face's names for its weights, and a folder without the config.json and tokenizer "
            "that belong to them; give the model's whole folder, or the same weights as open_clip has them."
        )
    if names and not any("token_embedding" in name or name.startswith(("text.", "transformer.")) for name in names):
        raise InputError(f"'{path}' holds no weights of CLIP's text encoder; give those of a whole CLIP model.")
    return False


def _normalisation(name: str, local: bool, cache_dir: str | None, kind: str) -> tuple[tuple[float, ...], ...]:
    """Mean and standard deviation of pictures, by preprocessor_config.json, or as all models of the kind have them."""
    default = (CLIP_MEAN, CLIP_STD) if kind == "clip" else (HALF, HALF)
    try:
        if local:
            path = Path(name) / "preprocessor_config.json"
        else:
            from huggingface_hub import hf_hub_download

            path = Path(hf_hub_download(name, "preprocessor_config.json", cache_dir=cache_dir))
        config = json.loads(path.read_text(encoding="utf-8"))
        return tuple(config["image_mean"]), tuple(config["image_std"])
    except (OSError, ValueError, KeyError, TypeError):
        return default
