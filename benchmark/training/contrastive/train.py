"""Training a small CLIP as CLIP was trained: pictures, captions, a softmax over the batch both ways."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from open_clip.model import CLIP
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import CLIPTokenizer

from ..loop import Average, Training
from ..vocabulary import write_tokenizer
from . import clips, framing

RATE, DECAY, WARM = 2e-3, 0.02, 100
KEEP_EVERY = 150.0  # seconds between checkpoints


@dataclass(frozen=True)
class Plan:
    """A training: the tower, the vocabulary's words, and phases of (pixels, pictures a step, steps)."""

    tower: str
    words: tuple[str, ...]
    phases: tuple[tuple[int, int, int], ...]
    rate: float = RATE


def contrast(seen: torch.Tensor, said: torch.Tensor, scale: torch.Tensor, same: torch.Tensor) -> torch.Tensor:
    """InfoNCE both ways of unit features [B, E]; captions that say the same are no rivals."""
    logits = scale * seen @ said.T
    own = torch.eye(len(logits), dtype=torch.bool)
    logits = logits.masked_fill(same & ~own, -1e4)
    target = torch.arange(len(logits))
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def _phase(plan: Plan, step: int) -> tuple[int, int]:
    for size, count, steps in plan.phases:
        if step < steps:
            return size, count
        step -= steps
    return plan.phases[-1][:2]


def train(
    plan: Plan,
    bank: framing.Bank,
    folder: Path,
    work: Path,
    judge: Callable[[CLIP, CLIPTokenizer], dict[str, float]],
    extra: Callable[[CLIP, torch.Tensor, torch.Tensor, int], torch.Tensor] | None = None,
    start: dict[str, torch.Tensor] | None = None,
) -> dict[str, float]:
    """Train (or go on from `work`), save to `folder` every few minutes, return the scores.

    `judge` scores a model. `extra(model, pictures 0..1, their unit features, step)` is a loss beside the
    contrast. `start` holds weights to start from; those with other names or shapes are left out.
    """
    torch.manual_seed(1)
    work.mkdir(parents=True, exist_ok=True)
    vocab_size = write_tokenizer(work / "tokenizer", plan.words)
    tokenizer = CLIPTokenizer.from_pretrained(work / "tokenizer")
    model = clips.build(plan.tower, vocab_size).to(memory_format=torch.channels_last)
    if start is not None:
        mine = model.state_dict()
        model.load_state_dict(
            {k: v.float() for k, v in start.items() if k in mine and mine[k].shape == v.shape}, strict=False
        )
    free = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for p in free if p.ndim > 1], "weight_decay": DECAY},
            {"params": [p for p in free if p.ndim <= 1], "weight_decay": 0.0},
        ],
        lr=plan.rate,
        betas=(0.9, 0.98),
    )
    average = Average(model)
    total = sum(steps for *_, steps in plan.phases)
    training = Training(work / "state.pt", optimizer, WARM, total, model=model, average=average)
    rng = np.random.default_rng([5, training.start])
    probe = clips.build(plan.tower, vocab_size)
    scores: dict[str, float] = {}
    began = kept = time.monotonic()

    def keep(step: int) -> dict[str, float]:
        probe.load_state_dict(average.weights)
        probe.eval()
        result = {"steps": step, **judge(probe, tokenizer)}
        folder.parent.mkdir(parents=True, exist_ok=True)
        clips.save(average.weights, plan.tower, plan.words, folder, result)
        training.keep(step)
        print(f"kept step {step}: {result}, {time.monotonic() - began:.0f} s", flush=True)
        return result

    for step in range(training.start, total):
        size, count = _phase(plan, step)
        pictures, captions, same = framing.batch(bank, count, size, rng)
        ids = tokenizer(captions, padding=True, return_tensors="pt").input_ids
        images = clips.normalise(pictures).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", dtype=torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
            seen = model.visual(images)
            said = clips.encode_texts(model, ids)
        seen = F.normalize(seen.float(), dim=-1)
        loss = contrast(seen, said, model.logit_scale.exp(), same)
        whole = loss if extra is None else loss + extra(model, pictures, seen, step)
        training.step(whole)
        with torch.no_grad():
            model.logit_scale.clamp_(0, clips.MOST_SCALE)
        average.update(model, step)
        if step % 50 == 0:
            print(
                f"step {step}/{total} {size} px loss {loss.item():.3f} "
                f"scale {model.logit_scale.exp().item():.1f} {time.monotonic() - began:.0f} s",
                flush=True,
            )
        if time.monotonic() - kept > KEEP_EVERY:
            scores, kept = keep(step + 1), time.monotonic()
    return scores if scores.get("steps") == total else keep(total)
