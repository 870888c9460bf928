"""Patches of a MODEL that were made for one picture at a time, as core's KSampler runs it."""

from __future__ import annotations

from typing import Any

import torch

from ...region_core.errors import InputError

_HINTS = ("image", "hint_latent", "render_video")
# they are given the predictions of all rows, and may take one mean, norm or cosine of them all
_SEE_ALL_ROWS = (
    "sampler_cfg_function",
    "sampler_post_cfg_function",
    "sampler_pre_cfg_function",
    "sampler_calc_cond_batch_function",
)
# what code made for a batch of one, or of a text and no text, raises on another: with any words, or none
_KINDS = (RuntimeError, ValueError, LookupError, TypeError, AttributeError, AssertionError)
_COMPILED = "torch.compile"  # the wrapper that minds no rows


def sees_all_rows(model: Any) -> bool:
    """Whether a MODEL carries a patch, or a wrapper such as EasyCache's, whose answer for one row may hang on
    the others."""
    wrappers = (getattr(model, "wrappers", {}), model.model_options.get("transformer_options", {}).get("wrappers", {}))
    return any(model.model_options.get(name) for name in _SEE_ALL_ROWS) or any(
        calls for kinds in wrappers for keys in kinds.values() for key, calls in keys.items() if key != _COMPILED
    )


def minds_the_batch(error: BaseException) -> bool:
    """Whether an exception may be that of code which expects a batch of another size: one row tells."""
    # einops has an exception of its own, which is a RuntimeError
    return isinstance(error, _KINDS) and not isinstance(error, InputError)


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
