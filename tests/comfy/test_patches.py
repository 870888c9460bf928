"""Patches of a MODEL that were made for one picture, models that give NaN: the edits stay what they are."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import pytest
import torch

from .conftest import Comfy
from .parts import NATIVE, picture, tiny_unet, tiny_vae, words


@pytest.fixture(scope="module")
def pieces() -> tuple[torch.Tensor, torch.Tensor]:
    """Three squares and their masks."""
    masks = torch.zeros(3, 1, NATIVE, NATIVE)
    for index, mask in enumerate(masks):
        mask[:, 8 * index : 40 + 8 * index, 8 : 50 - 8 * index] = 1
    images = picture(NATIVE, NATIVE, count=3).movedim(-1, 1)
    return images * torch.tensor([1.0, 0.2, 0.6])[:, None, None, None], masks


def inpainter(comfy: Comfy, model: Any, vae: Any = None) -> Any:
    return comfy.part("nodes.comfy.painter").ComfyInpainter(
        model, vae or tiny_vae(), words(), words(), sampler="euler", scheduler="simple", size=NATIVE
    )


def patched(module: str, name: str, **values: Any) -> Callable[[Any], Any]:
    def patch(model: Any) -> Any:
        node = getattr(importlib.import_module(f"comfy_extras.{module}"), name)
        return node.execute(model, **values).args[0]

    return patch


def batches_of_two(model: Any) -> Any:
    """A wrapper as packs have them, that reckons with a text and no text of one picture."""
    clone = model.clone()

    def wrap(apply_model: Callable, args: dict) -> torch.Tensor:
        text, other = args["input"].reshape(2, *args["input"].shape[1:]).unbind()
        assert text.shape == other.shape
        return apply_model(args["input"], args["timestep"], **args["c"])

    clone.set_model_unet_function_wrapper(wrap)
    return clone


def picky(error: Exception) -> Callable[[Any], Any]:
    """A wrapper that refuses more than a text and no text of one picture, in its own words."""

    def patch(model: Any) -> Any:
        clone = model.clone()

        def wrap(apply_model: Callable, args: dict) -> torch.Tensor:
            if len(args["input"]) != 2:
                raise error
            return apply_model(args["input"], args["timestep"], **args["c"])

        clone.set_model_unet_function_wrapper(wrap)
        return clone

    return patch


def own_mean(model: Any) -> Any:
    """A patch that takes the mean of all it is given, and so of other regions too."""
    clone = model.clone()
    clone.set_model_sampler_post_cfg_function(lambda args: args["denoised"] - args["denoised"].mean())
    return clone


PATCHES = {
    "RenormCFG": patched("nodes_lumina2", "RenormCFG", cfg_trunc=100.0, renorm_cfg=0.5),
    "Mahiro": patched("nodes_mahiro", "Mahiro"),
    "RescaleCFG": lambda model: (
        importlib.import_module("comfy_extras.nodes_model_advanced").RescaleCFG().patch(model, 0.7)[0]
    ),
    "a wrapper": batches_of_two,
    "a wrapper with a plain assert": picky(AssertionError()),
    "a wrapper with a table": picky(KeyError(2)),
    "a wrapper with attributes": picky(AttributeError("'NoneType' object has no attribute 'chunk'")),
    "a wrapper with channels": picky(RuntimeError("Expected 4 channels, but got 8")),
    "a mean": own_mean,
}


@pytest.mark.parametrize("name", PATCHES)
def test_regions_are_what_they_are_one_at_a_time(comfy: Comfy, pieces: Any, name: str) -> None:
    plain = tiny_unet("SD15", 9)
    model = PATCHES[name](plain)
    together = inpainter(comfy, model)
    start = together.begin(*pieces, 3, 2)
    got = together.advance(start, 2, 3.0)
    single = inpainter(comfy, model)
    alone = [single.advance(start.select([index]), 2, 3.0) for index in range(3)]
    for index, one in enumerate(alone):
        torch.testing.assert_close(got.denoised[index], one.denoised[0], rtol=1e-4, atol=1e-5)
    other = inpainter(comfy, plain).advance(start, 2, 3.0)
    if name.startswith("a wrapper"):
        # three at once are summed in another order than each alone, by how much depends on the processor
        torch.testing.assert_close(got.denoised, other.denoised, rtol=1e-3, atol=3e-4)
    else:
        assert not torch.equal(other.denoised, got.denoised), "the patch had no say"
    assert together.evaluations == single.evaluations == 12


@pytest.mark.parametrize("name", ["EasyCacheNode", "LazyCacheNode"])
def test_core_s_caches_skip_steps_of_a_region_by_that_region_alone(comfy: Comfy, pieces: Any, name: str) -> None:
    cached = patched("nodes_easycache", name, reuse_threshold=3.0, start_percent=0.0, end_percent=1.0, verbose=False)
    model = cached(tiny_unet("SD15", 9))
    together, forwards = inpainter(comfy, model), []
    model.model.diffusion_model.out.register_forward_hook(lambda *_args: forwards.append(1))
    start = together.begin(*pieces, 3, 8)
    got = together.advance(start, 8, 3.0)
    assert len(forwards) < 3 * 8, "nothing was skipped"
    for index in range(3):
        one = inpainter(comfy, model).advance(start.select([index]), 8, 3.0)
        torch.testing.assert_close(got.denoised[index], one.denoised[0], rtol=1e-4, atol=1e-5)


def test_a_hint_for_the_whole_picture_on_model_is_told_of(comfy: Comfy) -> None:
    module = importlib.import_module("comfy_extras.nodes_model_patch")
    patch = object.__new__(module.DiffSynthCnetPatch)  # its weights are not to be had
    patch.image = picture(NATIVE, NATIVE)
    model = tiny_unet("SD15", 9).clone()
    model.set_model_double_block_patch(patch)
    with pytest.raises(ValueError, match=r"a hint for the whole picture \(DiffSynthCnetPatch\), and regions"):
        inpainter(comfy, model)


def test_an_error_that_is_not_of_the_batch_passes_at_once(comfy: Comfy, pieces: Any) -> None:
    calls = []

    def wrap(*_args: Any) -> torch.Tensor:
        calls.append(1)
        raise ZeroDivisionError("no reason")

    model = tiny_unet("SD15", 9)
    model.set_model_unet_function_wrapper(wrap)
    one = inpainter(comfy, model)
    with pytest.raises(ZeroDivisionError):
        one.advance(one.begin(*pieces, 3, 1), 1, 3.0)
    assert len(calls) == 1


def spoilt(model: Any, rows: Any) -> Any:
    clone = model.clone()

    def wrap(apply_model: Callable, args: dict) -> torch.Tensor:
        out = apply_model(args["input"], args["timestep"], **args["c"])
        out[rows] = torch.nan
        return out

    clone.set_model_unet_function_wrapper(wrap)
    return clone


def test_a_model_that_gives_no_numbers_is_told_of(comfy: Comfy, pieces: Any) -> None:
    one = inpainter(comfy, spoilt(tiny_unet("SD15", 9), slice(None)))
    with pytest.raises(
        ValueError,
        match=r"the latents of the MODEL \(.*\) are not numbers.*half precision.*"
        "--force-fp32",
    ):
        one.advance(one.begin(*pieces, 3, 1), 1, 1.0)


@pytest.mark.parametrize("way", ["encode", "decode"])
def test_a_vae_that_gives_no_numbers_is_told_of(
    comfy: Comfy, pieces: Any, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    vae = tiny_vae()
    call = getattr(vae, way)
    monkeypatch.setattr(vae, way, lambda samples: call(samples) * torch.nan)
    one = inpainter(comfy, tiny_unet("SD15", 9), vae)
    with pytest.raises(ValueError, match="the VAE's .* are not numbers.*--fp32-vae"):
        one.decode(one.advance(one.begin(*pieces, 3, 1), 1, 1.0))


def test_one_edit_of_no_numbers_leaves_the_others(comfy: Comfy, pieces: Any) -> None:
    plain = inpainter(comfy, tiny_unet("SD15", 9))
    model = spoilt(tiny_unet("SD15", 9), 1)
    one = inpainter(comfy, model)
    start = one.begin(*pieces, 3, 1)
    got, want = one.advance(start, 1, 1.0), plain.advance(start, 1, 1.0)
    assert not got.denoised[1].isfinite().any()
    for index in (0, 2):
        torch.testing.assert_close(got.denoised[index], want.denoised[index], rtol=1e-4, atol=1e-5)
