"""Random models of the least size and a painter without a network: the whole way at little cost."""

from __future__ import annotations

import math
from functools import cache
from typing import Any
from unittest import mock

import open_clip
import torch
import torch.nn.functional as F
from transformers import ViTConfig, ViTModel

from region_core.edit import EditResult, edit_image
from region_core.encoders import ClipScorer, DinoEncoder
from region_core.find import regions
from region_core.paint.painter import Latents
from region_core.settings import SearchSettings

CAPTION, PROMPT = "a red circle", "a blue square"
LITTLE = SearchSettings(
    point_number=2, max_window_size=3, per_image_iteration=2, num_regions=2, steps=3, preview_steps=1, previews="never"
)
TAUGHT = LITTLE.with_values(previews="always", noise_samples=2)  # so that all of it runs


@cache
def encoders() -> tuple[DinoEncoder, ClipScorer]:
    """A DINO of 4 x 4 cells and a CLIP of 16 pixels with random weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        vit = ViTModel(
            ViTConfig(
                hidden_size=16,
                num_hidden_layers=1,
                num_attention_heads=2,
                intermediate_size=16,
                image_size=32,
                patch_size=8,
                attn_implementation="eager",
            ),
            add_pooling_layer=False,
        )
        clip = open_clip.CLIP(
            embed_dim=16,
            vision_cfg={"image_size": 16, "layers": 1, "width": 16, "head_width": 8, "patch_size": 8},
            text_cfg={"context_length": 20, "vocab_size": 49408, "width": 8, "heads": 1, "layers": 1},
        )
    tokenizer = open_clip.SimpleTokenizer(context_length=20)
    return DinoEncoder(vit, 32), ClipScorer(clip, tokenizer, 16, (0.5,) * 3, (0.25,) * 3)


def edit(
    image: Any, settings: SearchSettings = LITTLE, *, inpainter: Any = None, models: Any = None, **more: Any
) -> EditResult:
    """An edit; random weights see nothing that answers to the caption, and are not asked for that."""
    dino, scorer = models or encoders()
    with mock.patch.object(regions, "PRESENT", -math.inf):
        return edit_image(
            image,
            CAPTION,
            PROMPT,
            inpainter=inpainter or Painter(),
            dino=dino,
            scorer=scorer,
            settings=settings,
            **more,
        )


class Painter:
    """An inpainter of 32 pixels that fills the hole with noise of its seed."""

    size, device = 32, torch.device("cpu")

    def __init__(self) -> None:
        self.evaluations = self.vae_encodings = self.vae_decodings = 0.0

    def begin(
        self, images: torch.Tensor, masks: torch.Tensor, seed: int, steps: int, *, strength: float = 1.0, **_: Any
    ) -> Latents:
        """Noise, the same for all."""
        side = images.shape[-1]
        noise = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(seed % 2**63))
        z = noise.expand_as(images).clone()
        first = min(steps - 1, round(steps * (1 - strength)))
        return Latents(
            z=z, denoised=z.clone(), step=first, steps=steps, extra={"images": images.clone(), "masks": masks.clone()}
        )

    def advance(self, latents: Latents, stop: int, guidance: float = 1.0) -> Latents:
        """Count the steps."""
        self.evaluations += len(latents) * (stop - latents.step)
        return Latents(latents.z, latents.z, stop, latents.steps, latents.extra)

    def decode(self, latents: Latents) -> torch.Tensor:
        """The noise in the hole, at the size of the estimate: half way it is looked at smaller."""
        side = latents.denoised.shape[-1]
        masks, images = (F.adaptive_avg_pool2d(latents.extra[name], side) for name in ("masks", "images"))
        return torch.where(masks > 0.5, latents.denoised, images)
