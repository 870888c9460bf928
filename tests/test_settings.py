"""A setting is described once, read by a step, and refused out of its range before any model runs."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from region_core.demo.worlds import held_out
from region_core.edit import edit_image
from region_core.edits import Edits
from region_core.encode import encode_picture
from region_core.encoders.loading import Models
from region_core.errors import InputError
from region_core.find import find_regions
from region_core.settings import (
    PRESETS,
    REMOVED,
    SETTINGS,
    EditSettings,
    FindSettings,
    PaintSettings,
    PaperSettings,
    RankSettings,
    current_name,
    preset,
)

from .edits import CAPTION, PROMPT, edit, insisted, scene_picture
from .painters import FillingPainter

ROOT = Path(__file__).resolve().parents[1]
STEPS = {"find": FindSettings, "paint": PaintSettings, "rank": RankSettings, "paper": PaperSettings}
NO_LOSS = {"loss_alpha": 0.0, "loss_beta": 0.0, "loss_gamma": 0.0}


def test_every_setting_is_described() -> None:
    texts = json.loads((ROOT / "region_core/settings/texts.json").read_text(encoding="utf-8"))
    own = {one.name for kind in STEPS.values() for one in fields(kind)} | {"method", "seed"}
    assert set(SETTINGS) == own == set(texts) == set(EditSettings().flat())
    for name, one in SETTINGS.items():
        assert one.en.endswith("."), name
        assert one.zh.endswith("。"), name
        assert one.choices or one.kind is bool or (one.low is not None and one.high is not None), name
        assert not one.problem(one.default), name
        assert one.stages == tuple(step for step, kind in STEPS.items() if name in {f.name for f in fields(kind)})


@pytest.mark.parametrize("name", list(SETTINGS))
def test_a_value_out_of_range_is_told_with_its_limit(name: str) -> None:
    one = SETTINGS[name]
    wrong: list[object] = ["neither"] if one.choices else []
    if one.low is not None and one.high is not None:
        wrong = [one.kind(one.low - 1), one.kind(one.high + 1), *([one.low] if one.above else [])]
        if one.kind is float:
            wrong += [float("nan"), float("inf")]
        for limit in (one.high, *([] if one.above else [one.low])):
            EditSettings().with_values(**{name: one.kind(limit)}).validate()
    assert wrong or one.kind is bool
    for value in wrong:
        with pytest.raises(InputError, match=f"{name} is") as caught:
            EditSettings().with_values(**{name: value}).validate()
        assert "must be" in str(caught.value) or "choose one of" in str(caught.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"point_number": 0}, "point_number is 0; it must be from 1 to 256"),
        ({"lr": 0.0}, "lr is 0.0; it must be above 0, and at most 10"),
        ({"steps": -1}, "steps is -1"),
        ({"learning": "magic"}, "learning is 'magic'; choose one of exact, gumbel, off"),
        ({"strength": 0.0}, "strength is 0"),
        ({"seed": 2**64}, "seed is 18446744073709551616"),
        *(({"seed": value}, f"seed is {value!r}; it must be a whole number") for value in (1.5, 1.0, "5", True)),
        ({"guidance_scale": "7"}, "guidance_scale is '7'; it must be a number"),
        ({"method": "paper", **NO_LOSS}, "loss_gamma are all 0, .* or learning to off"),
        ({"method": "paper", "test_alpha": 0.0, "test_beta": 0.0}, "test_beta are both 0, and the edits are ranked"),
    ],
)
def test_settings_out_of_range_are_named_before_any_model_runs(values: dict[str, Any], message: str) -> None:
    models: Any = dict.fromkeys(("painter", "dino", "scorer"))
    with pytest.raises(InputError, match=message):
        edit_image(None, CAPTION, PROMPT, **models, settings=EditSettings().with_values(**values))


def test_all_that_is_wrong_is_told() -> None:
    problems = list(EditSettings().with_values(steps=0, lr=-1.0, method="paper", **NO_LOSS).problems())
    assert [said.split(" ")[0] for said in problems] == ["steps", "lr", "loss_alpha,"]


@pytest.mark.parametrize(
    "values",
    [
        {"method": "paper", "learning": "off"},
        {"method": "paper", "generator_steps": 0},
        {"method": "evidence"},
        {"method": "evidence", "test_alpha": 0.0, "test_beta": 0.0},
        {"loss_gamma": 0.1},
    ],
)
def test_losses_of_0_are_no_fault_where_nothing_learns_by_them(values: dict[str, Any]) -> None:
    EditSettings().with_values(**{**NO_LOSS, **values}).validate()


@pytest.mark.parametrize(
    ("caption", "prompt", "message"),
    [
        ("", "a dog", "image_caption is empty"),
        ("a cat", "  ", "editing_prompt is empty"),
        ("a cat", "a  cat", "are both"),
    ],
)
def test_empty_or_equal_texts_are_refused(caption: str, prompt: str, message: str) -> None:
    models: Any = dict.fromkeys(("painter", "dino", "scorer"))
    with pytest.raises(InputError, match=message):
        edit_image(None, caption, prompt, **models)


def test_numbers_of_numpy_are_numbers() -> None:
    settings = EditSettings().with_values(seed=np.uint64(2**64 - 1), steps=np.int64(7), lr=np.float32(0.5))
    assert [type(one) for one in (settings.seed, settings.paint.steps, settings.paper.lr)] == [int, int, float]
    settings.validate()


def test_flat_names_reach_every_step_that_reads_them() -> None:
    settings = EditSettings().with_values(point_number=4, max_window_size=6, steps=7, test_beta=0.5, lr=0.1, seed=3)
    assert settings.find == FindSettings(max_window_size=6)
    assert (settings.paper.point_number, settings.paper.max_window_size, settings.paper.lr) == (4, 6, 0.1)
    assert (settings.paint.steps, settings.rank.test_beta, settings.seed) == (7, 0.5, 3)
    assert EditSettings().with_values(**settings.flat()) == settings
    assert settings.with_values(steps=None) == settings  # what was not given
    with pytest.raises(InputError, match="unknown setting 'area'; known are anchor_distance, "):
        EditSettings().with_values(area=1)


def test_presets_differ_from_the_defaults_as_described() -> None:
    assert list(PRESETS) == ["fast", "standard", "quality", "paper"]
    for name, settings in PRESETS.items():
        settings.validate()
        for key, value in settings.flat().items():
            assert value == SETTINGS[key].presets.get(name, SETTINGS[key].default), (name, key)
    assert preset("standard") == EditSettings()
    assert [preset(name).paint.num_regions for name in ("fast", "standard", "quality")] == [1, 1, 3]
    assert [preset(name).paint.steps for name in ("fast", "standard", "quality")] == [10, 20, 20]
    assert [preset(name).method for name in PRESETS] == [*["evidence"] * 3, "paper"]
    assert SETTINGS["num_regions"].values_by_preset() == "fast 1, standard 1, quality 3", "paper reads it not"
    for one in SETTINGS.values():
        assert not one.only_paper or not one.presets, "presets name no value that nothing reads"
    with pytest.raises(InputError, match="preset 'best' is not known; choose one of fast, standard, quality, paper"):
        preset("best")


def test_an_old_name_is_still_read() -> None:
    olds = [(old, one) for one in SETTINGS.values() for old in one.old_names]
    assert "finalists" in {old for old, _ in olds}
    for old, one in olds:
        assert old not in SETTINGS
        assert current_name(old) == one.name
        assert EditSettings().with_values(**{old: one.kind(3)}) == EditSettings().with_values(**{one.name: one.kind(3)})


def test_what_was_removed_is_read_and_does_nothing() -> None:
    assert {"previews", "preview_steps", "preview_guidance", "noise_samples", "loss_crop", "drafts"} <= set(REMOVED)
    for name, kind in REMOVED.items():
        assert name not in SETTINGS
        assert EditSettings().with_values(**{name: kind(1)}) == EditSettings()


def test_translations_and_tables_say_what_the_settings_say() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / ".ci" / "settings_texts.py", "--check"], capture_output=True, text=True, check=False
    )
    assert not done.returncode, done.stdout + done.stderr


# --- every setting does something ---------------------------------------------------------------

SCENE = scene_picture(held_out(4242, 1)[0])
BASE = EditSettings().with_values(
    num_regions=1, steps=3, guidance_scale=3.0, point_number=3, max_window_size=6, per_image_iteration=2, views=1,
    generator_steps=2, lr=0.01,
)  # fmt: skip


def made(models: Models, settings: EditSettings, remembered: dict[Any, Any]) -> Edits:
    """An edit of one scene; what is found with the same settings is found once."""
    if settings.method == "paper":
        return edit(models, SCENE, settings, painter=Halfway(96))
    if "encoded" not in remembered:
        remembered["encoded"] = encode_picture(SCENE, dino=models.dino, scorer=models.scorer)
    encoded = remembered["encoded"]
    if settings.find not in remembered:
        found = find_regions(encoded, CAPTION, scorer=models.scorer, settings=settings.find)
        remembered[settings.find] = insisted(found)
    return edit(models, SCENE, settings, painter=Halfway(96), encoded=encoded, regions=remembered[settings.find])


class Halfway(FillingPainter):
    """Noise to which a weak edit gives way to what was there."""

    def __call__(self, pictures: torch.Tensor, masks: torch.Tensor, **more: Any) -> torch.Tensor:
        return torch.lerp(pictures, super().__call__(pictures, masks, **more), more["strength"])


@pytest.fixture(scope="module")
def remembered() -> dict[Any, Any]:
    return {}


def picture(result: Edits) -> float:
    return float(result[0].picture.double().sum())


def mask(result: Edits) -> float:
    return float(result[0].mask.double().sum())


def cost(result: Edits) -> float:
    return result.unet_evaluations


def score(result: Edits) -> float:
    return result[0].score


def regions(result: Edits) -> list[Any]:
    return [one.box for one in result.regions]  # type: ignore[union-attr]


def boxes(result: Edits) -> Any:
    return result.tried_boxes.tolist()


def losses(result: Edits) -> Any:
    return [record["losses"] for record in result.rounds]


def weights(result: Edits) -> float:
    assert result.generator is not None
    return sum(float(one.detach().double().abs().sum()) for one in result.generator.parameters())


OTHER_SHAPE = next(one for one in SETTINGS["mask_shape"].choices if one != SETTINGS["mask_shape"].default)
READ: list[tuple[str, dict[str, Any], Any]] = [
    ("evidence", {"max_window_size": 2}, regions),
    ("evidence", {"steps": 5}, cost),
    ("evidence", {"guidance_scale": 1.0}, cost),
    ("evidence", {"strength": 0.5}, picture),
    ("evidence", {"num_regions": 2}, len),
    ("evidence", {"grow_percent": 30.0}, mask),
    ("evidence", {"feather_percent": 40.0}, mask),
    ("evidence", {"grow": 9}, mask),
    ("evidence", {"mask_shape": OTHER_SHAPE}, mask),
    ("evidence", {"feather": 20}, mask),
    ("evidence", {"test_alpha": 9.0}, score),
    ("evidence", {"test_beta": 9.0}, score),
    ("evidence", {"seed": 7}, picture),
    ("evidence", {"method": "paper"}, lambda result: len(result.rounds)),
    ("paper", {"point_number": 2}, boxes),
    ("paper", {"max_window_size": 5}, boxes),
    ("paper", {"anchor_distance": 12.0}, boxes),
    ("paper", {"per_image_iteration": 3}, lambda result: len(result.rounds)),
    ("paper", {"lr": 0.5}, weights),
    ("paper", {"learning": "exact"}, weights),
    ("paper", {"learning": "off"}, weights),
    ("paper", {"generator_steps": 5}, weights),
    ("paper", {"loss_alpha": 5.0}, losses),
    ("paper", {"loss_beta": 5.0}, losses),
    ("paper", {"loss_gamma": 5.0}, losses),
    ("paper", {"views": 3}, losses),
    ("paper", {"seed": 7}, losses),
    ("paper", {"steps": 5}, cost),
    ("paper", {"feather_percent": 40.0}, mask),
    ("paper", {"test_alpha": 9.0}, score),
    ("paper", {"test_beta": 9.0}, score),
]  # fmt: skip
ELSEWHERE = {"detections_only"}  # in tests/find: it says something of detections alone


def test_every_setting_is_tried_below() -> None:
    assert {name for _, change, _ in READ for name in change} == set(SETTINGS) - ELSEWHERE
    for name, one in SETTINGS.items():
        methods = {method for method, change, _ in READ if name in change}
        assert "evidence" in methods or one.only_paper or name in ELSEWHERE
        assert "paper" in methods or "paper" not in one.stages


@pytest.mark.parametrize(("method", "change", "seen"), READ, ids=[f"{method}-{[*c][0]}" for method, c, _ in READ])
def test_every_setting_does_something(
    models: Models, remembered: dict[Any, Any], method: str, change: dict[str, Any], seen: Any
) -> None:
    base = BASE.with_values(method=method)
    if method not in remembered:
        remembered[method] = made(models, base, remembered)
    assert seen(made(models, base.with_values(**change), remembered)) != seen(remembered[method])


@pytest.mark.parametrize("step", ["find", "paper"])
def test_what_a_step_does_not_read_changes_nothing_of_it(step: str) -> None:
    """Each step takes its own settings alone, so no list has to say what it reads."""
    others = {name for name, one in SETTINGS.items() if step not in one.stages and name not in ("method", "seed")}
    for name in others:
        one = SETTINGS[name]
        value = one.choices[0] if one.choices else one.kind(one.high)
        assert getattr(EditSettings().with_values(**{name: value}), step) == getattr(EditSettings(), step)
