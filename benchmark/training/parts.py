"""One training by its name; each has its own heavy imports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from region_core.errors import InputError


def train_part(part: str, weights: Path, work: Path, minutes: float) -> dict[str, Any] | None:
    """Train a part into the folder `weights`; gives its scores, where it has some. InputError where it needs another
    that is not there."""
    if part == "tokenizer":
        from .vocabulary import write_tokenizer

        return {"tokens": write_tokenizer(weights / "tokenizer")}
    if part == "vae":
        from . import train_vae

        return train_vae.train(weights / "inpaint" / "vae", work)
    if part == "dino":
        from . import train_dino

        return train_dino.train(weights / "dino", work)
    if part == "judge":
        from . import train_judge

        return train_judge.train(weights / "judge", work)
    if part == "things-dino":
        from . import train_patches

        return train_patches.train(weights / part, work)
    if part != "unet":
        from .contrastive.recipes import RECIPES

        return RECIPES[part](weights / part, work)
    from . import train_unet

    for need in ("tokenizer", "inpaint/vae"):
        if not (weights / need).is_dir():
            raise InputError(
                f"The UNet needs '{weights / need}', which is not there; train {need.rpartition('/')[2]} first."
            )
    train_unet.train(weights, work, minutes)
    return None
