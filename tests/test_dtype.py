"""Another pack may leave torch's default dtype (transformers 28461) or device changed: the same edit all the same."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from region_core import Edits, Region, edit_image, encode_picture
from region_core.demo.models import load_shapes_models
from region_core.demo.worlds import held_out
from region_core.draw import considered
from region_core.encoders.loading import Models
from region_core.paint.diffusers_painter import DiffusersPainter
from region_core.paper.network import build_generator
from region_core.picture import picture_from
from region_core.settings import EditSettings

from .edits import PAPER, QUICK, edit, noise_picture, regions_at
from .tools import tiny


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def edited(models: Models, settings: EditSettings, kind: str) -> Edits:
    scene, wish = held_out(5, 1, kind)
    return edit_image(
        scene.image,
        wish.caption,
        wish.prompt,
        painter=DiffusersPainter(models.pipe, wish.prompt),
        dino=models.dino,
        scorer=models.scorer,
        settings=settings,
    )


def same(one: Edits, other: Edits) -> None:
    assert (one.verdict, one.rounds) == (other.verdict, other.rounds)
    assert [edit.box for edit in one] == [edit.box for edit in other]
    assert [edit.rank_score for edit in one] == [edit.rank_score for edit in other]
    assert torch.equal(one.image, other.image)
    assert one.image.dtype == one.mask.dtype == one.relevance.dtype == one.saliency.dtype == torch.float32
    assert torch.equal(one.tried_boxes, other.tried_boxes)


EXACT = PAPER.with_values(learning="exact")


@pytest.mark.parametrize(
    ("settings", "kind", "dtype"),
    [
        (QUICK, "replace", torch.bfloat16),
        (QUICK, "replace", torch.float64),
        (QUICK, "add", torch.bfloat16),
        (PAPER, "replace", torch.bfloat16),
        (EXACT, "replace", torch.float16),
    ],
    ids=["evidence", "evidence in double", "add", "gumbel", "exact"],
)
def test_an_edit_is_the_same(models: Models, settings: EditSettings, kind: str, dtype: torch.dtype) -> None:
    plain = edited(models, settings, kind)
    with default_dtype(dtype):
        other = edited(models, settings, kind)
    same(other, plain)
    if plain.generator is not None and other.generator is not None:
        pairs = zip(plain.generator.parameters(), other.generator.parameters(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("size", [(700, 1100), (40, 300)])
def test_pictures_of_any_size_within_a_mask_are_edited_the_same(models: Models, size: tuple[int, int]) -> None:
    picture = noise_picture(*size)
    prior = torch.zeros(1, 1, size[1], size[0])
    prior[..., size[1] // 4 :, : size[0] // 2] = 1
    plain = edit(models, picture, QUICK, prior=prior)
    with default_dtype(torch.bfloat16):
        other = edit(models, picture, QUICK, prior=prior)
    same(other, plain)


@pytest.mark.parametrize("settings", [tiny.LITTLE, tiny.PAPER], ids=["evidence", "paper"])
def test_regions_by_hand_and_random_models(settings: EditSettings) -> None:
    image = torch.rand(1, 3, 64, 80, generator=torch.Generator().manual_seed(1))
    plain = tiny.edit(image, settings)
    with default_dtype(torch.bfloat16):
        other = tiny.edit(image, settings)
        dino, scorer = tiny.encoders()
        encoded = encode_picture(picture_from(image), dino=dino, scorer=scorer)
        assert regions_at(encoded, (3, 5, 41, 50))[0].box == (3, 5, 41, 50)
        assert regions_at(encoded, (3, 5, 41, 50))[0].mask.dtype == torch.float32
    same(other, plain)


@contextmanager
def set_device() -> Iterator[None]:
    torch.set_default_device("meta")  # of which nothing can be had
    try:
        yield
    finally:
        torch.set_default_device(None)


def test_a_default_device_that_was_taken_back_is_none(models: Models) -> None:
    with set_device():
        pass
    assert edited(models, QUICK, "replace").image.device.type == "cpu"


@pytest.mark.parametrize("elsewhere", [set_device, lambda: torch.device("meta")], ids=["set", "within"])
@pytest.mark.parametrize("settings", [QUICK, PAPER], ids=["evidence", "paper"])
def test_another_default_device_changes_nothing(models: Models, settings: EditSettings, elsewhere: Any) -> None:
    plain = edited(models, settings, "replace")
    with elsewhere():
        other = edited(load_shapes_models(), settings, "replace")
        assert (other.image.device.type, other.mask.device.type) == ("cpu", "cpu")
        assert Region.from_box((3, 5, 41, 50), 60, 70).mask.device.type == "cpu"
        assert build_generator(8, 3, seed=1).linear1.weight.device.type == "cpu"
        drawn = considered(other)
    same(other, plain)
    assert drawn.tobytes() == considered(plain).tobytes()


MAKERS = {"tensor", "zeros", "ones", "full", "empty", "rand", "randn", "linspace", "eye", "Linear", "Conv2d"}
ROOT = Path(__file__).resolve().parents[1] / "region_core"


def without_dtype(source: str) -> list[str]:
    """The calls of torch that make a tensor, or a layer, in whatever dtype is the default."""
    calls = [one for one in ast.walk(ast.parse(source)) if isinstance(one, ast.Call)]
    return [
        f"line {call.lineno}: {ast.unparse(call)}"
        for call in calls
        if isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id in ("torch", "nn")
        and call.func.attr in MAKERS
        and "dtype" not in {one.arg for one in call.keywords}
    ]


def test_every_tensor_that_is_made_says_its_dtype() -> None:
    found = {
        str(file.relative_to(ROOT)): wrong
        for file in sorted(ROOT.rglob("*.py"))
        if (wrong := without_dtype(file.read_text(encoding="utf-8")))
    }
    assert not found
    assert without_dtype("a = torch.zeros(3)\nb = nn.Linear(2, 3)\nc = torch.ones(3, dtype=torch.bool)") == [
        "line 1: torch.zeros(3)",
        "line 2: nn.Linear(2, 3)",
    ]
