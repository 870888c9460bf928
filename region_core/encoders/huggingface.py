"""CLIP, SigLIP and SigLIP 2 of transformers, with the calls that open_clip's models have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .places.common import Affinity, each_alone, laid_out, shared


class HuggingFaceModel(nn.Module):
    """A `CLIPModel`, `SiglipModel` or `Siglip2Model` as a `ClipScorer` calls it."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        kind = {"clip": ClipTower, "siglip": SiglipTower, "siglip2": PatchedSiglipTower}[model.config.model_type]
        self.text, self.text_projection = model.text_model, getattr(model, "text_projection", nn.Identity())
        self.visual = kind(model)
        self.context_length = int(model.config.text_config.max_position_embeddings)

    def encode_image(self, pixels: Tensor) -> Tensor:
        return self.visual(pixels)

    def encode_text(self, ids: Tensor) -> Tensor:
        return self.text_projection(self.text(input_ids=ids).pooler_output)


class _Tower(nn.Module):
    """What the towers have in common; `image_size` in pixels, squares alone."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.vision, config = model.vision_model, model.config.vision_config
        self.patch_size = int(config.patch_size)
        self.image_size = self._image_size(config)

    def _image_size(self, config: Any) -> int:
        return int(config.image_size)

    def _run(self, pixels: Tensor) -> Any:
        return self.vision(pixel_values=pixels)

    def _grid(self, pixels: Tensor) -> tuple[int, int]:
        return pixels.shape[-2] // self.patch_size, pixels.shape[-1] // self.patch_size


class ClipTower(_Tower):
    """CLIP's: a class token, whose output is projected."""

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        self.projection = model.visual_projection

    def forward(self, pixels: Tensor) -> Tensor:
        return self.projection(self._run(pixels).pooler_output)

    def with_tokens(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings [B, E] and patch tokens [B, N, D], normalised."""
        out = self._run(pixels)
        return self.projection(out.pooler_output), self.vision.post_layernorm(out.last_hidden_state[:, 1:])

    def read_places(self, pixels: Tensor, affinity: Affinity | None = None) -> tuple[Tensor, Tensor]:
        """See `places.Reader`: what places pass on in the last block, as of open_clip's transformers."""
        last, before = self.vision.encoder.layers[-1], []
        handle = last.register_forward_pre_hook(lambda _, args: before.append(args[0]))
        try:
            pooled = self(pixels)
        finally:
            handle.remove()
        values = each_alone(lambda one: last.self_attn(last.layer_norm1(one))[0], before[0][:, 1:])
        grid = self._grid(pixels)
        cells = self.projection(self.vision.post_layernorm(shared(values, grid, affinity)))
        return pooled, laid_out(cells, grid)


class SiglipTower(_Tower):
    """SigLIP's: places pooled by attention, each of which can be pooled alone."""

    def forward(self, pixels: Tensor) -> Tensor:
        return self._run(pixels).pooler_output

    def with_tokens(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings [B, E] and patch tokens [B, N, D], normalised."""
        out = self._run(pixels)
        return out.pooler_output, out.last_hidden_state

    def read_places(self, pixels: Tensor, affinity: Affinity | None = None) -> tuple[Tensor, Tensor]:
        """See `places.Reader`; its places need no affinity."""
        pooled, tokens = self.with_tokens(pixels)
        return pooled, laid_out(each_alone(self.vision.head, tokens), self._grid(pixels))


class PatchedSiglipTower(SiglipTower):
    """SigLIP 2 with any aspect (NaFlex), which takes patches; given the squares that it has positions for."""

    def _image_size(self, config: Any) -> int:
        return int(round(config.num_patches**0.5)) * self.patch_size

    def _run(self, pixels: Tensor) -> Any:
        rows, columns = self._grid(pixels)
        patches = pixels.unflatten(3, (columns, -1)).unflatten(2, (rows, -1))  # [B, 3, rows, p, columns, p]
        patches = patches.permute(0, 2, 4, 3, 5, 1).flatten(1, 2).flatten(2)
        shape = torch.tensor([[rows, columns]], dtype=torch.long, device=pixels.device).expand(len(pixels), -1)
        mask = torch.ones(patches.shape[:2], dtype=torch.long, device=pixels.device)
        return self.vision(patches, mask, shape)  # whose names differ between versions


class HuggingFaceTokenizer:
    """A tokenizer of transformers as open_clip's are called; texts in small letters, as these models read them."""

    def __init__(self, tokenizer: Any, context_length: int) -> None:
        self.tokenizer, self.context_length = tokenizer, context_length

    def __call__(self, texts: Sequence[str], context_length: int | None = None) -> Tensor:
        return self.tokenizer(
            [text.lower() for text in texts],
            padding="max_length",
            truncation=True,
            max_length=context_length or self.context_length,
            return_tensors="pt",
        ).input_ids
