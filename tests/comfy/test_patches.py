"""Patches of a MODEL that were made for one picture, models that give NaN: the edits stay what they are."""

from __future__ import annotations

import importlib
import itertools
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


def painter(comfy: Comfy, model: Any, vae: Any = None) -> Any:
    return comfy.part("nodes.comfy.painter").ComfyPainter(
        model, vae or tiny_vae(), words(), words(), sampler="euler", scheduler="simple", size=NATIVE
    )


def paint(one: Any, pieces: Any, rows: slice = slice(None), steps: int = 2, guidance: float = 3.0) -> torch.Tensor:
    pictures, masks = pieces
    return one(pictures[rows], masks[rows], seed=3, steps=steps, guidance=guidance, strength=1.0)


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


def own_mean(model: Any) -> Any:
    """A patch that takes the mean of all it is given, and so of other regions too."""
    clone = model.clone()
    clone.set_model_sampler_post_cfg_function(lambda args: args["denoised"] - args["denoised"].mean())
    return clone


class Cache:
    """A cache as packs have it in the model's function wrapper: it skips a forward while the input has moved
    little, by one mean over all rows."""

    def __init__(self) -> None:
        self.last: torch.Tensor | None = None
        self.moved = 0.0

    def __call__(self, apply_model: Callable, args: dict) -> torch.Tensor:
        x, levels = args["input"], args["c"]["transformer_options"]["sample_sigmas"]
        if self.last is None or self.last.shape != x.shape or float(args["timestep"][0]) >= float(levels[0]) - 1e-6:
            self.last, self.moved = None, 0.0
        else:
            self.moved += float((x - self.last).abs().mean() / self.last.abs().mean())
        skip = self.last is not None and self.moved < 0.3
        self.last = x.clone()
        if skip:
            return x + self.left
        self.moved, out = 0.0, apply_model(x, args["timestep"], **args["c"])
        self.left = out - x
        return out


def with_cache(model: Any) -> Any:
    clone = model.clone()
    clone.set_model_unet_function_wrapper(Cache())
    return clone


def own_mean_of(kind: str) -> Callable[[Any], Any]:
    """A patch within the network that takes the mean of all rows."""

    def patch(model: Any) -> Any:
        clone = model.clone()
        if kind == "a block":
            clone.set_model_output_block_patch(lambda h, skip, _options: (h - h.mean(), skip))
        else:
            before = model.get_model_object("diffusion_model.forward")
            clone.add_object_patch(
                "diffusion_model.forward", lambda *args, **more: (lambda y: y - y.mean())(before(*args, **more))
            )
        return clone

    return patch


PATCHES = {
    "a cache": with_cache,
    "a mean in a block": own_mean_of("a block"),
    "a mean in another forward": own_mean_of("forward"),
    "RenormCFG": patched("nodes_lumina2", "RenormCFG", cfg_trunc=100.0, renorm_cfg=0.5),
    "RescaleCFG": lambda model: (
        importlib.import_module("comfy_extras.nodes_model_advanced").RescaleCFG().patch(model, 0.7)[0]
    ),
    "a wrapper": batches_of_two,
    "a mean": own_mean,
}


@pytest.mark.parametrize("name", PATCHES)
def test_regions_are_what_they_are_one_at_a_time(comfy: Comfy, pieces: Any, name: str) -> None:
    plain = tiny_unet("SD15", 9)
    model, steps = PATCHES[name](plain), 12 if name == "a cache" else 2
    together = painter(comfy, model)
    got = paint(together, pieces, steps=steps)
    single = painter(comfy, model)
    for index in range(3):
        alone = paint(single, pieces, slice(index, index + 1), steps)
        torch.testing.assert_close(got[index], alone[0], rtol=1e-4, atol=1e-5)
    other = paint(painter(comfy, plain), pieces, steps=steps)
    assert torch.equal(other, got) == (name == "a wrapper"), "the patch had no say, or had one that it has not"
    assert together.evaluations == single.evaluations == 6 * steps


