"""DINO: patch features and the [CLS] token's attention (the paper's step 1)."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..cost import on_forward
from ..errors import InputError, first_line
from ..files import path_of
from ..memory import in_chunks, is_out_of_memory
from ..quiet import quiet_libraries
from ..resize import resize
from ..weights import check_folder, check_hub

IMAGE_SIZE = 256  # pixels a side that a picture is read at
WIDEST = 6.0
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def nothing() -> None:
    """Stands where a caller may put something to be done before each forward."""


def check_numbers(made: Tensor, what: str, source: Tensor | None = None) -> None:
    """Raise InputError where what a model made is not numbers, and `source`, if it was made of one, is."""
    if not bool(made.isfinite().all()) and (source is None or bool(source.isfinite().all())):
        raise InputError(
            f"The {what} are not numbers (NaN or infinity), as half precision or damaged "
            "weights make them; load the model in float32, or use another."
        )


def sides_for(height: int, width: int, side: int, unit: int) -> tuple[int, int]:
    """(h, w) of a picture brought to an area of side x side pixels, each a multiple of `unit`.

    The aspect is kept up to `WIDEST` to one, so that what is in a wide picture is not squeezed.
    """
    aspect = min(max(height / width, 1 / WIDEST), WIDEST) ** 0.5
    return (max(1, round(side * aspect / unit)) * unit, max(1, round(side / aspect / unit)) * unit)


def prepare(
    images: Tensor, size: int | tuple[int, int], mean: tuple[float, ...], std: tuple[float, ...], like: Tensor
) -> Tensor:
    """[B, 3, H, W] in 0..1 -> [B, 3, h, w], normalised, on the device and dtype of `like`.

    `size` is a side or (h, w). The whole picture is brought to it: nothing is cropped, so a cell of a
    grid is always the same share of the picture. Raises InputError where the images are none.
    """
    if images.ndim != 4 or images.shape[1] != 3 or not images.is_floating_point():
        raise InputError(
            f"The images have shape {tuple(images.shape)} and type {images.dtype}; pass "
            "[B, 3, H, W] of floats between 0 and 1."
        )
    size = (size, size) if isinstance(size, int) else size
    x = images.to(device=like.device, dtype=torch.float32)
    if tuple(x.shape[-2:]) != size:
        x = resize(x, *size)
    # Bicubic overshoots at edges; the models were trained on pictures that cannot.
    x = x.clamp(0, 1)  # a copy: what follows may write into it
    scale = torch.tensor([mean, std], device=x.device)[:, None, :, None, None]
    return x.sub_(scale[0]).div_(scale[1]).to(like.dtype)


@dataclass
class PatchFeatures:
    """features: [B, D, h, w], row-major over the picture; attention: [B, h, w], at least 0."""

    features: Tensor
    attention: Tensor

    def saliency(self, height: int, width: int) -> Tensor:
        """The attention of each picture, from 0 to 1, as large as the picture: [B, 1, H, W]."""
        low, high = (bound(self.attention, (1, 2), True) for bound in (torch.amin, torch.amax))
        scaled = (self.attention - low) / (high - low).clamp(min=1e-8)
        return F.interpolate(scaled[:, None], (height, width), mode="bilinear", align_corners=False)


class DinoEncoder:
    """A transformers `ViTModel` read for patch features and [CLS] attention.

    Takes over `model`: it is put in eval mode with eager attention, the only kind that shows its
    weights. `image_size` is rounded down to whole patches, since a ViT drops the rest and the cells
    would no longer divide the picture. `before_forward` is called before each forward of at most
    `batch_size` pictures and may raise to stop. `images_encoded` counts what went through the model.
    """

    before_forward: Callable[[], None] = staticmethod(nothing)

    def __init__(self, model: nn.Module, image_size: int = IMAGE_SIZE) -> None:
        config: Any = model.config
        patch = config.patch_size
        self.feature_dim: int = int(config.hidden_size)
        self.patch_size: int = int(patch[0] if isinstance(patch, list | tuple) else patch)
        if image_size < self.patch_size:
            raise InputError(
                f"The DINO image size is {image_size}; choose at least {self.patch_size}, the model's patch size."
            )
        self.image_size = image_size // self.patch_size * self.patch_size
        self.batch_size = 8
        self.images_encoded = 0
        _use_eager_attention(model)
        self.model = model.eval()

    @property
    def device(self) -> torch.device:
        """Where the weights are now (they may be moved between calls)."""
        return next(self.model.parameters()).device

    @torch.no_grad()
    def __call__(self, images: Tensor) -> PatchFeatures:
        """images: [B, 3, H, W], 0..1, any size -> float32 features and attention on their device.

        The grid has the picture's aspect and about (image_size / patch)^2 cells.
        Attention is the last layer's, from [CLS] to each patch, averaged over heads.
        """
        chunks, self.batch_size = in_chunks(
            len(images),
            self.batch_size,
            lambda rows: self._encode(images[rows]),
            f"read pictures at fewer than the DINO encoder's {self.image_size} pixels, choose a smaller "
            "DINO model, or run it on another device",
        )
        features, attention = (torch.cat(parts).to(images.device) for parts in zip(*chunks, strict=True))
        check_numbers(features, "DINO encoder's features", images)
        return PatchFeatures(features, attention)

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of cells that are laid over a picture of so many pixels."""
        rows, columns = sides_for(height, width, self.image_size, self.patch_size)
        return rows // self.patch_size, columns // self.patch_size

    def _encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        self.before_forward()
        like = next(self.model.parameters())
        grid = self.grid(*images.shape[-2:])
        size = (grid[0] * self.patch_size, grid[1] * self.patch_size)
        pixels = prepare(images, size, IMAGENET_MEAN, IMAGENET_STD, like)
        self.images_encoded += len(pixels)
        out = self.model(pixel_values=pixels, output_attentions=True, interpolate_pos_encoding=True)
        tokens, attention = out.last_hidden_state, out.attentions[-1]
        prefix = tokens.shape[1] - grid[0] * grid[1]  # [CLS], and register tokens where a model has them
        features = tokens[:, prefix:].float().transpose(1, 2).unflatten(2, grid)
        seen = attention[:, :, 0, prefix:].float().mean(dim=1).unflatten(1, grid)
        on_forward()
        return features.contiguous(), seen.contiguous()


