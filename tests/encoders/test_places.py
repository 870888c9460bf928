"""What CLIP's towers say of each place."""

from __future__ import annotations

import open_clip
import pytest
import torch
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg

from region_core.encoders.affinity import proxy_affinity
from region_core.encoders.base import sides_for
from region_core.encoders.clip import ClipScorer
from region_core.encoders.places import NoPlaces, reader_of

from .towers import TOWERS, tower

TEXT = CLIPTextCfg(context_length=8, vocab_size=20, width=16, heads=2, layers=1)


def clip(**vision) -> CLIP:
    torch.manual_seed(0)
    return CLIP(12, CLIPVisionCfg(image_size=64, **vision), TEXT).eval()


def vit() -> CLIP:
    return clip(layers=2, width=16, head_width=8, patch_size=16)


def conv() -> CLIP:
    return clip(timm_model_name="test_resnet", timm_pool="avg", timm_proj="linear")


def places_of(model, pixels, affinity=None):
    """Embeddings of pictures and of their places."""
    return reader_of(model.visual)(model.visual, pixels, affinity)


@pytest.mark.parametrize(("height", "width", "grid"), [(64, 64, (4, 4)), (32, 128, (2, 8))])
def test_a_transformers_places_have_the_pictures_aspect(height, width, grid):
    model, picture = vit(), torch.rand(2, 3, height, width)
    pooled, places = places_of(model, picture)
    assert places.shape == (2, 12, *grid)
    assert pooled.shape == (2, 12)


@pytest.mark.parametrize("layers", [2, (1, 1, 1, 1)])
def test_the_picture_is_embedded_in_the_same_forward(layers):
    model = vit() if layers == 2 else clip(layers=layers, width=8, head_width=8)
    picture = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(places_of(model, picture)[0], model.encode_image(picture))


def test_the_mean_of_a_mean_pooled_towers_places_is_the_pictures_embedding():
    model, picture = conv(), torch.rand(1, 3, 96, 64)
    with torch.no_grad():
        pooled, places = places_of(model, picture)
        torch.testing.assert_close(places.mean(dim=(2, 3)), model.encode_image(picture))
        torch.testing.assert_close(pooled, model.encode_image(picture))


def test_an_attention_pooled_resnets_places_can_be_read():
    model = clip(layers=(1, 1, 1, 1), width=8, head_width=8)
    with torch.no_grad():
        assert places_of(model, torch.rand(1, 3, 64, 64))[1].shape == (1, 12, 2, 2)


def test_a_place_takes_over_what_alike_places_say():
    """Places that another network holds to be one thing say the same, and what others say not at all."""
    model, picture = vit(), torch.rand(1, 3, 64, 64)
    features = torch.zeros(1, 2, 4, 4)
    features[0, 0, :, :2], features[0, 1, :, 2:] = 1, 1  # two things, left and right
    with torch.no_grad():
        alone = places_of(model, picture)[1]
        shared = places_of(model, picture, lambda grid: proxy_affinity(features, grid))[1]
        left = picture.clone()
        left[..., 32:] = 0.5
        changed = places_of(model, left, lambda grid: proxy_affinity(features, grid))[1]
    assert alone[0, :, :, 0].std(dim=1).max() > 1e-3
    torch.testing.assert_close(shared[..., :2], shared[..., :1, :1].expand(-1, -1, 4, 2))
    assert not torch.allclose(shared[..., 2:], changed[..., 2:])


def test_affinities_are_weights():
    weights = proxy_affinity(torch.randn(2, 8, 6, 5), (4, 3))
    assert weights.shape == (2, 12, 12)
    torch.testing.assert_close(weights.sum(dim=2), torch.ones(2, 12))


@pytest.mark.parametrize("kind", TOWERS)
def test_every_tower_says_of_a_place_what_is_there(kind):
    scorer, grid = tower(kind)
    size = scorer.image_size
    picture = torch.full((1, 3, size, size), 0.5)
    changed = picture.clone()
    rows, columns = size // grid[0], size // grid[1]
    changed[..., -rows:, :columns] = torch.rand(3, rows, columns)  # the cell at the lower left
    features = torch.rand(1, 8, *grid)
    pooled, before = scorer.places(picture, features)
    assert before.shape[2:] == grid
    assert before.shape[:2] == pooled.shape
    torch.testing.assert_close(torch.nn.functional.normalize(pooled, dim=1), scorer.encode_images(picture))
    apart = torch.eye(grid[0] * grid[1]).reshape(1, -1, *grid)  # no place is like another
    before, after = (scorer.places(one, apart)[1] for one in (picture, changed))
    place = int((after - before).norm(dim=1).argmax())
    assert divmod(place, grid[1]) == (grid[0] - 1, 0)
    assert scorer.shows_places
    assert scorer.why_no_places == ""


@pytest.mark.parametrize("kind", [kind for kind in TOWERS if "siglip" in kind or "mean" in kind])
def test_of_a_picture_that_is_the_same_all_over_each_place_says_what_the_picture_does(kind):
    """So a place goes through the pooling that the picture goes through."""
    scorer, grid = tower(kind)
    for name, value in scorer.model.named_parameters():
        if "pos_embed" in name or "position_embedding" in name:
            torch.nn.init.zeros_(value)
    pooled, places = scorer.places(torch.full((1, 3, 64, 64), 0.3), torch.rand(1, 4, *grid))
    torch.testing.assert_close(places, pooled[..., None, None].expand_as(places), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("vision", "says"),
    [
        ({"timm_model_name": "resnet10t", "timm_pool": "abs_attn"}, "pools by attention over a whole map"),
        (
            {
                "layers": 1,
                "width": 16,
                "head_width": 8,
                "patch_size": 16,
                "attentional_pool": True,
                "attn_pooler_heads": 4,
            },
            "pools its places by learned queries, as CoCa's does",
        ),
    ],
)
def test_a_tower_without_places_says_why(vision, says):
    scorer = ClipScorer(clip(**vision), open_clip.SimpleTokenizer(context_length=8), 64, (0.5,) * 3, (0.5,) * 3)
    assert scorer.places(torch.rand(1, 3, 64, 64), torch.rand(1, 2, 4, 4)) is None
    assert not scorer.shows_places
    assert says in scorer.why_no_places


def test_a_tower_may_bring_what_reads_it():
    class Own(torch.nn.Module):
        def read_places(self, pixels, affinity):
            return pixels.mean((2, 3)), pixels

    model, pixels = torch.nn.Module(), torch.rand(1, 3, 4, 4)
    model.visual = Own()
    torch.testing.assert_close(places_of(model, pixels)[1], pixels)
    with pytest.raises(NoPlaces, match="Linear, is of no kind"):
        reader_of(torch.nn.Linear(1, 1))


def test_a_look_at_places_is_counted_and_made_in_chunks():
    scorer = ClipScorer(conv(), open_clip.get_tokenizer("ViT-B-32"), 64, (0.5,) * 3, (0.5,) * 3)
    scorer.batch_size = 2
    images, features = torch.rand(3, 3, 50, 50), torch.rand(3, 2, 4, 4)
    pooled, places = scorer.places(images, features)
    assert scorer.images_encoded == 3
    torch.testing.assert_close(places[2:], scorer.places(images[2:], features[2:])[1])


@pytest.mark.parametrize(
    ("height", "width", "expected"), [(100, 100, (64, 64)), (100, 400, (32, 128)), (10, 1000, (32, 160))]
)
def test_sides_keep_area_and_aspect(height, width, expected):
    assert sides_for(height, width, 64, 32) == expected
