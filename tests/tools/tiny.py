"""Random models of the least size and a painter without a network: the whole way at little cost."""

from __future__ import annotations

from functools import cache
from typing import Any

import open_clip
import torch
from transformers import ViTConfig, ViTModel

from region_core.edit import edit_image
from region_core.edits import Edits
from region_core.encode import encode_picture
from region_core.encoders import ClipScorer, DinoEncoder
from region_core.find import find_regions
from region_core.settings import EditSettings

from ..edits import CAPTION, PROMPT, insisted
from ..painters import FillingPainter

__all__ = ["CAPTION", "LITTLE", "PAPER", "PROMPT", "edit", "encoders"]

LITTLE = EditSettings().with_values(
    point_number=2, max_window_size=3, num_regions=2, steps=3, guidance_scale=1.0, per_image_iteration=2, views=2
)
PAPER = LITTLE.with_values(method="paper")


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
    image: Any,
    settings: EditSettings = LITTLE,
    *,
    painter: Any = None,
    models: Any = None,
    prior: Any = None,
    **more: Any,
) -> Edits:
    """An edit; random weights see nothing that answers to the caption, and are not asked for that."""
    dino, scorer = models or encoders()
    given = {"prior": prior}
    if settings.method == "evidence":
        encoded = encode_picture(image, dino=dino, scorer=scorer)
        found = find_regions(encoded, CAPTION, scorer=scorer, settings=settings.find, prior=prior)
        given = {"encoded": encoded, "regions": insisted(found)}
    return edit_image(
        image,
        CAPTION,
        PROMPT,
        painter=painter or FillingPainter(32),
        dino=dino,
        scorer=scorer,
        settings=settings,
        **given,
        **more,
    )