def _use_eager_attention(model: nn.Module) -> None:
    switch = getattr(model, "set_attn_implementation", None)
    if callable(switch):
        switch("eager")
    else:  # transformers before 4.53
        model.config._attn_implementation = "eager"  # type: ignore[union-attr]


def grid_of(folder: str | Path) -> int | None:
    """Cells a side of the grid that a DINO model in a local folder lays over a picture; None where its
    config.json is not to be had."""
    try:
        config = json.loads((path_of(folder) / "config.json").read_text(encoding="utf-8"))
        side = IMAGE_SIZE // int(config["patch_size"])
    except (OSError, ValueError, KeyError, TypeError, ArithmeticError):
        return None
    return side if side > 0 else None  # the loader will say what is wrong with it


def load_dino(
    path_or_hub_id: str | Path,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    image_size: int = IMAGE_SIZE,
    cache_dir: str | None = None,
) -> DinoEncoder:
    """A DINO encoder from a local folder or, where there is none of that name, from the hub.

    Raises InputError where neither can be read, or where the folder holds another kind of model.
    """
    from transformers import ViTModel

    name = str(path_or_hub_id)
    folder = path_of(name)
    local = os.path.isdir(folder)
    if local:
        check_folder(folder)
    options: dict[str, Any] = {
        "add_pooling_layer": False,
        "attn_implementation": "eager",
        "output_loading_info": True,
        "local_files_only": local,
        "cache_dir": cache_dir,
    }
    try:
        # Building the model draws random weights; the caller's generator stays as it is.
        with torch.random.fork_rng(devices=[]), quiet_libraries():
            model, info = ViTModel.from_pretrained(str(folder) if local else name, **options)
        model = model.to(device=device, dtype=dtype)
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
    if info["missing_keys"]:
        raise InputError(
            f"The model '{name}' lacks {len(info['missing_keys'])} of a ViT's weights (first: "
            f"{sorted(info['missing_keys'])[0]}); pass a DINO ViT such as facebook/dino-vitb8."
        )
    return DinoEncoder(model, image_size)
