"""Inpainting pipelines of diffusers: from a folder, a single file or the hub."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from ..defaults import plain_defaults
from ..errors import InputError, first_line
from ..files import path_of
from ..memory import is_out_of_memory
from ..quiet import quiet_libraries, without_warnings
from ..weights import (
    WEIGHTS,
    check_file,
    check_folder,
    check_hub,
    is_offline,
    is_unreachable,
    offline_variable,
    variant_of,
)

DEFAULT_MODEL = "sd2-community/stable-diffusion-2-inpainting"
LOWER = "choose --dtype float16, a smaller inpainting model, or another device"
# hub ids that answer 404, and where the same weights are
MIRRORS = {
    "stabilityai/stable-diffusion-2-inpainting": DEFAULT_MODEL,
    "runwayml/stable-diffusion-inpainting": "stable-diffusion-v1-5/stable-diffusion-inpainting",
}
_PARTS = {"first_stage_model.": "VAE", "cond_stage_model.": "text encoder"}  # of a single file, beside the UNet


@plain_defaults
def load_pipeline(
    path_or_id: str | Path, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32
) -> Any:
    """A `StableDiffusionInpaintPipeline` from a local folder, a single file or a hub id.

    Raises InputError where diffusers is not installed, nothing is found, nothing can be downloaded,
    or it is no inpainting model.
    """
    name = str(path_or_id)
    local = path_of(name)
    on_disk = os.path.exists(local)
    if not on_disk and (name.count("/") != 1 or name.startswith((".", "/", "~"))):
        raise InputError(
            f"inpainting model {name!r}: no such file or folder; give a diffusers "
            f"folder, a .safetensors file or a hub id such as {DEFAULT_MODEL}"
        )
    kind = pipeline_class()
    try:
        # some versions draw random weights first; the caller's generator stays as it is
        with torch.random.fork_rng(devices=[]), quiet_libraries():
            if not on_disk:  # what arrived, or was in the cache, is looked at before it is loaded
                local = _downloaded(kind, name)
            pipe = _read(kind, local, dtype)
        _check_text_encoder(pipe, local / "text_encoder")
        pipe.set_progress_bar_config(disable=True)
        return pipe.to(device)
    except InputError:
        raise
    except Exception as error:  # of four libraries, on files of any kind
        if is_out_of_memory(error):  # some versions move it to the device as soon as it is read
            raise InputError(
                f"inpainting model {name!r} is too large for {device} ({first_line(error)}); {LOWER}"
            ) from error
        if on_disk and local.is_file() and is_unreachable(error):
            raise InputError(_without_settings(name)) from error
        check_hub(f"the inpainting model '{name}'", "" if on_disk else name, error)
        way = "is there a network, and is the name right? A local folder works without one"
        raise InputError(
            f"inpainting model {name!r} could not be loaded ({first_line(error)}); "
            + ("is it an inpainting pipeline?" if on_disk else way)
        ) from error


def pipeline_class() -> Any:
    """diffusers' class of inpainting pipelines; InputError where diffusers cannot be imported."""
    try:
        with without_warnings():
            from diffusers import StableDiffusionInpaintPipeline
    except ImportError as error:
        raise InputError(
            f"Painting on the command line needs diffusers, which cannot be imported here ({first_line(error)}); "
            'run: pip install "diffusers>=0.32".'
        ) from error
    return StableDiffusionInpaintPipeline


def _downloaded(kind: Any, name: str) -> Path:
    """The folder in the hub's cache; half-precision weights where there are no others."""
    folder = Path(kind.download(name, safety_checker=None))
    if not any(path.suffix in WEIGHTS for path in folder.glob("unet/*")):
        folder = Path(kind.download(name, safety_checker=None, variant="fp16"))
    return folder


def _read(kind: Any, local: Path, dtype: torch.dtype) -> Any:
    """The pipeline of a file or folder that looks sound."""
    if local.is_file():
        check_file(local)
        _check_parts(local)
        return kind.from_single_file(str(local), torch_dtype=dtype)
    if not (local / "model_index.json").is_file():
        within = [path for pattern in ("*", "snapshots/*") for path in local.glob(f"{pattern}/model_index.json")]
        raise InputError(
            f"inpainting model '{local}' is a folder without model_index.json, no diffusers pipeline; give the folder "
            + (f"of one, such as '{within[0].parent}'" if within else "of one")
        )
    check_folder(local)
    _check_tokenizer(local / "tokenizer")
    return kind.from_pretrained(str(local), torch_dtype=dtype, safety_checker=None, variant=variant_of(local))


def _check_parts(path: Path) -> None:
    """Raise InputError where a single file lacks a part: of some models people share the UNet alone."""
    from safetensors import safe_open

    if path.suffix != ".safetensors":
        return
    with safe_open(str(path), framework="pt") as file:
        names = list(file.keys())
    lacking = [part for prefix, part in _PARTS.items() if not any(name.startswith(prefix) for name in names)]
    if lacking:
        raise InputError(
            f"inpainting model '{path}' holds no {' and no '.join(lacking)}; give a file with all parts of a Stable "
            "Diffusion inpainting model, or a diffusers folder"
        )


def _without_settings(name: str) -> str:
    """For a single file, whose settings diffusers looks for on the hub."""
    why = f"{offline_variable()} forbids to download them" if is_offline() else "the hub cannot be reached"
    return (
        f"inpainting model {name!r} is one file of weights; diffusers reads the settings of its parts and its "
        f"tokenizer from the hub or its cache, where they are not, and {why}; give the model as a diffusers folder "
        "(with model_index.json and a folder for each part), which has them"
    )


def _check_tokenizer(folder: Path) -> None:
    """Refuse a tokenizer without its words: by its versions transformers makes one of none, or asks for libraries."""
    if not any((folder / name).is_file() for name in ("tokenizer.json", "vocab.json")):
        raise InputError(
            f"inpainting model '{folder.parent}' comes without its tokenizer; put vocab.json and merges.txt into its "
            "folder tokenizer, or download all of the model again"
        )


def _check_text_encoder(pipe: Any, folder: Path) -> None:
    """Refuse a text encoder whose weights in `folder` were not taken: under names that it does not know
    transformers leaves it at random values, and says so in a note at most."""
    from safetensors import safe_open

    for path in sorted(folder.glob("*.safetensors")) if folder.is_dir() else ():
        with safe_open(str(path), framework="pt") as file:
            names = [name for name in file.keys() if name.endswith("token_embedding.weight")]  # noqa: SIM118
            if not names:
                continue
            row = file.get_slice(names[0])[:1]
        taken = pipe.text_encoder.get_input_embeddings().weight[:1].detach().cpu()
        if not torch.equal(row.to(taken.dtype), taken):
            raise InputError(
                f"'{path}' names its weights in a way that this version of transformers does "
                "not know; update transformers, or save the model anew with this one"
            )
        return  # model.fp16.safetensors beside model.safetensors says the same
