"""Patches of a MODEL that were made for one picture at a time, as core's KSampler runs it."""

from __future__ import annotations

from typing import Any

import torch

_HINTS = ("image", "hint_latent", "render_video")
_FUNCTIONS = (
    "model_function_wrapper",
    "sampler_cfg_function",
    "sampler_post_cfg_function",
    "sampler_pre_cfg_function",
    "sampler_calc_cond_batch_function",
)
_COMPILED = "torch.compile"  # the wrapper that minds no rows


def sees_all_rows(model: Any) -> bool:
    """Whether a MODEL carries anything that is given all rows at once: its answer for one may hang on the others,
    as that of a cache which skips a step by one mean over them all. LoRAs change weights alone and do not count."""
    transformer = model.model_options.get("transformer_options", {})
    patches = [calls for kind in ("patches", "patches_replace") for calls in transformer.get(kind, {}).values()]
    for kinds in (model.wrappers, transformer.get("wrappers", {})):
        patches += [calls for keys in kinds.values() for key, calls in keys.items() if key != _COMPILED]
    return (
        any(patches)
        or any(model.model_options.get(name) for name in _FUNCTIONS)
        or any(name.startswith("diffusion_model") for name in model.object_patches)
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