@pytest.mark.parametrize("name", ["EasyCacheNode", "LazyCacheNode"])
def test_core_s_caches_skip_steps_of_a_region_by_that_region_alone(comfy: Comfy, pieces: Any, name: str) -> None:
    cached = patched("nodes_easycache", name, reuse_threshold=3.0, start_percent=0.0, end_percent=1.0, verbose=False)
    model, forwards = cached(tiny_unet("SD15", 9)), []
    model.model.diffusion_model.out.register_forward_hook(lambda *_args: forwards.append(1))
    got = paint(painter(comfy, model), pieces, steps=8)
    assert len(forwards) < 3 * 8, "nothing was skipped"
    for index in range(3):
        one = paint(painter(comfy, model), pieces, slice(index, index + 1), 8)
        torch.testing.assert_close(got[index], one[0], rtol=1e-4, atol=1e-5)


def test_a_hint_for_the_whole_picture_on_model_is_told_of(comfy: Comfy) -> None:
    module = importlib.import_module("comfy_extras.nodes_model_patch")
    patch = object.__new__(module.DiffSynthCnetPatch)  # its weights are not to be had
    patch.image = picture(NATIVE, NATIVE)
    model = tiny_unet("SD15", 9).clone()
    model.set_model_double_block_patch(patch)
    with pytest.raises(ValueError, match=r"a hint for the whole picture \(DiffSynthCnetPatch\), and regions"):
        painter(comfy, model)


def test_an_error_of_the_model_passes_at_once(comfy: Comfy, pieces: Any) -> None:
    calls = []

    def wrap(*_args: Any) -> torch.Tensor:
        calls.append(1)
        raise ZeroDivisionError("no reason")

    model = tiny_unet("SD15", 9)
    model.set_model_unet_function_wrapper(wrap)
    with pytest.raises(ZeroDivisionError):
        paint(painter(comfy, model), pieces)
    assert len(calls) == 1


def spoilt(*calls: int) -> Any:
    """A MODEL that gives NaN at these calls, at all where none is named."""
    model, count = tiny_unet("SD15", 9), itertools.count()

    def spoil(_module: Any, _args: Any, out: torch.Tensor) -> torch.Tensor:
        return out * torch.nan if next(count) in calls or not calls else out

    model.model.diffusion_model.register_forward_hook(spoil)
    return model


def test_a_model_that_gives_no_numbers_is_told_of(comfy: Comfy, pieces: Any) -> None:
    with pytest.raises(
        ValueError,
        match=r"the latents of the MODEL \(.*\) are not numbers.*half precision.*"
        "--force-fp32",
    ):
        paint(painter(comfy, spoilt()), pieces, guidance=1.0)


@pytest.mark.parametrize("way", ["encode", "decode"])
def test_a_vae_that_gives_no_numbers_is_told_of(comfy: Comfy, pieces: Any, way: str) -> None:
    vae = tiny_vae()
    part = vae.first_stage_model.encoder if way == "encode" else vae.first_stage_model.decoder
    part.register_forward_hook(lambda _module, _args, out: out * torch.nan)
    with pytest.raises(ValueError, match="the VAE's .* are not numbers.*--fp32-vae"):
        paint(painter(comfy, tiny_unet("SD15", 9), vae), pieces, guidance=1.0)


def test_one_edit_of_no_numbers_leaves_the_others(comfy: Comfy, pieces: Any) -> None:
    want = paint(painter(comfy, tiny_unet("SD15", 9)), pieces, guidance=1.0)
    seen: list[torch.Tensor] = []
    one = painter(comfy, spoilt(2, 3))  # the second of three regions, in two steps
    pictures, masks = pieces
    got = one(
        pictures, masks, seed=3, steps=2, guidance=1.0, strength=1.0, on_step=lambda step: seen.append(step.latents)
    )
    assert [bool(step.isfinite().all()) for step in seen] == [True, True, False, False, True, True]
    for index in (0, 2):
        torch.testing.assert_close(got[index], want[index], rtol=1e-4, atol=1e-5)
