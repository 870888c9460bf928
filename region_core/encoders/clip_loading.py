"""CLIP models and their weights: from a folder, a file or the hub, never at random."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import torch

from ..defaults import plain_defaults
from ..errors import InputError, first_line
from ..files import path_of
from ..memory import is_out_of_memory
from ..quiet import quiet_libraries, quiet_open_clip
from ..weights import check_file, check_folder, check_hub
from .clip import SMALLER, ClipScorer
from .huggingface_loading import check_clip_folder, is_huggingface_file, load_huggingface
from .open_clip_package import open_clip


@plain_defaults
def load_clip(
    name: str = "ViT-B-16",
    pretrained: str | None = "openai",
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    cache_dir: str | None = None,
) -> ClipScorer:
    """A scorer from an open_clip model name and weights (a tag or a file), "hf-hub:owner/name", a
    folder, or "local-dir:folder" (`pretrained` is not used for the last three).

    A folder or repository is open_clip's (open_clip_config.json, weights, tokenizer), or a CLIP, SigLIP or
    SigLIP 2 in Hugging Face's layout. Raises InputError where the model or its weights cannot be had; never
    returns random weights.
    """
    folder = path_of(name.removeprefix("local-dir:"))
    if name.startswith("local-dir:") or os.path.isdir(folder):
        name = f"local-dir:{folder}"
        check_folder(folder)
    elif os.path.isfile(folder):
        raise InputError(f"The CLIP model '{name}' is one file; give it as the weights of a model such as ViT-B-16.")
    elif "/" in name and ":" not in name and name.replace("/", "-") not in open_clip().list_models():
        name = f"hf-hub:{name}"
    elif pretrained and os.path.isfile(path_of(pretrained)):
        pretrained = str(path_of(pretrained))
        check_file(Path(pretrained))
    if ":" in name:
        pretrained = None
    elif not pretrained:
        raise InputError(f"The CLIP model '{name}' has no weights named; give a tag such as 'openai' or a file.")
    try:
        return _load(name, pretrained, device, dtype, cache_dir)
    except InputError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise InputError(f"The CLIP model '{name}' is too large for {device}; {SMALLER}.") from error
        model = f"The CLIP model '{name}'" + (f" with weights '{pretrained}'" if pretrained else "")
        check_hub(model, _repository(name, pretrained), error, cache_dir)
        raise InputError(f"{model} could not be loaded ({_reason(error)}); {_way_out(name, pretrained)}.") from error


def _load(
    name: str, pretrained: str | None, device: torch.device | str, dtype: torch.dtype, cache_dir: str | None
) -> ClipScorer:
    """By the library whose layout the weights are in."""
    where, _, place = name.partition(":")
    if where == "local-dir" and not (Path(place) / "open_clip_config.json").is_file():
        check_clip_folder(Path(place))
        return load_huggingface(place, device, dtype)
    if where == "hf-hub" and not _has_open_clip_config(place, cache_dir):
        return load_huggingface(place, device, dtype, cache_dir, local=False)
    if pretrained and os.path.isfile(pretrained) and is_huggingface_file(Path(pretrained)):
        return load_huggingface(str(Path(pretrained).parent), device, dtype)
    return _load_open_clip(name, pretrained, device, dtype, cache_dir)


def _load_open_clip(
    name: str, pretrained: str | None, device: torch.device | str, dtype: torch.dtype, cache_dir: str | None
) -> ClipScorer:
    library = open_clip()
    _check_known(name, pretrained)
    with torch.random.fork_rng(devices=[]), quiet_open_clip():  # building draws random weights
        model = library.create_model(
            name,
            pretrained=pretrained,
            force_quick_gelu=_trained_with_quick_gelu(name, pretrained),
            require_pretrained=True,
            cache_dir=cache_dir,
        )
        tokenizer = _tokenizer(name, cache_dir)
    model = model.to(device=device, dtype=dtype)
    config = library.get_model_preprocess_cfg(model)
    size = config["size"]
    height, width = (size, size) if isinstance(size, int) else size
    if height != width:
        raise InputError(f"The CLIP model '{name}' takes {height} x {width} images; use one that takes squares.")
    scorer = ClipScorer(model, tokenizer, height, tuple(config["mean"]), tuple(config["std"]))
    words = Path(name.removeprefix("local-dir:")) / "words.txt"  # beside weights that were taught few
    scorer.words = tuple(words.read_text(encoding="utf-8").split()) if words.is_file() else ()
    return scorer


def _check_known(name: str, pretrained: str | None) -> None:
    """Raise InputError where open_clip knows no model of a name, or no such weights of it."""
    known = name.replace("/", "-")
    if ":" in name or not pretrained:
        return
    if known not in open_clip().list_models():
        raise InputError(f"open_clip knows no model '{name}'; give one of its names, such as ViT-B-16, or a folder.")
    tags = open_clip().list_pretrained_tags_by_model(known)
    if not os.path.isfile(pretrained) and not open_clip().get_pretrained_cfg(known, pretrained):
        raise InputError(
            f"open_clip knows no weights '{pretrained}' of '{name}', and there is no such file; give a file"
            + (f", or one of {', '.join(tags)}." if tags else ".")
        )


def _reason(error: Exception) -> str:
    """What went wrong; of weights that do not fit, the first that does not."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if len(lines) > 1 and lines[0].startswith("Error(s) in loading state_dict"):
        return f"the weights are another model's: {lines[1].rstrip('.')[:160]}"
    return first_line(error)


