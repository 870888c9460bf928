"""A fault at each step of an edit: it is told once, and everything else is as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import nn

from region_core.demo.worlds import held_out
from region_core.encoders.loading import Models
from region_core.paint import paint_regions
from region_core.picture import picture_from

from .edits import QUICK, edit, scene_picture
from .painters import FillingPainter
from .tools import tiny
from .tools.world import difference, shared_state


class Fault(Exception):
    """Raised on purpose."""


class Failing:
    """A part of a model that fails at its `at`-th call; -1: never. Counts the calls, of a painter or of a module."""

    def __init__(self, part: Any, at: int = -1) -> None:
        self.part, self.at, self.count = part, at, 0

    def called(self, *_: Any) -> None:
        self.count += 1
        if self.count == self.at:
            raise Fault(f"call {self.at}")

    @contextmanager
    def watched(self) -> Iterator[Failing]:
        handle = self.part.register_forward_pre_hook(self.called)
        try:
            yield self
        finally:
            handle.remove()


class FailingPainter(FillingPainter):
    """Fails at the `at`-th step of all that it paints."""

    def __init__(self, failing: Failing) -> None:
        super().__init__(32)
        self.failing = failing

    def __call__(self, pictures: torch.Tensor, masks: torch.Tensor, **more: Any) -> torch.Tensor:
        told = more.pop("on_step", None)

        def on_step(step: Any) -> None:
            self.failing.called()
            if told is not None:
                told(step)

        return super().__call__(pictures, masks, **more, on_step=on_step)


def parts_of(scorer: Any, dino: Any) -> dict[str, nn.Module]:
    first = next(one for one in scorer.visual.modules() if isinstance(one, nn.Conv2d))
    return {"DINO": dino.model, "CLIP pictures": first, "CLIP texts": scorer.model.token_embedding}


def image() -> torch.Tensor:
    return torch.rand(1, 3, 64, 80, generator=torch.Generator().manual_seed(1))


def moments(count: int) -> list[int]:
    assert count > 0, "nothing of it is asked"
    return sorted({1, min(2, count), -(-count // 2), count})


@pytest.mark.parametrize("settings", [tiny.LITTLE, tiny.PAPER], ids=["evidence", "paper"])
@pytest.mark.parametrize("place", ["painter", "DINO", "CLIP pictures", "CLIP texts"])
def test_a_fault_at_every_call_passes_once_and_leaves_no_trace(place: str, settings: Any) -> None:
    dino, scorer = tiny.encoders()
    batches = dino.batch_size, scorer.batch_size

    def edited(at: int) -> tuple[Any, Failing]:
        if place == "painter":
            failing = Failing(None, at)
            return lambda: tiny.edit(image(), settings, painter=FailingPainter(failing)), failing
        failing = Failing(parts_of(scorer, dino)[place], at)

        def run() -> Any:
            with failing.watched():
                return tiny.edit(image(), settings)

        return run, failing

    tiny.edit(image(), settings)  # texts that all are compared with are remembered from the first edit on
    run, calls = edited(-1)
    whole = run()
    for at in moments(calls.count):
        before = shared_state()
        run, counted = edited(at)
        with pytest.raises(Fault, match=f"call {at}"):
            run()
        assert counted.count == at, "it went on after the fault"
        assert difference(before, shared_state()) == {}
        assert (dino.batch_size, scorer.batch_size) == batches
    again = tiny.edit(image(), settings)  # an undisturbed one is as it would have been
    assert torch.equal(again.image, whole.image)
    assert [one.box for one in again] == [one.box for one in whole]


FEWEST = QUICK.with_values(steps=2, point_number=1, max_window_size=3)


def test_a_fault_at_every_call_of_the_embedded_models_leaves_no_trace(models: Models) -> None:
    picture, pipe = scene_picture(held_out(5, 3)[0]), models.pipe
    parts = {
        "UNet": pipe.unet,
        "VAE encode": pipe.vae.encoder,
        "VAE decode": pipe.vae.decoder,
        "text encoder": pipe.text_encoder,
        **parts_of(models.scorer, models.dino),
    }
    modules = [pipe.unet, pipe.vae, pipe.text_encoder, models.dino.model, models.scorer.model]

    def left() -> dict[str, Any]:
        """What of the models, and of all, has to be as it was."""
        inside = [one for module in modules for one in module.modules()]
        return {
            **shared_state(),
            "hooks": [(len(one._forward_hooks), len(one._forward_pre_hooks)) for one in inside],
            "training": [one.training for one in inside],
            "at once": (models.dino.batch_size, models.scorer.batch_size),
            "dtype": {(one.dtype, one.device, one.requires_grad) for m in modules for one in m.parameters()},
        }

    edit(models, picture, FEWEST)
    counts = {}
    for name, part in parts.items():
        with Failing(part).watched() as counted:
            whole = edit(models, picture, FEWEST)
        counts[name] = counted.count
    before = left()
    for name, part in parts.items():
        for at in {1, counts[name]}:
            with Failing(part, at).watched() as counted, pytest.raises(Fault, match=f"call {at}"):
                edit(models, picture, FEWEST)
            assert counted.count == at, f"{name} was asked again after the fault"
            assert difference(before, left()) == {}, (name, at)
    again = edit(models, picture, FEWEST)
    assert torch.equal(again.image, whole.image)
    assert [one.box for one in again] == [one.box for one in whole]


class Spoilt(FillingPainter):
    """Gives no numbers in one row of what it paints."""

    def __init__(self, row: int) -> None:
        super().__init__(32)
        self.row = row

    def __call__(self, pictures: torch.Tensor, masks: torch.Tensor, **more: Any) -> torch.Tensor:
        made = super().__call__(pictures, masks, **more).clone()
        if len(made) > self.row:
            made[self.row] = torch.nan
        return made


@pytest.mark.parametrize("settings", [tiny.LITTLE, tiny.PAPER], ids=["evidence", "paper"])
@pytest.mark.parametrize("row", [0, 1])
def test_an_edit_of_no_numbers_is_ranked_last_and_does_not_end_the_learning(row: int, settings: Any) -> None:
    result = tiny.edit(image(), settings.with_values(per_image_iteration=1), painter=Spoilt(row))
    sound = [bool(one.picture.isfinite().all()) for one in result]
    assert sound == [True] * (len(sound) - 1) + [False]
    assert bool(result.image.isfinite().all())
    if result.generator is not None:
        assert all(bool(weights.isfinite().all()) for weights in result.generator.parameters())


def test_a_spoilt_pixel_outside_the_mask_is_not_in_the_picture() -> None:
    source = picture_from(image())
    painted = Spoilt(0)
    regions = tiny.edit(image()).regions
    assert regions is not None
    (one,) = paint_regions(source, regions.pick(0), painted, seed=1)
    kept = (one.mask == 0).expand_as(one.picture)
    assert torch.equal(one.picture[kept], source.rgb[kept])
