"""Patches of a MODEL that hold something for the whole picture."""

from __future__ import annotations

from typing import Any

import torch

_HINTS = ("image", "hint_latent", "render_video")


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
