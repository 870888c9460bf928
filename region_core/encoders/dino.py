"""DINO of any generation: patch features and the [CLS] token's attention (the paper's step 1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ..cost import on_forward
from ..defaults import plain_defaults
from ..errors import InputError
from ..memory import in_chunks
from ..resize import fingerprint
from .base import IMAGENET_MEAN, IMAGENET_STD, PatchFeatures, check_numbers, nothing, prepare, sides_for

CELLS = 32  # a side of the grid where no image size is given: 256 pixels at patch 8, 448 at 14, 512 at 16


class DinoEncoder:
    """A vision transformer of transformers' layout, read for patch features and [CLS] attention.

    `ViTModel` (DINO), `Dinov2Model`, `Dinov2WithRegistersModel`, `DINOv3ViTModel`, or `TimmVit`. Takes
    over `model`: it is put in eval mode with eager attention, the only kind that shows its weights.
    `image_size`, `CELLS` patches where none is given, is rounded down to whole patches, since a ViT
    drops the rest and the cells would no longer divide the picture. `before_forward` is called before
    each forward of at most `batch_size` pictures and may raise to stop. `images_encoded` counts what
    went through the model.
    """

    before_forward: Callable[[], None] = staticmethod(nothing)

    def __init__(self, model: nn.Module, image_size: int | None = None) -> None:
        config: Any = model.config
        patch = config.patch_size
        self.kind: str = getattr(config, "model_type", "vit")
        self.feature_dim: int = int(config.hidden_size)
        self.patch_size: int = int(patch[0] if isinstance(patch, list | tuple) else patch)
        image_size = CELLS * self.patch_size if image_size is None else image_size
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

    @plain_defaults
    @torch.no_grad()
    def __call__(self, images: Tensor) -> PatchFeatures:
        """images: [B, 3, H, W], 0..1, any size -> float32 features and attention on their device.

        The grid has the picture's aspect and about (image_size / patch)^2 cells.
        Attention is the last layer's, from [CLS] to each patch, averaged over heads.
        """
        chunks, _ = in_chunks(
            len(images),
            self.batch_size,
            lambda rows: self._encode(images[rows]),
            f"read pictures at fewer than the DINO encoder's {self.image_size} pixels, choose a smaller "
            "DINO model, or run it on another device",
        )
        features, attention = (torch.cat(parts).to(images.device) for parts in zip(*chunks, strict=True))
        check_numbers(features, "DINO encoder's features", images)
        return PatchFeatures(features, attention, tuple(map(fingerprint, images.split(1))))

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
        # the newer ones bring their positions to any size unasked, and some know no such argument
        any_size = {"interpolate_pos_encoding": True} if self.kind == "vit" else {}
        out = self.model(pixel_values=pixels, output_attentions=True, **any_size)
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
