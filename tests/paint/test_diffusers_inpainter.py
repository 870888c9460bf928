"""A diffusers pipeline as the core's Inpainter, on the embedded model."""

from __future__ import annotations

import pytest
import torch

from region_core.errors import InputError
from region_core.paint.diffusers_painter import DiffusersInpainter, load_pipeline


@pytest.fixture
def inpainter(pipe) -> DiffusersInpainter:
    return DiffusersInpainter(pipe, "a red circle")


def task(count: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    images = torch.full((count, 3, 128, 128), 0.6)
    masks = torch.zeros(count, 1, 128, 128)
    for n in range(count):
        masks[n, :, 16 + 8 * n : 64 + 8 * n, 16:64] = 1
    return images, masks


def test_all_candidates_share_one_noise(inpainter):
    latents = inpainter.begin(*task(3), seed=5, steps=4)
    assert torch.equal(latents.z[0], latents.z[1])
    assert torch.equal(latents.z[0], latents.z[2])
    assert not torch.equal(latents.extra["condition"][0], latents.extra["condition"][1])


def test_a_candidate_that_paused_ends_as_one_that_did_not(inpainter):
    whole = inpainter.advance(inpainter.begin(*task(), seed=5, steps=6), 6, 3.0)
    half = inpainter.advance(inpainter.begin(*task(), seed=5, steps=6), 3, 3.0).select([1])
    half = inpainter.advance(half, 6, 3.0)
    assert torch.allclose(whole.z[1], half.z[0], atol=1e-4)


def test_guidance_reaches_the_sampler_and_costs_a_second_forward(inpainter):
    start = inpainter.begin(*task(), seed=5, steps=3)
    without = inpainter.advance(start, 3, 1.0)
    assert inpainter.evaluations == 2 * 3
    with_guidance = inpainter.advance(start, 3, 4.0)
    assert inpainter.evaluations == 2 * 3 + 2 * 3 * 2
    assert not torch.allclose(without.z, with_guidance.z, atol=1e-3)


def test_seed_and_strength_reach_the_sampler(inpainter):
    first, other = (inpainter.begin(*task(), seed=s, steps=4) for s in (1, 2))
    assert not torch.equal(first.z, other.z)
    late = inpainter.begin(*task(), seed=1, steps=4, strength=0.5)
    assert late.step == 2
    assert not torch.equal(late.z, first.z)


def test_the_negative_prompt_changes_the_edit(pipe, inpainter):
    other = DiffusersInpainter(pipe, "a red circle", "a blue star")
    a, b = (i.advance(i.begin(*task(), seed=1, steps=3), 3, 4.0) for i in (inpainter, other))
    assert not torch.allclose(a.z, b.z, atol=1e-3)


def test_a_prompt_longer_than_the_encoder_reads_is_read_to_its_end(pipe):
    words = "a red circle and " * 60
    plain, other = (DiffusersInpainter(pipe, words + end) for end in ("a star", "a green ring"))
    assert plain.positive.shape == (1, 77, 128)
    assert not torch.equal(plain.positive, other.positive)


def test_a_model_that_is_no_inpainting_model_is_refused(pipe):
    class Plain:
        class unet:  # noqa: N801
            class config:  # noqa: N801
                in_channels = 4

    with pytest.raises(InputError, match="takes 4 input channels"):
        DiffusersInpainter(Plain, "a red circle")


def test_a_missing_model_is_named():
    with pytest.raises(InputError, match="no such file or folder"):
        load_pipeline("./nowhere/at-all")


def spoilt(monkeypatch, owner, name, rows):
    """Let NaN into some rows of what a model gives."""
    call = getattr(owner, name)

    def spoil(*args, **more):
        out = call(*args, **more)
        out.sample[rows] = torch.nan
        return out

    monkeypatch.setattr(owner, name, spoil)


@pytest.mark.parametrize(
    ("part", "name", "says"), [("unet", "forward", "the UNet's latents"), ("vae", "decode", "the VAE's pictures")]
)
def test_a_model_that_gives_no_numbers_is_told_of(inpainter, monkeypatch, part, name, says):
    spoilt(monkeypatch, getattr(inpainter.pipe, part), name, slice(None))
    with pytest.raises(InputError, match=rf"{says} are not numbers.*half precision.*float32"):
        inpainter.decode(inpainter.advance(inpainter.begin(*task(), seed=1, steps=2), 2, 1.0))


def test_one_edit_of_no_numbers_leaves_the_others(inpainter, monkeypatch):
    spoilt(monkeypatch, inpainter.pipe.unet, "forward", 1)
    pictures = inpainter.decode(inpainter.advance(inpainter.begin(*task(3), seed=1, steps=2), 2, 1.0))
    assert [bool(picture.isfinite().all()) for picture in pictures] == [True, False, True]
