"""A diffusers pipeline as a Painter, on the embedded model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from region_core.cost import progress_scope
from region_core.errors import InputError
from region_core.paint.diffusers_painter import DiffusersPainter
from region_core.paint.painter import StepInfo


def task(count: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    pictures = torch.full((count, 3, 128, 128), 0.6)
    masks = torch.zeros(count, 1, 128, 128)
    for n in range(count):
        masks[n, :, 16 + 8 * n : 64 + 8 * n, 16:64] = 1
    return pictures, masks


def paint(painter: DiffusersPainter, count: int = 2, **changed: Any) -> torch.Tensor:
    return painter(*task(count), **{"seed": 5, "steps": 3, "guidance": 1.0, "strength": 1.0, **changed})


@contextmanager
def hooked(module: torch.nn.Module, hook: Callable) -> Iterator[None]:
    """A forward hook for a while: it may change what comes out, or raise."""
    handle = module.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


@pytest.fixture
def painter(pipe) -> DiffusersPainter:
    return DiffusersPainter(pipe, "a red circle")


def test_each_picture_is_painted_as_if_alone_from_the_same_noise(painter):
    pictures, masks = task(1)
    twice = painter(pictures.repeat(2, 1, 1, 1), masks.repeat(2, 1, 1, 1), seed=5, steps=3, guidance=3.0, strength=1.0)
    torch.testing.assert_close(twice[0], twice[1], atol=1e-4, rtol=0)
    torch.testing.assert_close(paint(painter, 3)[2:], painter(*(x[2:] for x in task(3)), seed=5, steps=3, guidance=1.0))


def test_guidance_costs_a_second_forward_and_changes_the_picture(painter):
    without = paint(painter)
    assert painter.evaluations == 2 * 3
    assert (painter.vae_encodings, painter.vae_decodings) == (2, 2)
    with_guidance = paint(painter, guidance=4.0)
    assert painter.evaluations == 2 * 3 + 2 * 3 * 2
    assert not torch.allclose(without, with_guidance, atol=1e-3)


def test_seed_strength_and_prompts_change_the_picture(pipe, painter):
    first = paint(painter, guidance=4.0)
    others = [
        paint(painter, guidance=4.0, seed=6),
        paint(painter, guidance=4.0, strength=0.5),
        paint(DiffusersPainter(pipe, "a blue star"), guidance=4.0),
        paint(DiffusersPainter(pipe, "a red circle", "a blue star"), guidance=4.0),
    ]
    for other in others:
        assert not torch.allclose(first, other, atol=1e-3)


def test_whoever_watches_is_told_of_texts_too(pipe):
    told: list[int] = []
    with progress_scope(lambda: told.append(1)):
        DiffusersPainter(pipe, "a red circle " * 40, "a blue star", batch_size=1)
    assert len(told) > 2, "a forward for each piece of a text"


@pytest.mark.parametrize("batch_size", [16, 2])
def test_steps_are_told_of_each_picture(pipe, batch_size):
    told: list[StepInfo] = []
    paint(DiffusersPainter(pipe, "a red circle", batch_size=batch_size), 3, strength=0.7, on_step=told.append)
    assert [step.done for step in told] == ([3, 6] if batch_size == 16 else [2, 4, 5, 6])
    assert {step.total for step in told} == {3 * 2}
    assert told[0].latents is not None
    assert told[0].latents.shape == (min(batch_size, 3), 4, 16, 16)


def test_whoever_is_told_of_a_step_may_stop_it(painter):
    def stop(step: StepInfo) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        paint(painter, on_step=stop)
    assert painter.evaluations == 2


def test_where_memory_is_short_fewer_pictures_go_at_once(painter):
    def full_above(rows: int) -> Callable:
        def full(_module, args, _out):
            if len(args[0]) > rows:
                raise torch.OutOfMemoryError("CUDA out of memory.")

        return full

    plain = paint(painter, 3)
    with hooked(painter.pipe.unet, full_above(2)):
        torch.testing.assert_close(paint(painter, 3), plain, atol=1e-4, rtol=0)
    with hooked(painter.pipe.unet, full_above(0)), pytest.raises(InputError, match="memory does not suffice.*float16"):
        paint(painter)


def test_a_prompt_longer_than_the_encoder_reads_is_read_to_its_end(pipe):
    words = "a red circle and " * 60
    plain, other = (DiffusersPainter(pipe, words + end) for end in ("a star", "a green ring"))
    assert plain.positive.shape == (1, 77, 128)
    assert not torch.equal(plain.positive, other.positive)


def test_a_model_that_is_no_inpainting_model_is_refused():
    plain = SimpleNamespace(unet=SimpleNamespace(config=SimpleNamespace(in_channels=4)))
    with pytest.raises(InputError, match="takes 4 input channels"):
        DiffusersPainter(plain, "a red circle")


def spoil(rows: Any) -> Callable:
    """A hook that lets NaN into some rows of what a module gives."""

    def hook(_module, _args, out):
        tensor = out if isinstance(out, torch.Tensor) else out.sample
        tensor[rows] = torch.nan
        return out

    return hook


@pytest.mark.parametrize(("part", "says"), [("unet", "the UNet's latents"), ("vae.decoder", "the VAE's pictures")])
def test_a_model_that_gives_no_numbers_is_told_of(painter, part, says):
    with (
        hooked(painter.pipe.unet if part == "unet" else painter.pipe.vae.decoder, spoil(slice(None))),
        pytest.raises(InputError, match=rf"{says} are not numbers.*half precision.*float32"),
    ):
        paint(painter)


def test_one_picture_of_no_numbers_leaves_the_others(painter):
    with hooked(painter.pipe.unet, spoil(1)):
        pictures = paint(painter, 3)
    assert [bool(picture.isfinite().all()) for picture in pictures] == [True, False, True]
