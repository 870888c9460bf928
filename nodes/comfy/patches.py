"""Patches of a MODEL that were made for one picture at a time, as core's KSampler runs it."""

from __future__ import annotations

import numbers
from typing import Any

import comfy.samplers
import torch

_HINTS = ("image", "hint_latent", "render_video")
_MIND_NO_ROWS = ("torch.compile", "bypass_lora", "model_sampling", "latent_format")  # by core's names for them
_SAMPLING = ("calc_cond_batch", "cfg_function", "sampling_function")
_DATA = (str, numbers.Number, torch.Tensor, torch.dtype, torch.device, type(None))


def sees_all_rows(model: Any, *conditionings: list) -> bool:
    """Whether anything of another's making may be given all rows at once: its answer for one may hang on the others,
    as that of a cache which skips a step by one mean over them all. LoRAs change weights alone and do not count.

    A MODEL or CONDITIONING can carry it at many places, so whatever there is no plain data counts. It can also stand in
    the place of a method of the network or of ComfyUI's sampling.
    """
    carried = (model.model_options, model.wrappers, model.callbacks, model.injections, model.object_patches)
    texts = [text for conditioning in conditionings for text in conditioning]
    return (
        any(map(_acts, carried))
        or any(len(embedding) > 1 or _acts(options) for embedding, options in texts)
        or any(map(_is_replaced, model.model.modules()))
        or any(getattr(comfy.samplers, name).__module__ != comfy.samplers.__name__ for name in _SAMPLING)
    )


def _acts(value: Any) -> bool:
    """Whether something is, or holds, more than data."""
    if isinstance(value, dict):
        return any(_acts(part) for key, part in value.items() if key not in _MIND_NO_ROWS)
    if isinstance(value, list | tuple | set):
        return any(map(_acts, value))
    return not isinstance(value, _DATA)


def _is_replaced(module: torch.nn.Module) -> bool:
    """Whether a method of a module, or its class's forward, is not its own."""
    kind = type(module)
    return kind.forward.__module__ not in {one.__module__ for one in kind.__mro__} or any(
        callable(value) and callable(getattr(kind, name, None)) for name, value in vars(module).items()
    )


def hint_of(model: Any) -> str:
    """The name of a patch of a MODEL that holds a hint for the whole picture; "" where there is none.

    Core's nodes for such hints (QwenImageDiffsynthControlnet, ZImageFunControlnet, SUPIR and others) keep the
    picture, or its latent, on the patch.
    """
    for patches in model.model_options.get("transformer_options", {}).get("patches", {}).values():
        for patch in patches:
            if any(isinstance(getattr(patch, name, None), torch.Tensor) for name in _HINTS):
                return type(patch).__name__
    return ""
