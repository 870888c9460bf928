"""The rivals do what they are said to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from benchmark import methods
from benchmark.baselines import heatmap, reclip, released
from benchmark.baselines.diffedit import diffedit
from benchmark.baselines.heat import component_at_peak, heat_region, strongest_component
from benchmark.baselines.maps import activation_map
from benchmark.methods import METHODS, NOTES, settings_of
from benchmark.painting import Outcome, Setup, paint, region_of
from benchmark.worlds.opening import load_models
from benchmark.worlds.shapes import ShapesWorld
from benchmark.worlds.task import Task
from region_core.boxes import iou
from region_core.encoders.loading import Models
from region_core.errors import InputError

WORLD = ShapesWorld()
QUICK = WORLD.settings("standard").with_values(steps=2, point_number=2)
# the dear ones with less work
LESS = {"diffedit": diffedit(noises=2), "clip_heatmap": heatmap.clip_heatmap(stride=0.25)}
Do = Callable[..., tuple[Outcome, Setup]]


@pytest.fixture(scope="module")
def models() -> Models:
    return load_models("shapes", "demo", diffusion=True)


@pytest.fixture(scope="module")
def do(models: Models) -> Do:
    """Run a method on a task with two sampling steps and few candidates."""

    def run(name: str, task: Task, seed: int = 42, world: ShapesWorld = WORLD) -> tuple[Outcome, Setup]:
        setup = Setup(models, world.painter(task, models), lambda _: QUICK, seed)
        with setup.counted():
            outcome = {**METHODS, **LESS}[name](task, setup)
        return outcome, setup

    return run


def met(outcome: Outcome, task: Task) -> float:
    assert outcome.region is not None
    return float(iou(torch.tensor([outcome.region.box]).float(), torch.tensor(task.boxes).float()).max())


def test_every_row_has_a_name_that_is_explained() -> None:
    rows = {"standard", "fast", "quality", "paper", "paper:5/10/5", "released", "diffedit", "clip_heatmap", "reclip"}
    rows |= {"found", "map:0.6", "cam:0.3", "centre", "everything", "salient", "random", "whole_picture", "true_box"}
    assert {*rows, "best_candidate"} <= set(METHODS)
    assert set(METHODS) - set(NOTES) == {"fast", "standard", "quality", "diffedit"}


def test_the_heat_map_keeps_its_strongest_piece() -> None:
    heat = torch.zeros(8, 8)
    heat[0:2, 0:2] = 0.7
    heat[4:7, 3:6] = 0.6  # larger and, all in all, hotter
    heat[7, 6] = 1.0  # the peak touches it at a corner only
    mask = heat > 0.5
    expected = torch.zeros(8, 8, dtype=torch.bool)
    expected[4:7, 3:6] = True
    assert torch.equal(strongest_component(mask, heat), expected)
    assert heat_region(heat, 0.5, (16, 32)).box == (12, 8, 24, 14)
    assert heat_region(heat, 0.5, (16, 32), at_peak=True).box == (24, 14, 28, 16)
    assert component_at_peak(mask, heat).sum() == 1
    assert heat_region(torch.ones(4, 4), 0.5, (16, 16)).box == (0, 0, 16, 16)
    assert not strongest_component(torch.zeros(3, 3, dtype=torch.bool), torch.ones(3, 3)).any()


def test_a_long_crooked_piece_stays_in_one() -> None:
    snake = torch.zeros(9, 9, dtype=torch.bool)
    snake[0, :] = snake[2, :] = snake[4, :] = snake[6, :] = True
    snake[1, 8] = snake[3, 0] = snake[5, 8] = True
    assert torch.equal(strongest_component(snake, torch.ones(9, 9)), snake)


def test_released_anchors_are_transposed_crowded_and_kept_from_the_border() -> None:
    attention = torch.zeros(32, 32)
    attention[10, 20], attention[10, 21], attention[1, 1] = 3, 2, 9
    points = released.released_anchors(attention, 2, 6)
    # row 10 is taken for x; neighbours are no hindrance, the border is
    assert points.tolist() == [[10, 20], [10, 21]]
    assert released.released_boxes(points[:1], torch.tensor([4]), (32, 32), 128, 128).tolist() == [[24, 64, 56, 96]]
    # at the largest window four cells are left, then the best of all without regard to the border
    few = released.released_anchors(attention, 5, 15)
    assert sorted(few[:4].tolist()) == [[15, 15], [15, 16], [16, 15], [16, 16]]
    assert few[4].tolist() == [1, 1]


def test_prices_are_counted(do: Do) -> None:
    task = WORLD.task("replace", 5, 1)
    one = 2 * QUICK.paint.steps  # guidance counts two
    expected = {
        "true_box": one,
        "centre": one,
        "salient": one,
        "random": one,
        "best_candidate": one,
        "map:0.6": one,
        "cam:0.3": one,
        "found": 0,
        "clip_heatmap": one,
        "reclip": one,
        "diffedit": one + 4,  # two noises under two texts, a step each
        "released": 99 * one,
    }
    for name, price in expected.items():
        outcome, setup = do(name, task)
        assert (setup.cost * outcome.times).unet_evaluations == price, name
        assert outcome.image.shape == (3, 128, 128)


def test_the_published_method_paints_an_anchors_size_once(models: Models) -> None:
    task = WORLD.task("replace", 5, 1)
    settings = QUICK.with_values(method="paper", per_image_iteration=4, max_window_size=2)
    setup = Setup(models, WORLD.painter(task, models), lambda _: settings, 42)
    with setup.counted():
        METHODS["standard"](task, setup)
    one = 2 * QUICK.paint.steps
    # two anchors of two sizes: a box drawn again is not painted again
    assert 2 * one <= setup.cost.unet_evaluations <= 4 * one


def test_what_several_rows_search_is_searched_once_and_counted_for_each(models: Models) -> None:
    task, shared = WORLD.task("replace", 5, 1), {}
    setups = [Setup(models, None, lambda _: QUICK, 42, shared) for _ in range(2)]
    before = models.scorer.images_encoded
    for name, setup in zip(("found", "map:0.6"), setups, strict=True):
        with setup.counted():
            METHODS[name](task, setup)
        before, encoded = models.scorer.images_encoded, models.scorer.images_encoded - before
        assert (encoded > 0) == (name == "found")
    assert setups[0].cost.clip_images == setups[1].cost.clip_images > 0
    assert setups[1].seconds > 0


def test_where_nothing_paints_a_row_gives_its_region_and_a_preset_says_so(models: Models) -> None:
    task = WORLD.task("replace", 5, 1)
    setup = Setup(models, None, WORLD.settings, 42)
    outcome = METHODS["centre"](task, setup)
    assert torch.equal(outcome.image, task.picture[0])
    assert outcome.region is not None
    for name in ("standard", "whole_picture"):
        with pytest.raises(InputError, match="has no painter"):
            METHODS[name](task, setup)


def test_the_centre_is_half_the_sides_in_the_middle(do: Do) -> None:
    outcome, _ = do("centre", WORLD.task("replace", 5, 1))
    assert outcome.region is not None
    assert outcome.region.box == (32, 32, 96, 96)


def test_the_salient_box_asks_for_no_caption(do: Do) -> None:
    task = WORLD.task("replace", 5, 1)
    regions = [do("salient", replace(task, caption=text))[0].region for text in ("a red circle", "a cat")]
    assert len({region.box for region in regions}) == 1


def test_random_boxes_differ_from_scene_to_scene(do: Do) -> None:
    task = WORLD.task("replace", 5, 1)
    assert len({do("random", task, seed)[0].region.box for seed in range(4)}) > 1


def test_the_told_ones_are_told(do: Do) -> None:
    task = WORLD.task("replace", 5, 1)
    assert do("true_box", task)[0].region.box == task.boxes[0]
    assert met(do("best_candidate", task)[0], task) >= met(do("reclip", task)[0], task)
    assert met(do("best_candidate", task)[0], task) >= met(do("found", task)[0], task)
    nothing, setup = do("true_box", WORLD.task("absent", 5, 1))
    assert (nothing.region, setup.cost.unet_evaluations) == (None, 0)
    more = WORLD.task("add", 5, 1)
    objects = torch.tensor([o.box for o in more.case[0].objects]).float()
    free = torch.tensor([do("true_box", more)[0].region.box]).float()
    assert float(iou(free, objects).max()) < 0.1


def test_maps_are_cut_where_the_thing_is(do: Do) -> None:
    task = WORLD.task("replace", 5, 1)
    for name in ("map:0.6", "cam:0.6"):
        assert met(do(name, task)[0], task) > 0.3, name
    # less of the range is left by a higher cut
    areas = [do(f"map:{level}", task)[0].region.area for level in (0.3, 0.5, 0.8)]
    assert areas == sorted(areas, reverse=True)
    assert areas[0] > areas[-1]


def test_a_model_without_places_has_no_activation_map(models: Models) -> None:
    class Blind(OneColour):
        def places(self, images: torch.Tensor, features: torch.Tensor) -> None:
            return None

    with pytest.raises(InputError, match="shows none"):
        activation_map(torch.rand(1, 3, 64, 64), "red", Blind(), models.dino)  # type: ignore[arg-type]


def test_the_whole_picture_chooses_among_faultless_edits(do: Do) -> None:
    task = WORLD.task("replace", 5, 1)
    outcome, setup = do("whole_picture", task, world=ShapesWorld(faultless=True))
    assert setup.cost.unet_evaluations % (2 * QUICK.paint.steps) == 0
    assert setup.cost.unet_evaluations > 2 * QUICK.paint.steps  # every candidate was painted
    assert outcome.region is not None


def test_diffedit_says_that_it_needs_a_diffusion_model(do: Do) -> None:
    with pytest.raises(InputError, match="diffedit"):
        do("diffedit", WORLD.task("replace", 5, 1), world=ShapesWorld(faultless=True))


def test_own_noise_makes_another_picture_and_shared_noise_the_same(models: Models) -> None:
    task = WORLD.task("replace", 5, 1)
    regions = [region_of(task, (30, 30, 70, 70))] * 2
    setup = Setup(models, WORLD.painter(task, models), lambda _: QUICK, 42)
    shared, own = paint(task, regions, setup), paint(task, regions, setup, seeds=(42, 43))
    assert torch.allclose(shared[0], shared[1], atol=1e-5)
    assert float((own[0] - own[1]).abs().max()) > 0.01
    assert torch.allclose(own[0], shared[0], atol=1e-4)


class OneColour:
    """A scorer that sees nothing but how much of a picture is pure red."""

    image_size, device = 64, torch.device("cpu")

    def encode_images(self, images: torch.Tensor) -> torch.Tensor:
        red = (images[:, 0] - images[:, 1]).clamp(min=0).mean(dim=(1, 2))
        return torch.stack([red, torch.ones_like(red)], dim=1)

    def encode_text(self, text: str) -> torch.Tensor:
        return torch.tensor([[1.0, 0.0] if "red" in text else [0.0, 0.1]])

    class model:  # noqa: N801
        logit_scale = torch.zeros(())


def test_the_occlusion_map_is_hot_where_the_object_is() -> None:
    source = torch.full((1, 3, 128, 128), 0.5)
    source[:, 0, 80:112, 16:48], source[:, 1:, 80:112, 16:48] = 1.0, 0.0
    heat = heatmap.occlusion(source, "a red square", OneColour(), 24 / 128)  # type: ignore[arg-type]
    box = heat_region(heat, 0.6, (128, 128)).box
    assert float(iou(torch.tensor([box]).float(), torch.tensor([[16.0, 80, 48, 112]]))) > 0.5


def test_crop_and_blur_prefer_the_box_that_holds_the_thing_and_little_else() -> None:
    source = torch.full((1, 3, 96, 128), 0.5)
    source[:, 0, 40:72, 16:48], source[:, 1:, 40:72, 16:48] = 1.0, 0.0
    boxes = torch.tensor([[16.0, 40, 48, 72], [0, 0, 128, 96], [80, 10, 120, 60], [16, 40, 32, 56]])
    scores = reclip.crop_and_blur(source, boxes, "a red square", OneColour())  # type: ignore[arg-type]
    assert scores.argmax() == 0
    assert scores.argmin() == 2


def test_an_unknown_method_is_named() -> None:
    with pytest.raises(InputError, match="'magic' is not known"):
        methods.chosen(["standard", "magic"])


def test_a_row_of_the_guide_is_its_preset_with_its_three_values() -> None:
    few, many = settings_of(["paper:5/10/5", "paper:20/20/12"], WORLD).values()
    assert (few.paper.point_number, few.paper.per_image_iteration, few.paper.max_window_size) == (5, 10, 5)
    assert (many.paper.point_number, many.paper.per_image_iteration, many.paper.max_window_size) == (20, 20, 12)
    assert few.method == many.method == "paper"
