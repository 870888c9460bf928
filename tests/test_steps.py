"""The steps used alone: what is asked again, and what is not, counted on the models."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from region_core import EncodedPicture, InputError, edit_image, encode_picture, find_regions, paint_regions, rank_edits
from region_core.cost import Cost, cost_so_far
from region_core.demo.worlds import held_out
from region_core.edits import NO_REGION
from region_core.encoders.loading import Models
from region_core.find import Regions
from region_core.picture import picture_from

from .edits import QUICK, insisted, regions_at, scene_picture
from .painters import FillingPainter

SCENE, WISH = held_out(5, 1)
TWO = QUICK.with_values(num_regions=2)


class Spent:
    """What went through the models since it was last asked."""

    def __init__(self, models: Models, painter: FillingPainter) -> None:
        self.models = (painter, models.dino, models.scorer)
        self.before = cost_so_far(*self.models)

    def __call__(self) -> Cost:
        now = cost_so_far(*self.models)
        spent, self.before = now - self.before, now
        return spent


@pytest.fixture(scope="module")
def encoded(models: Models) -> EncodedPicture:
    return encode_picture(SCENE.image, dino=models.dino, scorer=models.scorer)


@pytest.fixture(scope="module")
def found(models: Models, encoded: EncodedPicture) -> Regions:
    return find_regions(encoded, WISH.caption, scorer=models.scorer)


@pytest.fixture
def world(models: Models, found: Regions) -> SimpleNamespace:  # found: the texts that all compare with are kept
    painter = FillingPainter(128, (0.1, 0.2, 0.9))
    return SimpleNamespace(
        picture=picture_from(SCENE.image),
        scorer=models.scorer,
        models=models,
        painter=painter,
        spent=Spent(models, painter),
        encoders={"dino": models.dino, "scorer": models.scorer},
    )


def test_a_region_is_found_without_a_painter(world: SimpleNamespace) -> None:
    regions = find_regions(world.picture, WISH.caption, **world.encoders)
    assert regions.found
    assert regions[0].mask.shape == (1, 1, 128, 128)
    spent = world.spent()
    assert spent.dino_images == 1
    assert spent.unet_evaluations == 0


def test_three_captions_of_one_encoded_picture_cost_one_encoding(world: SimpleNamespace) -> None:
    encoded = encode_picture(world.picture, **world.encoders)
    first = world.spent()
    assert first.dino_images == 1
    assert first.clip_images > 1  # the whole, and windows
    assert first.clip_texts == 0
    whole = find_regions(world.picture, WISH.caption, **world.encoders)
    alone = world.spent()
    for caption in (WISH.caption, "a white cross", "a green ring"):
        regions = find_regions(encoded, caption, scorer=world.scorer)
        spent = world.spent()
        assert (spent.dino_images, spent.unet_evaluations) == (0, 0)
        assert spent.clip_texts == 1
        if caption == WISH.caption:
            assert spent.clip_images <= alone.clip_images - first.clip_images, "the picture's views were asked again"
            assert [one.box for one in regions] == [one.box for one in whole]
            assert torch.equal(regions.relevance, whole.relevance)


def test_another_region_costs_its_own_painting_alone(world: SimpleNamespace, encoded, found) -> None:
    regions = found
    assert len(regions) > 1
    (made,) = paint_regions(world.picture, regions.pick(1), world.painter, seed=1, settings=QUICK.paint)
    spent = world.spent()
    assert made.box == regions[1].box
    assert spent == Cost(unet_evaluations=2 * QUICK.paint.steps)
    edits = edit_image(
        world.picture.rgb,
        WISH.caption,
        WISH.prompt,
        painter=world.painter,
        dino=None,
        scorer=world.scorer,
        settings=TWO,
        encoded=encoded,
        regions=regions.pick(1),
        seed=1,
    )
    spent = world.spent()
    assert [one.box for one in edits] == [regions[1].box]
    assert (spent.dino_images, spent.unet_evaluations) == (0, 2 * QUICK.paint.steps)
    assert spent.clip_images == 3  # ranked: the edit, and the region's surroundings before and after
    assert torch.equal(edits[0].picture, made.picture)


def test_another_prompt_searches_nothing(world: SimpleNamespace, encoded, found) -> None:
    for prompt in ("a white cross", "a green ring"):
        edits = edit_image(
            world.picture.rgb,
            WISH.caption,
            prompt,
            painter=world.painter,
            **world.encoders,
            settings=TWO,
            encoded=encoded,
            regions=found,
        )
        spent = world.spent()
        assert (spent.dino_images, spent.clip_texts) == (0, 2)
        assert spent.clip_images == 3 * len(edits)
        assert edits.regions is found


def test_all_steps_by_hand_give_what_edit_image_gives(world: SimpleNamespace) -> None:
    edits = edit_image(
        world.picture.rgb, WISH.caption, WISH.prompt, painter=world.painter, **world.encoders, settings=TWO, seed=7
    )
    encoded = encode_picture(world.picture, **world.encoders)
    regions = find_regions(encoded, WISH.caption, scorer=world.scorer, settings=TWO.find)
    made = paint_regions(world.picture, regions[:2], world.painter, seed=7, settings=TWO.paint)
    ranked = rank_edits(made, encoded, WISH.caption, WISH.prompt, scorer=world.scorer, settings=TWO.rank)
    assert len(edits) == 2
    for one, other in zip(edits, ranked, strict=True):
        assert (one.box, one.score, one.rank_score, one.parts) == (
            other.box,
            other.score,
            other.rank_score,
            other.parts,
        )
        assert torch.equal(one.picture, other.picture)
        assert torch.equal(one.mask, other.mask)


def test_nothing_found_is_not_looked_for_again(world: SimpleNamespace) -> None:
    scene, asked = held_out(4242, 1, "absent")
    encoded = encode_picture(scene.image, **world.encoders)
    nothing = find_regions(encoded, asked.caption, scorer=world.scorer)
    assert not nothing.found
    assert not len(nothing)
    world.spent()
    edits = edit_image(
        scene.image,
        asked.caption,
        asked.prompt,
        painter=world.painter,
        **world.encoders,
        encoded=encoded,
        regions=nothing,
    )
    assert world.spent() == Cost()
    assert (edits.verdict, edits.reason) == (NO_REGION, nothing.why)
    assert edits.regions is nothing
    assert insisted(nothing)[0] is nothing.likeliest[0]


def test_regions_of_another_picture_or_caption_are_refused_before_anything_is_done(
    world: SimpleNamespace, encoded, found
) -> None:
    regions = found
    other = scene_picture(held_out(5, 2)[0])
    changed = SCENE.image.copy()
    changed[5, 7] = 255 - changed[5, 7]  # one pixel is another picture
    for image in (other, changed):
        with pytest.raises(InputError, match="regions were found in another picture; find them in this one"):
            edit_image(image, WISH.caption, "a fox", painter=world.painter, **world.encoders, regions=regions)
        with pytest.raises(InputError, match="another picture was encoded; encode this one"):
            edit_image(image, WISH.caption, "a fox", painter=world.painter, **world.encoders, encoded=encoded)
    with pytest.raises(InputError, match=f"found for '{WISH.caption}' and the caption is 'a hen'"):
        edit_image(
            world.picture.rgb,
            "a hen",
            "a fox",
            painter=world.painter,
            **world.encoders,
            encoded=encoded,
            regions=regions,
        )
    assert world.spent() == Cost()


def test_the_published_method_takes_no_regions(world: SimpleNamespace, encoded) -> None:
    with pytest.raises(InputError, match="published method .* regions"):
        edit_image(
            world.picture.rgb,
            WISH.caption,
            "a fox",
            painter=world.painter,
            **world.encoders,
            encoded=encoded,
            regions=regions_at(encoded, (8, 8, 40, 40), caption=WISH.caption),
            settings=QUICK.with_values(method="paper"),
        )


def test_a_caption_is_the_same_whatever_its_spaces(world: SimpleNamespace, encoded) -> None:
    regions = regions_at(encoded, (8, 8, 40, 40), caption="a  red circle")
    edits = edit_image(
        world.picture.rgb,
        " a red  circle ",
        "a fox",
        painter=world.painter,
        **world.encoders,
        encoded=encoded,
        regions=regions,
        settings=QUICK,
    )
    assert len(edits) == 1


def test_what_was_encoded_without_views_says_so(world: SimpleNamespace) -> None:
    encoded = encode_picture(world.picture, **world.encoders, with_views=False)
    assert world.spent().clip_images == 1
    with pytest.raises(InputError, match="encoded without views; encode it with them"):
        find_regions(encoded, WISH.caption, scorer=world.scorer)
    assert find_regions(encoded, "background", scorer=world.scorer).found  # which asks CLIP nothing


def test_features_of_the_picture_stand_for_dino(world: SimpleNamespace) -> None:
    features = world.models.dino(world.picture.rgb)
    world.spent()
    encoded = encode_picture(world.picture, dino=None, scorer=world.scorer, features=features)
    assert world.spent().dino_images == 0
    assert encoded.features is features
    with pytest.raises(InputError, match="neither a DINO encoder nor patch features"):
        encode_picture(world.picture, dino=None, scorer=world.scorer)


def test_picking_a_region_that_is_not_there_says_which_are(encoded) -> None:
    regions = regions_at(encoded, (8, 8, 40, 40), (50, 50, 90, 90))
    assert isinstance(regions.pick(1), Regions)
    assert [one.box for one in regions.pick(1)] == [(50, 50, 90, 90)]
    assert (regions.pick(0).caption, regions.pick(0).key) == (regions.caption, regions.key)
    for index in (-1, 2):
        with pytest.raises(InputError, match=f"region {index} was asked for; choose 0 to 1"):
            regions.pick(index)
    with pytest.raises(InputError, match="region 0 was asked for; nothing was found"):
        Regions((), encoded.key, "a fox", torch.ones(1, 1, 8, 8), why="no fox").pick(0)
