"""CLIPs of another scale: a folder of weights bent so that its cosines have given moments.

A bend keeps every order: each cosine of a picture with a text becomes the same increasing straight line
of what it was, and `logit_scale` grows as the line is flat, so that the model's probabilities stay what
they were (up to 100, where CLIP's training stops). What is found must not change.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from region_core.demo.worlds import held_out
from region_core.encoders import ClipScorer
from region_core.errors import InputError, with_article

from .bent_clip import constants_for, load_folder
from .worlds.things.kinds import make_case
from .worlds.things.world import World

# mean cosine of a picture with its own caption, and with another's
MOMENTS = {
    "vit-b-16": (0.310, 0.162),  # OpenAI's ViT-B/16 on 500 captioned photographs of COCO
    "two-thirds": (0.261, 0.162),  # a scale two thirds as wide
    "about-zero": (0.100, 0.000),  # narrow, and unmatched pairs at 0, as models of a sigmoid loss have it
}
MOST_SCALE = 100.0
SEED = 4100


def captioned(world: str, index: int) -> tuple[np.ndarray, str]:
    """Picture (uint8 [H, W, 3]) number `index` of shapes or things and a caption that names what is in it."""
    if world == "shapes":
        shapes, _ = held_out(SEED, index)
        return shapes.image, " and ".join(o.name for o in shapes.objects[:3])
    scene = make_case(_things(), "plain", SEED, index).scene
    return scene.image, " and ".join(dict.fromkeys(with_article(t.name) for t in scene.things[-3:]))


@lru_cache(1)
def _things() -> World:
    return World()


def moments(scorer: ClipScorer, pairs: Callable[[int], tuple[np.ndarray, str]], count: int = 150) -> dict[str, float]:
    """Mean and standard deviation of the cosines of pictures with their own and with others' captions."""
    made = [pairs(i) for i in range(count)]
    images = torch.stack([torch.from_numpy(p.copy()).permute(2, 0, 1).float() / 255 for p, _ in made])
    seen = scorer.encode_images(images)
    cosines = seen @ torch.cat([scorer.encode_text(text) for _, text in made]).T
    own = torch.eye(count, dtype=torch.bool)
    return {
        "matched": float(cosines[own].mean()),
        "matched_sd": float(cosines[own].std()),
        "unmatched": float(cosines[~own].mean()),
        "unmatched_sd": float(cosines[~own].std()),
    }


def line_to(matched: float, unmatched: float, now: dict[str, float]) -> tuple[float, float]:
    """(slope, shift) of the line that takes the moments a model has now to those wanted."""
    if not now["matched"] > now["unmatched"]:
        raise InputError(
            f"The model's cosines are {now['matched']:.3f} with matching captions and "
            f"{now['unmatched']:.3f} with others; it tells nothing apart that could be bent."
        )
    slope = (matched - unmatched) / (now["matched"] - now["unmatched"])
    return slope, unmatched - slope * now["unmatched"]


def bend_folder(folder: Path, out: Path, slope: float, shift: float) -> None:
    """Write a copy of an open_clip folder whose every cosine c is shift + slope * c; whole or not at all.

    A folder that is bent already is bent further. InputError where no such model can be.
    """
    config = json.loads((folder / "open_clip_config.json").read_text(encoding="utf-8"))
    old = config.get("bend", {"slope": 1.0, "shift": 0.0})
    config["bend"] = {"slope": slope * old["slope"], "shift": shift + slope * old["shift"]}
    constants_for(**config["bend"])
    config.pop("evidence_floor", None)  # a cosine of the scale that was
    temporary = out.with_name(out.name + ".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    shutil.copytree(folder, temporary)
    weights = load_file(temporary / "open_clip_model.safetensors")
    scale = min(MOST_SCALE, float(weights["logit_scale"].float().exp()) / slope)
    weights["logit_scale"] = torch.tensor(math.log(scale))  # fp16 would lose a thousandth of it
    save_file(weights, temporary / "open_clip_model.safetensors")
    (temporary / "open_clip_config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    shutil.rmtree(out, ignore_errors=True)
    os.replace(temporary, out)


def bent(folder: Path, out: Path, wanted: str, world: str) -> str:
    """The `bend` command; tells the moments before and after."""
    if wanted in MOMENTS:
        matched, unmatched = MOMENTS[wanted]
    else:
        try:
            matched, unmatched = (float(part) for part in wanted.split(","))
        except ValueError:
            raise InputError(
                f"moments is '{wanted}'; choose one of {', '.join(MOMENTS)}, or give two "
                "cosines with a comma between, such as 0.31,0.162."
            ) from None
    now = moments(load_folder(folder), lambda index: captioned(world, index))
    slope, shift = line_to(matched, unmatched, now)
    bend_folder(folder, out, slope, shift)
    then = moments(load_folder(out), lambda index: captioned(world, index))
    lines = [
        f"{title}: matched {values['matched']:.3f} ± {values['matched_sd']:.3f}, unmatched "
        f"{values['unmatched']:.3f} ± {values['unmatched_sd']:.3f}"
        for title, values in (("before", now), ("after", then))
    ]
    return "\n".join([*lines, f"cosine = {shift:.4f} + {slope:.4f} x cosine; written to {out}"])
