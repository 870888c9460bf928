"""The rivals do what they are said to do."""

from __future__ import annotations

from dataclasses import asdict

import pytest
import torch

from benchmark import methods
from benchmark.ablations import SWITCHES, ablations
from benchmark.baselines import diffedit, heatmap, paper, released, simple
from benchmark.baselines.heat import heat_box
from benchmark.methods import METHODS, NOTES, SETTINGS
from benchmark.painting import inpainter_of, paint, picture_of
from region_core.boxes import iou
from region_core.demo.models import load_shapes_models, shapes_settings
from region_core.demo.worlds import held_out
from region_core.encoders.loading import Models
from region_core.errors import InputError
from region_core.proposals.components import box_around, strongest_component
from region_core.settings import SearchSettings


@pytest.fixture(scope="module")
def models() -> Models:
    return load_shapes_models()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> SearchSettings:
    """Two sampling steps and few candidates, for every rival."""
    settings = shapes_settings("standard").with_values(steps=2, preview_steps=1, point_number=2,
                                                       max_window_size=2, refine=False)
    for module in (diffedit, heatmap, paper, released, simple):
        monkeypatch.setattr(module, "shapes_settings", lambda _: settings)
    monkeypatch.setattr(diffedit, "NOISES", 2)
    monkeypatch.setitem(METHODS, "clip_heatmap", heatmap.clip_heatmap(stride=32))
    return settings


def test_every_row_of_the_benchmark_is_there() -> None:
    rows = {"standard", "fast", "quality", "exhaustive", "true_box", "random", "released", "paper",
            "diffedit", "clip_heatmap"}
    assert rows <= set(METHODS)
    assert set(NOTES) <= set(METHODS)


def test_an_ablation_changes_its_own_part_and_nothing_else() -> None:
    standard = shapes_settings("standard")
    for name, settings in ablations(standard).items():
        before, after = asdict(standard), asdict(settings)
        changed = {key for key in before if before[key] != after[key]}
        assert changed == set(SWITCHES[name]), name
        settings.validate()
        assert name in METHODS
        assert name in NOTES
    assert {"standard-screen", "standard-refine", "standard-fit"} <= set(SETTINGS)


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
    assert released.released_boxes(points[:1], torch.tensor([4]), 32, 128).tolist() == [
        [24, 64, 56, 96]]
    # at the largest window four cells are left, then the best of all without regard to the border
    few = released.released_anchors(attention, 5, 15)
    assert sorted(few[:4].tolist()) == [[15, 15], [15, 16], [16, 15], [16, 16]]
    assert few[4].tolist() == [1, 1]


def test_paper_draws_one_size_an_anchor_from_its_softmax() -> None:
    noise = torch.Generator().manual_seed(0)
    logits = torch.tensor([[0.0, 2.0], [50.0, 0.0], [0.0, 50.0]])
    draws = torch.stack([paper.draw_sizes(logits, noise) for _ in range(600)])
    assert set(draws[:, 1].tolist()) == {2}
    assert set(draws[:, 2].tolist()) == {5}
    share = float((draws[:, 0] == 1).float().mean())
    assert share == pytest.approx(torch.tensor([0.0, 2.0]).softmax(0)[1].item(), abs=0.05)


def test_prices_are_counted(models: Models, quick: SearchSettings) -> None:
    scene, edit = held_out(5, 1)
    one = 2 * quick.steps  # guidance counts two
    expected = {"true_box": one, "random": one, "best_candidate": one, "best_proposed": one,
                "clip_heatmap": one, "diffedit": one + 2 * diffedit.NOISES,
                "exhaustive": 4 * one, "released": 99 * one}
    for name, price in expected.items():
        outcome = METHODS[name](scene, edit, models, 42)
        assert outcome.unet_evaluations * outcome.times == price, name
        assert outcome.image.shape == (3, 128, 128)
    drawn = METHODS["paper"](scene, edit, models, 42)
    # every anchor's every size at most once: a box drawn again is not painted again
    assert 2 * one <= drawn.unet_evaluations <= 4 * one
    assert drawn.unet_evaluations % one == 0


def test_random_boxes_differ_from_scene_to_scene(models: Models, quick: SearchSettings) -> None:
    scene, edit = held_out(5, 1)
    boxes = {METHODS["random"](scene, edit, models, seed).box for seed in range(4)}
    assert len(boxes) > 1


def test_the_told_ones_are_told(models: Models, quick: SearchSettings) -> None:
    scene, edit = held_out(5, 1)
    truth = scene.objects[edit.target].box
    assert METHODS["true_box"](scene, edit, models, 42).box == truth
    near = METHODS["best_candidate"](scene, edit, models, 42).box
    other = METHODS["random"](scene, edit, models, 42).box
    found = METHODS["best_proposed"](scene, edit, models, 42).box
    ours = METHODS["standard"](scene, edit, models, 42).box
    near, other, found, ours = (
        float(iou(torch.tensor([box]).float(), torch.tensor([truth]).float()))
        for box in (near, other, found, ours))
    assert near >= other
    assert found >= ours
    nothing = METHODS["true_box"](*held_out(5, 1, "absent"), models, 42)
    assert (nothing.box, nothing.unet_evaluations) == (None, 0)
    scene, edit = held_out(5, 1, "add")
    free = METHODS["true_box"](scene, edit, models, 42).box
    objects = torch.tensor([o.box for o in scene.objects]).float()
    assert float(iou(torch.tensor([free]), objects).max()) < 0.1


def test_own_noise_makes_another_picture_and_shared_noise_the_same(models: Models,
                                                                   quick: SearchSettings) -> None:
    scene, edit = held_out(5, 1)
    boxes = torch.tensor([[30.0, 30, 70, 70]]).repeat(2, 1)
    shared = paint(picture_of(scene), boxes, inpainter_of(models, edit), quick, 42)
    own = paint(picture_of(scene), boxes, inpainter_of(models, edit), quick, 42, own_noise=True)
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
        return torch.tensor([[1.0, 0.0]])


def test_the_occlusion_map_is_hot_where_the_object_is() -> None:
    source = torch.full((1, 3, 128, 128), 0.5)
    source[:, 0, 80:112, 16:48], source[:, 1:, 80:112, 16:48] = 1.0, 0.0
    world = Models(None, None, OneColour())  # type: ignore[arg-type]
    heat = heatmap.occlusion(source, "a red square", world, 24)
    box = heat_box(heat, 0.6, 128, 128)
    assert float(iou(box[None], torch.tensor([[16.0, 80, 48, 112]]))) > 0.5


def test_an_unknown_method_is_named() -> None:
    with pytest.raises(InputError, match="'magic' is not known"):
        methods.chosen(["standard", "magic"], METHODS)
