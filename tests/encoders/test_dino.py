"""The DINO wrapper: normalisation, layout, sizes."""

from __future__ import annotations

import pytest
import torch

from region_core.encoders import IMAGENET_MEAN, IMAGENET_STD, DinoEncoder
from region_core.errors import InputError

from .tiny import normalised, pictures, tiny_vit

# --- DINO -------------------------------------------------------------------------------------


def test_dino_normalises_for_itself():
    encoder = DinoEncoder(tiny_vit(), image_size=32)
    received = []
    encoder.model.embeddings.register_forward_pre_hook(lambda _, args: received.append(args[0]))
    images = pictures(2, 32, 32)
    encoder(images)
    torch.testing.assert_close(received[0], normalised(images, IMAGENET_MEAN, IMAGENET_STD))


def test_dino_features_are_the_patch_tokens_row_by_row():
    model = tiny_vit()
    images = pictures(1, 64, 64)
    pixels = normalised(images, IMAGENET_MEAN, IMAGENET_STD)
    with torch.no_grad():
        out = model(pixels, output_attentions=True, interpolate_pos_encoding=True)
    found = DinoEncoder(model, image_size=64)(images)
    assert found.features.shape == (1, 24, 8, 8)
    assert found.attention.shape == (1, 8, 8)
    for row, column in [(0, 1), (3, 6), (7, 0)]:
        token = 1 + row * 8 + column
        torch.testing.assert_close(found.features[0, :, row, column], out.last_hidden_state[0, token])
        torch.testing.assert_close(found.attention[0, row, column], out.attentions[-1][0, :, 0, token].mean())


def test_dino_shows_attention_whatever_the_model_was_built_with():
    images = pictures(1, 32, 32)
    eager = DinoEncoder(tiny_vit("eager"), 32)(images)
    fused = DinoEncoder(tiny_vit("sdpa"), 32)(images)
    torch.testing.assert_close(fused.attention, eager.attention)
    assert fused.attention.std() > 0


def test_dino_keeps_the_aspect_works_in_chunks_and_rounds_the_sides_to_whole_patches():
    encoder = DinoEncoder(tiny_vit(), image_size=45)
    assert encoder.image_size == 40
    encoder.batch_size = 2
    images = pictures(3, 50, 31)
    found = encoder(images)
    assert found.features.shape == (3, 24, 6, 4)  # the picture is higher than wide, and so is its grid
    torch.testing.assert_close(found.features[2], encoder(images[2:]).features[0])


def test_dino_in_bfloat16_answers_in_float32():
    exact = DinoEncoder(tiny_vit(), 48)(pictures(1, 40, 40))
    rough = DinoEncoder(tiny_vit().to(torch.bfloat16), 48)(pictures(1, 40, 40))
    assert rough.features.dtype == rough.attention.dtype == torch.float32
    assert torch.cosine_similarity(rough.features, exact.features).mean() > 0.98


def test_dino_refuses_what_is_no_batch_of_pictures():
    encoder = DinoEncoder(tiny_vit(), 32)
    for bad in (torch.rand(3, 32, 32), torch.rand(1, 4, 32, 32), torch.zeros(1, 3, 8, 8).byte()):
        with pytest.raises(InputError, match="B, 3, H, W"):
            encoder(bad)
    with pytest.raises(InputError, match="at least 8"):
        DinoEncoder(tiny_vit(), image_size=7)
