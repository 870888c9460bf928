"""The published method whole, on a CLIP that sees mean colours and a painter that fills: the generator learns."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch

from region_core import Edits, InputError, edit_image
from region_core.encoders import PatchFeatures
from region_core.paper.anchors import place_candidates
from region_core.paper.loop import draw_sizes, nan_to_worst
from region_core.paper.network import RegionGenerator, build_generator, load_generator, save_generator
from region_core.settings import EditSettings, preset

from ..painters import FillingPainter
from .test_losses import ColourScorer, plain

GREEN = (0.0, 1.0, 0.0)
CELLS = 8
SETTINGS = EditSettings().with_values(
    method="paper", point_number=2, max_window_size=3, per_image_iteration=6, steps=2, guidance_scale=1.0, views=1,
    loss_gamma=0.0, grow_percent=0.0, feather_percent=0.0, lr=0.01, generator_steps=8,
)  # fmt: skip


# many small lessons: with few large ones it settles on what the first rounds drew
SLOWLY = SETTINGS.with_values(lr=0.002, generator_steps=1, per_image_iteration=30)


class Scorer(ColourScorer):
    """Sees pictures of any size."""

    def encode_images(self, images: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(images.mean(dim=(2, 3)) + 1e-6, dim=1)


def features() -> PatchFeatures:
    """Two places stand out, and no two cells are alike."""
    attention = torch.zeros(1, CELLS, CELLS)
    attention[0, 2, 2], attention[0, 5, 6] = 1.0, 0.9
    return PatchFeatures(torch.randn(1, 12, CELLS, CELLS, generator=torch.Generator().manual_seed(1)), attention)


def edit(settings: EditSettings = SETTINGS, *, painter: Any = None, **more: Any) -> Edits:
    """A red picture, of which green is wanted: the larger a box is, the less its loss."""
    return edit_image(
        plain("red"),
        "red",
        "green",
        painter=painter or FillingPainter(32, GREEN),
        dino=None,
        scorer=Scorer(),
        features=features(),
        settings=settings,
        **more,
    )


def probabilities(module: RegionGenerator, settings: EditSettings = SETTINGS) -> torch.Tensor:
    """Of each anchor's sizes [K, M]."""
    found = place_candidates(features(), 64, 64, settings.paper)
    with torch.no_grad():
        return module(features().features[0], found.cells).softmax(dim=1)


@pytest.mark.parametrize("learning", ["gumbel", "exact"])
def test_the_generator_learns_which_size_is_best(learning: str) -> None:
    result = edit(SLOWLY.with_values(learning=learning))
    assert result.generator is not None
    fresh = build_generator(12, 3, SETTINGS.seed)
    for (name, before), after in zip(fresh.named_parameters(), result.generator.parameters(), strict=True):
        assert not torch.equal(before, after), name
    before, after = probabilities(fresh), probabilities(result.generator)
    torch.testing.assert_close(before, torch.full((2, 3), 1 / 3))
    assert bool((after[:, 2] > 0.5).all()), after  # the largest of each anchor
    expected = [record["expected"] for record in result.rounds]
    assert expected[-1] < expected[0] - 0.02
    assert len(result.rounds) == SLOWLY.paper.per_image_iteration


def test_it_learns_from_the_sampled_loss_by_the_straight_through_estimate_as_published() -> None:
    """By default; the exact one follows other gradients to another place."""
    assert preset("paper").paper.learning == "gumbel"
    one, other = (edit(SETTINGS.with_values(learning=learning)).generator for learning in ("gumbel", "exact"))
    assert one is not None
    assert other is not None
    assert not torch.equal(one.linear2.weight, other.linear2.weight)


def test_without_learning_the_generator_is_as_it_was() -> None:
    module = build_generator(12, 3, 5)
    before = copy.deepcopy(module.state_dict())
    result = edit(SETTINGS.with_values(learning="off"), generator=module)
    assert result.generator is module
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())
    assert all(record["expected"] != record["expected"] for record in result.rounds)  # there is none


def test_a_sampled_box_that_was_edited_before_is_not_edited_again() -> None:
    painter = FillingPainter(32, GREEN)
    result = edit(SETTINGS.with_values(per_image_iteration=20), painter=painter)
    painted = sum(len(pictures) for pictures, _ in painter.calls)
    assert painted == len(result) <= 2 * 3, "there are two anchors of three sizes"
    assert result.unet_evaluations == painted * SETTINGS.paint.steps
    assert len({one.box for one in result}) == painted
    assert all(len(record["boxes"]) == 2 for record in result.rounds)