def _way_out(name: str, pretrained: str | None) -> str:
    if name.startswith("local-dir:") or (pretrained and os.path.isfile(pretrained)):
        return "download it again, or give another"
    return (
        "pass 'local-dir:' and a folder with open_clip_config.json and weights, or connect to the network once to "
        "download it"
    )


def _has_open_clip_config(repository: str, cache_dir: str | None) -> bool:
    """False for a repository of the hub in Hugging Face's layout."""
    from huggingface_hub import hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    try:
        with quiet_libraries():
            hf_hub_download(repository, "open_clip_config.json", cache_dir=cache_dir)
    except LocalEntryNotFoundError:  # no network, and it is not in the cache
        return not isinstance(try_to_load_from_cache(repository, "config.json", cache_dir), str)
    except EntryNotFoundError:
        return False
    return True


def _tokenizer(name: str, cache_dir: str | None) -> Any:
    """The model's tokenizer; a config that comes with it may not ask for its own code to be run."""
    try:
        return open_clip().get_tokenizer(name, cache_dir=cache_dir, trust_remote_code=False)
    except TypeError:  # open_clip's own tokenizer has no such argument, for it runs no code
        return open_clip().get_tokenizer(name, cache_dir=cache_dir)
    except (OSError, ValueError, ImportError) as error:
        if not name.startswith("local-dir:"):
            raise
        raise InputError(
            f"The CLIP model '{name}' comes without its tokenizer ({first_line(error)}); put tokenizer.json or the "
            "tokenizer's other files beside its open_clip_config.json."
        ) from error


def _repository(name: str, pretrained: str | None) -> str:
    """The hub's repository that a model's weights come from; "" where they do not."""
    if ":" in name:
        return name.removeprefix("hf-hub:") if name.startswith("hf-hub:") else ""
    return str(open_clip().get_pretrained_cfg(name, pretrained or "").get("hf_hub", "")).strip("/")


def _trained_with_quick_gelu(name: str, pretrained: str | None) -> bool:
    """Whether weights need QuickGELU, as OpenAI's do; the plain model name ("ViT-B-16") would build
    with GELU and answer almost right, which is worse than an error.

    open_clip's table says so of each tag; a file is known by the tag in its name.
    """
    if not pretrained:  # a folder's or repository's config says it
        return False
    if not os.path.isfile(pretrained):
        return bool(open_clip().get_pretrained_cfg(name, pretrained).get("quick_gelu", False))
    file = _plain(Path(pretrained).stem)
    tags = [tag for tag in open_clip().list_pretrained_tags_by_model(name) if _plain(tag) in file]
    if not tags:
        return "openai" in file
    return bool(open_clip().get_pretrained_cfg(name, max(tags, key=len)).get("quick_gelu", False))


def _plain(name: str) -> str:
    """A name less what people write in several ways."""
    return re.sub(r"[^a-z0-9]", "", name.lower())
