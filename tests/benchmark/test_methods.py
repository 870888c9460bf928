"""The rivals do what they are said to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace

import pytest
import torch

from benchmark import methods
from benchmark.ablations import SWITCHES, ablations
from benchmark.baselines import diffedit, heatmap, reclip, released
from benchmark.baselines.components import box_around, strongest_component
from benchmark.baselines.heat import heat_box
from benchmark.methods import METHODS, NOTES, settings_of
from benchmark.painting import Outcome, Setup, paint
from benchmark.worlds.opening import load_models
from benchmark.worlds.shapes import ShapesWorld
from benchmark.worlds.task import Task
from region_core.boxes import iou
from region_core.encoders.loading import Models
from region_core.errors import InputError
from region_core.paper.loop import draw_sizes

WORLD = ShapesWorld()
QUICK = WORLD.settings("standard").with_values(
    steps=2, preview_steps=1, point_number=2, max_window_size=2, previews="never"
)
Do = Callable[..., tuple[Outcome, Setup]]


@pytest.fixture(scope="module")
def models() -> Models:
    return load_models("shapes", "demo", diffusion=True)


@pytest.fixture
def do(models: Models, monkeypatch: pytest.MonkeyPatch) -> Do:
    """Run a method on a task with two sampling steps and few candidates."""
    monkeypatch.setattr(diffedit, "NOISES", 2)
    monkeypatch.setitem(METHODS, "clip_heatmap", heatmap.clip_heatmap(stride=0.25))

    def run(name: str, task: Task, seed: int = 42, world: ShapesWorld = WORLD) -> tuple[Outcome, Setup]:
        setup = Setup(models, world.painter(task, models), lambda _: QUICK, seed)
        return METHODS[name](task, setup), setup

    return run


def met(outcome: Outcome, task: Task) -> float:
    return float(iou(torch.tensor([outcome.box]).float(), torch.tensor(task.boxes).float()).max())


def test_every_row_of_the_benchmark_is_there() -> None:
    rows = {
        "standard",
        "fast",
        "quality",
        "centre",
        "salient",
        "random",
        "clip_heatmap",
        "reclip",
        "whole_picture",
        "best_candidate",
        "best_proposed",
        "true_box",
        "released",
        "paper",
        "diffedit",
    }
    assert rows <= set(METHODS)
    assert set(NOTES) - {"before"} <= set(METHODS)


def test_an_ablation_changes_its_own_part_and_nothing_else() -> None:
    standard = WORLD.settings("standard")
    for name, settings in ablations(standard).items():
        before, after = asdict(standard), asdict(settings)
        changed = {key for key in before if before[key] != after[key]}
        assert changed == set(SWITCHES[name]), name
        settings.validate()
        assert name in METHODS


def test_the_heat_map_keeps_its_strongest_piece() -> None:
    heat = torch.zeros(8, 8)
    heat[0:2, 0:2] = 0.7
    heat[4:7, 3:6] = 0.6  # larger and, all in all, hotter
    heat[7, 6] = 1.0  # the peak touches it at a corner only
    mask = heat > 0.5
    expected = torch.zeros(8, 8, dtype=torch.bool)
    expected[4:7, 3:6] = True
    assert torch.equal(strongest_component(mask, heat), expected)
    assert heat_box(heat, 0.5, 16, 32).tolist() == [12, 8, 24, 14]
    assert heat_box(torch.ones(4, 4), 0.5, 16, 16).tolist() == [0, 0, 16, 16]
    assert box_around(torch.zeros(3, 3, dtype=torch.bool), 9, 9) is None


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


def test_paper_draws_one_size_an_anchor_from_its_softmax() -> None:
    noise = torch.Generator().manual_seed(0)
    logits = torch.tensor([[0.0, 2.0], [50.0, 0.0], [0.0, 50.0]])
    draws = torch.stack([draw_sizes(logits, noise) for _ in range(600)])
    assert set(draws[:, 1].tolist()) == {2}
    assert set(draws[:, 2].tolist()) == {5}
    share = float((draws[:, 0] == 1).float().mean())
    assert share == pytest.approx(torch.tensor([0.0, 2.0]).softmax(0)[1].item(), abs=0.05)


def test_prices_are_counted(do: Do) -> None:
    task = WORLD.task("replace", 5, 1)
    one = 2 * QUICK.steps  # guidance counts two
    expected = {
        "true_box": one,
        "centre": one,
        "salient": one,
        "random": one,
        "best_candidate": one,
        "best_proposed": one,
        "found": 0,
        "clip_heatmap": one,
        "reclip": one,
        "diffedit": one + 2 * diffedit.NOISES,
        "released": 99 * one,
    }
    for name, price in expected.items():
        outcome, setup = do(name, task)
        assert setup.inpainter.evaluations * outcome.times == price, name
        assert outcome.image.shape == (3, 128, 128)
    setup = Setup(setup.models, WORLD.painter(task, setup.models), lambda _: QUICK, 42)
    methods.ours(lambda _: QUICK.with_values(method="published", loss_crop=0.0, learning="gumbel"))(task, setup)
    # every anchor's every size at most once: a box drawn again is not painted again
    assert 2 * one <= setup.inpainter.evaluations <= 4 * one
    assert setup.inpainter.evaluations % one == 0


def test_the_centre_is_half_the_sides_in_the_middle(do: Do) -> None:
    outcome, _ = do("centre", WORLD.task("replace", 5, 1))
    assert outcome.box == (32, 32, 96, 96)


def test_the_salient_box_asks_for_no_caption(do: Do) -> None:
    task = WORLD.task("replace", 5, 1)
    boxes = {do("salient", replace(task, caption=text))[0].box for text in ("a red circle", "a cat")}
    assert len(boxes) == 1


def test_random_boxes_differ_from_scene_to_scene(do: Do) -> None:
    task = WORLD.task("replace", 5, 1)
    assert len({do("random", task, seed)[0].box for seed in range(4)}) > 1


def test_the_told_ones_are_told(do: Do) -> None:
    task = WORLD.task("replace", 5, 1)
    assert do("true_box", task)[0].box == task.boxes[0]
    assert met(do("best_candidate", task)[0], task) >= met(do("random", task)[0], task)
    assert met(do("best_proposed", task)[0], task) >= met(do("reclip", task)[0], task)
    nothing, setup = do("true_box", WORLD.task("absent", 5, 1))
    assert (nothing.box, setup.inpainter.evaluations) == (None, 0)
    more = WORLD.task("add", 5, 1)
    objects = torch.tensor([o.box for o in more.case[0].objects]).float()
    assert float(iou(torch.tensor([do("true_box", more)[0].box]), objects).max()) < 0.1


def test_the_whole_picture_chooses_among_faultless_edits(do: Do) -> None:
    task = WORLD.task("replace", 5, 1)
    outcome, setup = do("whole_picture", task, world=ShapesWorld(faultless=True))
    assert setup.inpainter.evaluations % (2 * QUICK.steps) == 0
    assert setup.inpainter.evaluations > 2 * QUICK.steps  # every proposed box was painted
    assert outcome.box is not None


def test_diffedit_says_that_it_needs_a_diffusion_model(do: Do) -> None:
    with pytest.raises(InputError, match="diffedit"):
        do("diffedit", WORLD.task("replace", 5, 1), world=ShapesWorld(faultless=True))


def test_own_noise_makes_another_picture_and_shared_noise_the_same(models: Models) -> None:
    task = WORLD.task("replace", 5, 1)
    boxes = torch.tensor([[30.0, 30, 70, 70]]).repeat(2, 1)
    shared = paint(task.picture, boxes, WORLD.painter(task, models), QUICK, 42)
    own = paint(task.picture, boxes, WORLD.painter(task, models), QUICK, 42, own_noise=True)
    assert torch.allclose(shared[0], shared[1], atol=1e-5)
    assert float((own[0] - own[1]).abs().max()) > 0.01
    assert torch.allclose(own[0], shared[0], atol=1e-5)


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
    box = heat_box(heat, 0.6, 128, 128)
    assert float(iou(box[None], torch.tensor([[16.0, 80, 48, 112]]))) > 0.5


def test_crop_and_blur_prefer_the_box_that_holds_the_thing_and_little_else() -> None:
    source = torch.full((1, 3, 96, 128), 0.5)
    source[:, 0, 40:72, 16:48], source[:, 1:, 40:72, 16:48] = 1.0, 0.0
    boxes = torch.tensor([[16.0, 40, 48, 72], [0, 0, 128, 96], [80, 10, 120, 60], [16, 40, 32, 56]])
    scores = reclip.crop_and_blur(source, boxes, "a red square", OneColour())  # type: ignore[arg-type]
    assert scores.argmax() == 0
    assert scores.argmin() == 2


def test_an_unknown_method_is_named() -> None:
    with pytest.raises(InputError, match="'magic' is not known"):
        methods.chosen(["standard", "magic"], METHODS)


def test_a_row_of_the_guide_is_its_preset_with_its_three_values() -> None:
    names = ["standard:5/10/5", "paper:20/20/12"]
    few, many = settings_of(names, WORLD).values()
    assert (few.point_number, few.per_image_iteration, few.max_window_size) == (5, 10, 5)
    assert (many.point_number, many.per_image_iteration, many.max_window_size) == (20, 20, 12)
    assert few.method == WORLD.settings("standard").method != many.method == WORLD.settings("paper").method
    assert set(names) <= set(METHODS)
