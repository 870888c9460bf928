"""Every setting does something, and one out of range is said before any model runs."""

from __future__ import annotations

import pytest
import torch

from region_core.demo.worlds import held_out
from region_core.edit import edit_image
from region_core.errors import InputError

from .edits import CAPTION, PROMPT, QUICK, TAUGHT, edit, scene_picture

NO_LOSS = {"loss_alpha": 0.0, "loss_beta": 0.0, "loss_gamma": 0.0}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"point_number": 0}, "point_number is 0"),
        ({"lr": 0.0}, "lr is 0"),
        ({"steps": -1}, "steps is -1"),
        ({"learning": "magic"}, "learning is 'magic'"),
        ({"previews": "often"}, "previews is 'often'"),
        ({"strength": 0.0}, "strength is 0"),
        ({"previews": "always", "learning": "off"}, "previews is always and learning is off"),
        ({"method": "published", **NO_LOSS}, "set one of them above 0$"),
        ({"previews": "auto", **NO_LOSS}, "loss_gamma are all 0, .* or previews to never"),
    ],
)
def test_settings_out_of_range_are_named_before_any_model_runs(values, message):
    with pytest.raises(InputError, match=message):
        edit_image(None, CAPTION, PROMPT, inpainter=None, dino=None, scorer=None, settings=QUICK.with_values(**values))


@pytest.mark.parametrize("values", [{"previews": "never"}, {"learning": "off"}, {"loss_gamma": 0.1}])
def test_losses_of_0_are_no_fault_where_nothing_is_judged_by_them(values):
    QUICK.with_values(**{"previews": "auto", **NO_LOSS, **values}).validate()


@pytest.mark.parametrize(
    ("caption", "prompt", "message"),
    [
        ("", "a dog", "image_caption is empty"),
        ("a cat", "  ", "editing_prompt is empty"),
        ("a cat", "a  cat", "are both"),
    ],
)
def test_empty_or_equal_texts_are_refused(caption, prompt, message):
    with pytest.raises(InputError, match=message):
        edit_image(None, caption, prompt, inpainter=None, dino=None, scorer=None)


def test_guidance_reaches_the_sampler(models):
    scene, _ = held_out(4242, 1)
    with_it = edit(models, scene_picture(scene), QUICK.with_values(guidance_scale=3.0))
    without = edit(models, scene_picture(scene), QUICK.with_values(guidance_scale=1.0))
    assert with_it.unet_evaluations - without.unet_evaluations == QUICK.steps
    assert not torch.equal(with_it.candidates[0].image, without.candidates[0].image)


@pytest.fixture(scope="module")
def plain(models):
    """What is made of a scene with previews, where every setting has its say."""
    return edit(models, scene_picture(held_out(4242, 1)[0]), TAUGHT)


def losses(result):
    return [record["losses"] for record in result.rounds]


def deciding(result):
    return [candidate.deciding for candidate in result.candidates]


def learned(result):
    return [candidate.parts["learned"] for candidate in result.candidates]


def scores(result):
    return [candidate.score for candidate in result.candidates]


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        ({"loss_alpha": 5.0}, losses),
        ({"loss_beta": 5.0}, losses),
        ({"loss_gamma": 5.0}, losses),
        ({"loss_crop": 0.0}, losses),
        ({"views": 3}, losses),
        ({"lr": 0.5}, learned),
        ({"generator_steps": 100}, learned),
        ({"learning": "gumbel"}, learned),
        ({"per_image_iteration": 3}, losses),
        ({"previews": "never"}, losses),
        ({"test_alpha": 9.0}, scores),
        ({"test_beta": 9.0}, scores),
        ({"preview_guidance": 3.0}, lambda result: result.unet_evaluations),
        ({"preview_steps": 3}, lambda result: result.unet_evaluations),
        ({"num_regions": 2}, lambda result: len(result.candidates)),
        ({"noise_samples": 3}, lambda result: result.unet_evaluations),
        ({"anchor_distance": 12.0}, deciding),
        ({"max_window_size": 3}, deciding),
        ({"grow_percent": 30.0}, lambda result: result.candidates[0].image.sum().item()),
        ({"feather_percent": 40.0}, lambda result: result.candidates[0].image.sum().item()),
        ({"feather": 20}, lambda result: result.candidates[0].image.sum().item()),
        ({"grow": 9}, lambda result: result.candidates[0].image.sum().item()),
        ({"seed": 7}, losses),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_every_setting_does_something(models, plain, change, seen):
    result = edit(models, scene_picture(held_out(4242, 1)[0]), TAUGHT.with_values(**change))
    assert seen(result) != seen(plain)