def test_the_answer_is_the_edit_of_the_highest_score_by_the_papers_formula() -> None:
    result = edit(SETTINGS.with_values(test_alpha=2.0, test_beta=0.5, per_image_iteration=20))
    scorer = Scorer()
    source = scorer.encode_images(plain("red"))[0]
    for one in result:
        seen = scorer.encode_images(one.picture)[0]
        assert one.parts["text"] == pytest.approx(2 * float(seen @ torch.tensor(GREEN)), abs=1e-4)
        assert one.parts["picture"] == pytest.approx(0.5 * float(seen @ source), abs=1e-4)
        assert one.score == one.rank_score == pytest.approx(sum(one.parts.values()), abs=1e-5)
    scores = [one.score for one in result]
    assert scores == sorted(scores, reverse=True)
    assert result.best is result[0]
    assert result.source_score == pytest.approx(0.5, abs=1e-3)  # alpha times nothing, beta times itself
    assert result.regions is None


def test_with_a_prior_windows_are_laid_where_it_is_white() -> None:
    prior = torch.zeros(1, 1, 64, 64)
    prior[..., 33:63, 33:63] = 1
    result = edit(prior=prior)
    anchors = result.tried_boxes.unflatten(0, (2, 3))[:, 0]
    centres = (anchors[:, :2] + anchors[:, 2:]) / 2
    assert bool((centres > 32).all())
    assert not torch.equal(result.tried_boxes, edit().tried_boxes)


def test_a_window_larger_than_the_grid_is_the_whole_picture() -> None:
    result = edit(SETTINGS.with_values(max_window_size=20, point_number=1, learning="off", per_image_iteration=40))
    assert result.tried_boxes[-1].tolist() == [0, 0, 64, 64]
    assert (0, 0, 64, 64) in {one.box for one in result}


def test_losses_that_are_all_0_are_refused() -> None:
    nothing = SETTINGS.with_values(loss_alpha=0.0, loss_beta=0.0)
    with pytest.raises(InputError, match="are all 0, and the region generator learns by them; set one of them above 0"):
        edit(nothing)
    assert len(edit(nothing.with_values(learning="off"))) > 0


def test_a_saved_generator_goes_on_where_it_was(tmp_path: Path) -> None:
    first = edit(SLOWLY.with_values(per_image_iteration=4))
    assert first.generator is not None
    save_generator(first.generator, tmp_path / "g.safetensors", {"max_window_size": 3})
    loaded, told = load_generator(tmp_path / "g.safetensors", feature_dim=12, sizes=3)
    assert told == {"max_window_size": 3}
    torch.testing.assert_close(probabilities(loaded), probabilities(first.generator))
    second = edit(SLOWLY.with_values(per_image_iteration=10), generator=loaded, seed=9)
    assert second.generator is loaded
    before, after = probabilities(first.generator)[:, 2], probabilities(loaded)[:, 2]
    assert bool((after > before).all()), (before, after)
    assert bool((before > 1 / 3).all()), "it had learned nothing before"


def test_the_same_seed_draws_the_same_boxes_and_another_does_not() -> None:
    one, again, other = (edit(seed=seed).rounds for seed in (1, 1, 2))
    assert one == again
    assert [record["boxes"] for record in one] != [record["boxes"] for record in other]


def test_each_anchor_draws_a_size_as_often_as_its_probability() -> None:
    logits = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]]).log()
    noise = torch.Generator().manual_seed(3)
    drawn = torch.stack([draw_sizes(logits, noise) for _ in range(2000)])
    assert bool((drawn[:, 0] < 3).all())
    assert bool(((drawn[:, 1] >= 3) & (drawn[:, 1] < 6)).all())
    assert float((drawn[:, 0] == 0).float().mean()) == pytest.approx(0.7, abs=0.04)
    assert float((drawn[:, 1] == 5).float().mean()) == pytest.approx(0.8, abs=0.04)


def test_a_loss_that_is_no_number_is_as_bad_as_the_worst() -> None:
    nan = float("nan")
    assert nan_to_worst(torch.tensor([0.2, nan, 0.9, float("inf")])).tolist() == pytest.approx([0.2, 0.9, 0.9, 0.9])
    assert nan_to_worst(torch.tensor([nan, nan])).tolist() == [0, 0]


def test_it_learns_inside_inference_mode() -> None:
    """Where ComfyUI runs nodes."""
    with torch.inference_mode():
        result = edit()
    outside = edit()
    assert result.generator is not None
    assert outside.generator is not None
    assert torch.equal(result.generator.linear2.weight, outside.generator.linear2.weight)
    assert bool(result.generator.linear2.weight.any())


def test_a_generator_of_another_shape_is_refused_in_a_sentence() -> None:
    with pytest.raises(InputError, match="features|multiple|sizes"):
        edit(generator=build_generator(13, 3, 0))
    with pytest.raises(InputError, match="features|multiple|sizes"):
        edit(generator=build_generator(12, 4, 0))
