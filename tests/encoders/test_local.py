"""What CLIP's towers say of each place."""

from __future__ import annotations

import open_clip
import pytest
import torch
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg

from region_core.encoders.clip import ClipScorer
from region_core.encoders.dino import sides_for
from region_core.encoders.local import local_embeddings, proxy_affinity, unit_of

TEXT = CLIPTextCfg(context_length=8, vocab_size=20, width=16, heads=2, layers=1)


def clip(**vision) -> CLIP:
    torch.manual_seed(0)
    return CLIP(12, CLIPVisionCfg(image_size=64, **vision), TEXT).eval()


def vit() -> CLIP:
    return clip(layers=2, width=16, head_width=8, patch_size=16)


def conv() -> CLIP:
    return clip(timm_model_name="test_resnet", timm_pool="avg", timm_proj="linear")


@pytest.mark.parametrize(("height", "width", "grid"), [(64, 64, (4, 4)), (32, 128, (2, 8))])
def test_a_transformers_places_have_the_pictures_aspect(height, width, grid):
    seen = local_embeddings(vit().visual, torch.rand(1, 3, height, width))
    assert seen.shape == (1, 12, *grid)


def test_the_mean_of_a_mean_pooled_towers_places_is_the_pictures_embedding():
    model, picture = conv(), torch.rand(1, 3, 96, 64)
    with torch.no_grad():
        places = local_embeddings(model.visual, picture)
        torch.testing.assert_close(places.mean(dim=(2, 3)), model.encode_image(picture))


def test_an_attention_pooled_resnets_places_can_be_read():
    model = clip(layers=(1, 1, 1, 1), width=8, head_width=8)
    assert unit_of(model.visual) == 32
    with torch.no_grad():
        assert local_embeddings(model.visual, torch.rand(1, 3, 64, 96)).shape == (1, 12, 2, 3)


def test_a_place_takes_over_what_alike_places_say():
    """Places that another network holds to be one thing say the same, and what others say not at all."""
    model, picture = vit(), torch.rand(1, 3, 64, 64)
    features = torch.zeros(2, 4, 4)
    features[0, :, :2], features[1, :, 2:] = 1, 1  # two things, left and right
    with torch.no_grad():
        alone = local_embeddings(model.visual, picture)
        shared = local_embeddings(model.visual, picture, lambda grid: proxy_affinity(features, grid))
        left = picture.clone()
        left[..., 32:] = 0.5
        changed = local_embeddings(model.visual, left, lambda grid: proxy_affinity(features, grid))
    assert alone[0, :, :, 0].std(dim=1).max() > 1e-3
    torch.testing.assert_close(shared[..., :2], shared[..., :1, :1].expand(-1, -1, 4, 2))
    assert not torch.allclose(shared[..., 2:], changed[..., 2:])


def test_affinities_are_weights():
    weights = proxy_affinity(torch.randn(8, 6, 5), (4, 3))
    assert weights.shape == (12, 12)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(12))


def test_a_tower_without_places_is_told_as_none():
    scorer = ClipScorer(clip(timm_model_name="test_vit", timm_pool="token", timm_proj="linear"),
                        open_clip.get_tokenizer("ViT-B-32"), 64, (0.5,) * 3, (0.5,) * 3)
    assert scorer.local(torch.rand(1, 3, 64, 64)) is None


def test_a_look_at_all_places_is_counted_by_its_pixels():
    scorer = ClipScorer(conv(), open_clip.get_tokenizer("ViT-B-32"), 64, (0.5,) * 3, (0.5,) * 3)
    scorer.local(torch.rand(1, 3, 50, 50), zoom=2.0)
    assert scorer.images_encoded == 4


@pytest.mark.parametrize(("height", "width", "expected"), [(100, 100, (64, 64)), (100, 400, (32, 128)),
                                                     (10, 1000, (32, 160))])
def test_sides_keep_area_and_aspect(height, width, expected):
    assert sides_for(height, width, 64, 32) == expected
