"""Ways by which other packs give something all rows at once, beside patches: regions are painted as each alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from .conftest import Comfy
from .parts import NATIVE, tiny_flux, tiny_flux2, tiny_qwen_image, tiny_unet, tiny_vae, words
from .test_patches import paint, patched, pieces

__all__ = ["pieces"]  # a fixture
Parts = tuple[Any, list]  # MODEL and CONDITIONING


def mean_of(call: Callable) -> Callable:
    """The same, less the mean of all rows."""
    return lambda *args, **more: (lambda y: y - y.mean())(call(*args, **more))


def replaced(owner: Any, name: str) -> None:
    setattr(owner, name, mean_of(getattr(owner, name)))


def forward_set(model: Any) -> Parts:
    replaced(model.model.diffusion_model, "forward")
    return model, words()


def block_set(model: Any) -> Parts:
    replaced(model.model.diffusion_model.middle_block[0], "_forward")
    return model, words()


def apply_model_set(model: Any) -> Parts:
    replaced(model.model, "apply_model")
    return model, words()


def injected(model: Any) -> Parts:
    from comfy.patcher_extension import PatcherInjection

    def inject(patcher: Any) -> None:
        replaced(patcher.model.diffusion_model, "forward")

    def eject(patcher: Any) -> None:
        del patcher.model.diffusion_model.forward

    model.set_injections("test", [PatcherInjection(inject, eject)])
    return model, words()


def called_before(model: Any) -> Parts:
    from comfy.patcher_extension import CallbacksMP

    def start(patcher: Any) -> None:
        vars(patcher.model.diffusion_model).pop("forward", None)
        replaced(patcher.model.diffusion_model, "forward")

    model.add_callback(CallbacksMP.ON_PRE_RUN, start)
    return model, words()


def attention(model: Any) -> Parts:
    def override(call: Callable, *args: Any, **more: Any) -> torch.Tensor:
        return mean_of(call)(*args, **more)

    model.model_options["transformer_options"]["optimized_attention_override"] = override
    return model, words()


def windows(model: Any) -> Parts:
    """Core's node, whose windows lie along the rows at first."""
    values = {"context_length": 2, "context_overlap": 1, "context_schedule": "standard_static", "context_stride": 1}
    made = patched(
        "nodes_context_windows",
        "ContextWindowsManualNode",
        **values,
        closed_loop=False,
        fuse_method="flat",
        dim=0,
        freenoise=False,
    )
    return made(model), words()


def mask_function(model: Any) -> Parts:
    model.set_model_denoise_mask_function(lambda _sigma, mask, **_more: mask * mask.mean())
    return model, words()


def hook(model: Any) -> Parts:
    from comfy import hooks

    patch = {"patches": {"output_block_patch": [lambda h, skip, _options: (h - h.mean(), skip)]}}
    group = hooks.HookGroup()
    group.add(hooks.TransformerOptionsHook(patch))
    return model, hooks.set_hooks_for_conditioning(words(), group)


def two_texts(model: Any) -> Parts:
    (embedding, options), *_ = words()
    return model, [[torch.cat([embedding, -embedding]), options]]


WAYS = [
    *(forward_set, block_set, apply_model_set, injected, called_before),
    *(attention, windows, mask_function, hook, two_texts),
]


def painter(comfy: Comfy, model: Any, text: list) -> Any:
    return comfy.part("nodes.comfy.painter").ComfyPainter(
        model, tiny_vae(), text, words(), sampler="euler", scheduler="simple", size=NATIVE
    )


@pytest.mark.parametrize("way", WAYS)
def test_regions_are_what_they_are_one_at_a_time(comfy: Comfy, pieces: Any, way: Callable[[Any], Parts]) -> None:
    plain = 4 if way is mask_function else 9  # only a plain one is held to the picture by a mask
    model, text = way(tiny_unet("SD15", plain))
    got = paint(painter(comfy, model, text), pieces)
    for index in range(3):
        alone = paint(painter(comfy, model, text), pieces, slice(index, index + 1))
        torch.testing.assert_close(got[index], alone[0], rtol=1e-4, atol=1e-5)


def test_a_forward_that_a_class_was_given(comfy: Comfy, pieces: Any) -> None:
    model = tiny_unet("SD15", 9)
    kind = type(model.model.diffusion_model)
    own = kind.forward
    kind.forward = lambda self, *args, **more: mean_of(own)(self, *args, **more)
    try:
        got, alone = (paint(painter(comfy, model, words()), pieces, slice(count)) for count in (3, 1))
    finally:
        kind.forward = own
    torch.testing.assert_close(got[:1], alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("make", [tiny_flux, tiny_flux2, tiny_qwen_image])
def test_a_plain_model_paints_all_at_once(comfy: Comfy, make: Callable[[], Any]) -> None:
    patches = comfy.part("nodes.comfy.patches")
    assert not patches.sees_all_rows(make(), words(pooled=24))
