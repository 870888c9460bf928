"""The trainings of small CLIPs: which tower, on what, for how long (minutes of one core)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from open_clip.model import CLIP
from safetensors.torch import load_file
from torch.nn import functional as F

from region_core.errors import InputError

from . import clips, shapes, things, train

TEACHER_WEIGHT = 10.0  # of 1 - cosine with the teacher's embedding, beside the contrast in nats


def things_conv(folder: Path, work: Path) -> dict[str, float]:
    """The things world, convolutions and the mean over places: 40 minutes."""
    plan = train.Plan("conv", things.words(), ((64, 256, 1440), (96, 192, 250), (128, 160, 700)))
    return train.train(plan, things.bank(work, 16000), folder, work / "things-conv", things.judge)


def shapes_conv(folder: Path, work: Path) -> dict[str, float]:
    """The shapes world, which is the demo's, the same tower: 20 minutes."""
    plan = train.Plan("conv", shapes.words(), ((64, 256, 1100), (96, 192, 150), (128, 160, 450)))
    return train.train(plan, shapes.bank(work, 10000), folder, work / "clip", shapes.judge)


def things_vit(folder: Path, work: Path) -> dict[str, float]:
    """The things world, a vision transformer with patch tokens: 30 minutes.

    Alone such a small one stalls, so it starts with the texts of `things-conv`, which must be there, and
    is drawn to that model's embeddings of whole pictures. Of its places nothing is said.
    """
    source = folder.with_name("things-conv") / "open_clip_model.safetensors"
    if not source.exists():
        raise InputError(f"The transformer learns from '{source}', which is not there; train things-conv first.")
    weights = load_file(source)
    teacher = clips.build("conv", len(weights["token_embedding.weight"]))
    teacher.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in weights.items()})
    teacher = teacher.eval().to(memory_format=torch.channels_last)
    plan = train.Plan("vit", things.words(), ((128, 128, 1300),), rate=1e-3)
    total = sum(steps for *_, steps in plan.phases)

    def drawn(_: CLIP, pictures: torch.Tensor, seen: torch.Tensor, step: int) -> torch.Tensor:
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
            images = clips.normalise(pictures).contiguous(memory_format=torch.channels_last)
            wanted = F.normalize(teacher.visual(images).float(), dim=-1)
        weight = TEACHER_WEIGHT * (1 - 0.8 * step / total)
        return weight * (1 - (seen * wanted).sum(dim=-1)).mean()

    texts = {k: v for k, v in weights.items() if not k.startswith("visual.")}
    return train.train(plan, things.bank(work, 16000), folder, work / "things-vit", things.judge, drawn, texts)


RECIPES: dict[str, Callable[[Path, Path], dict[str, float]]] = {
    "things-conv": things_conv,
    "clip": shapes_conv,
    "things-vit": things_vit,
}
