"""Training the shapes world's CLIP: a small open_clip model that tells which objects are there.

Every caption of a step is judged against every picture of it, and the truth is the label (a sigmoid
loss with many positives): with 48 possible names InfoNCE would push equal captions apart. Pictures
come whole, zoomed, and with a box covered, since the search looks at all of these.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import time
from pathlib import Path

import numpy as np
import torch
from open_clip.constants import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import CLIPTokenizer

from region_core.demo.scenes import COLORS, SHAPES, SIZE, make_scene

from .clip_lessons import NAMES, TEMPLATE, Lessons, caption_step, object_table, shapes_and_colors
from .views import zoom
from .vocabulary import CONTEXT_LENGTH, write_tokenizer

HELD_OUT_SEED = 1_000_000
BATCH, SHORT = 48, 20  # pictures a step, tokens a caption in training
RATE = 3e-3
# Between the best box's evidence for what is there (of 166 scenes one had less than 0.2: 0.15) and for
# what is not (of 50 two had more than 0.1: 0.12 and 0.27).
EVIDENCE_FLOOR = 0.14
AVERAGE = 0.99  # of the weights kept a step by their running mean, which is what is saved


def model_config(vocab_size: int) -> dict:
    """open_clip's `model_cfg`: 0.8 M parameters, 8 x 8 and 4 x 4 feature maps at 128 pixels.

    The trunk is timm's smallest residual net. The maximum over places (not attention, not the mean)
    asks "is it anywhere?", which is the question; colours came either way, shapes only with it.
    """
    return {
        "embed_dim": 128,
        "vision_cfg": {"image_size": SIZE, "timm_model_name": "test_resnet", "timm_pool": "max", "timm_proj": "linear"},
        "text_cfg": {
            "context_length": CONTEXT_LENGTH,
            "vocab_size": vocab_size,
            "width": 128,
            "heads": 4,
            "layers": 2,
            "mlp_ratio": 2.0,
            "hf_tokenizer_name": "./",
        },
        "init_logit_scale": math.log(10),
        "init_logit_bias": -3.0,
    }


def build_clip(vocab_size: int) -> CLIP:
    """The untrained model."""
    config = model_config(vocab_size)
    return CLIP(
        config["embed_dim"],
        CLIPVisionCfg(**config["vision_cfg"]),
        CLIPTextCfg(**config["text_cfg"]),
        init_logit_scale=config["init_logit_scale"],
        init_logit_bias=config["init_logit_bias"],
    )


def save_clip(state: dict[str, torch.Tensor], output_dir: Path) -> None:
    """Write weights (fp16), config and tokenizer as a `local-dir:` folder, whole or not at all."""
    temporary = output_dir.with_name(output_dir.name + ".tmp")
    vocab_size = write_tokenizer(temporary)
    config = {
        "model_cfg": model_config(vocab_size),
        "preprocess_cfg": {
            "mean": OPENAI_DATASET_MEAN,
            "std": OPENAI_DATASET_STD,
            "interpolation": "bicubic",
            "resize_mode": "squash",
        },
        "evidence_floor": EVIDENCE_FLOOR,
    }
    (temporary / "open_clip_config.json").write_text(json.dumps(config, indent=1) + "\n")
    half = {k: (v.half() if v.is_floating_point() else v).contiguous() for k, v in state.items()}
    save_file(half, temporary / "open_clip_model.safetensors")
    if (output_dir / "scores.json").exists():
        shutil.copy(output_dir / "scores.json", temporary)
    shutil.rmtree(output_dir, ignore_errors=True)
    os.replace(temporary, output_dir)


def normalise(pictures: torch.Tensor) -> torch.Tensor:
    """0..1 pictures to what the vision tower was trained on."""
    mean, std = torch.tensor(OPENAI_DATASET_MEAN), torch.tensor(OPENAI_DATASET_STD)
    return (pictures - mean[:, None, None]) / std[:, None, None]


def encode_texts(model: CLIP, ids: torch.Tensor) -> torch.Tensor:
    """Unit text features of token ids [T, n <= 77]; positions after the end token cannot matter."""
    length = ids.shape[1]
    x = model.token_embedding(ids) + model.positional_embedding[:length]
    x = model.ln_final(model.transformer(x, attn_mask=model.attn_mask[:length, :length]))
    return F.normalize(x[torch.arange(len(x)), ids.argmax(dim=-1)] @ model.text_projection, dim=-1)


def evaluate(model: CLIP, ids: torch.Tensor, scenes: int = 300) -> dict[str, float]:
    """Held-out scores; `ids` are the tokens of the 48 names in the template."""
    held = [make_scene(HELD_OUT_SEED + i) for i in range(scenes)]
    kinds, boxes = object_table([s.objects for s in held])
    pictures = torch.from_numpy(np.stack([s.image.transpose(2, 0, 1) for s in held])).float() / 255
    model.eval()
    with torch.no_grad():
        texts = encode_texts(model, ids)
        ranks = (F.normalize(model.visual(normalise(pictures)), dim=-1) @ texts.T).argsort(dim=1, descending=True)
        right = []
        for row, there in zip(ranks.tolist(), kinds.tolist(), strict=True):
            wanted = {k for k in there if k >= 0}
            right.append(len(wanted & set(row[: len(wanted)])) / len(wanted))
        row, column = (kinds >= 0).nonzero(as_tuple=True)
        box = boxes[row, column]
        side = ((box[:, 2:] - box[:, :2]).amax(dim=1, keepdim=True) * 1.3).clamp(max=SIZE)
        corner = torch.minimum(((box[:, :2] + box[:, 2:]) - side).clamp(min=0) / 2, SIZE - side)
        crops = zoom(pictures[row], torch.cat([corner, corner + side], dim=1), SIZE)
        best = (F.normalize(model.visual(normalise(crops)), dim=-1) @ texts.T).argmax(dim=1)
        single = (best == kinds[row, column]).float().mean().item()
    model.train()
    return {"scene_r_precision": sum(right) / len(right), "object_crop_top1": single}


def train(
    output_dir: Path, work_dir: Path, steps: int = 2600, threads: int | None = None, scenes: int = 8000
) -> dict[str, float]:
    """Train (or go on from `work_dir`), save to `output_dir`, return the held-out scores."""
    if threads is not None:
        torch.set_num_threads(threads)
    torch.manual_seed(1)
    vocab_size = write_tokenizer(work_dir / "clip_tokenizer")
    tokenizer = CLIPTokenizer.from_pretrained(work_dir / "clip_tokenizer")

    def tokens(texts: list[str]) -> torch.Tensor:
        return tokenizer(texts, padding="max_length", max_length=SHORT, truncation=True, return_tensors="pt").input_ids

    model = build_clip(vocab_size).to(memory_format=torch.channels_last)  # type: ignore[call-arg]
    # A head that is thrown away. Each name is rare in a batch, each shape and colour is not: told
    # these apart, the vision tower learns in hundreds of steps what took thousands.
    scaffold = nn.Linear(128, len(NAMES) + 1 + len(SHAPES) + len(COLORS))
    nn.init.constant_(scaffold.bias, -3.0)
    decay = [*(p for p in model.parameters() if p.ndim > 1), *scaffold.parameters()]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decay, "weight_decay": 0.02}, {"params": plain, "weight_decay": 0.0}], lr=RATE
    )
    average = {k: v.clone() for k, v in model.state_dict().items()}
    state_file, start = work_dir / "clip.pt", 0
    if state_file.exists():
        saved = torch.load(state_file, weights_only=True)
        model.load_state_dict(saved["model"])
        if "scaffold" in saved:
            optimizer.load_state_dict(saved["optimizer"])
        if "scaffold" in saved:
            scaffold.load_state_dict(saved["scaffold"])
        average, start = saved["average"], saved["step"]
    lessons = Lessons(work_dir, scenes, blanks=scenes // 25)
    probe = build_clip(vocab_size)
    names = tokens([TEMPLATE.format(n) for n in NAMES])
    generator = torch.Generator().manual_seed(start + 1)
    scores: dict[str, float] = {}
    began = time.monotonic()

    def keep(step: int) -> dict[str, float]:
        output_dir.parent.mkdir(parents=True, exist_ok=True)
        probe.load_state_dict(average)
        result = {"steps": step, **{k: round(v, 4) for k, v in evaluate(probe, names).items()}}
        save_clip(average, output_dir)
        (output_dir / "scores.json").write_text(json.dumps(result, indent=1) + "\n")
        torch.save(
            {
                "model": model.state_dict(),
                "optimizer": optimizer.state_dict(),
                "scaffold": scaffold.state_dict(),
                "average": average,
                "step": step,
            },
            state_file.with_suffix(".tmp"),
        )
        os.replace(state_file.with_suffix(".tmp"), state_file)
        print(f"clip step {step}: {result}, {time.monotonic() - began:.0f} s", flush=True)
        return result

    for step in range(start, steps):
        warm = min(1.0, (step + 1) / 60)
        for group in optimizer.param_groups:
            group["lr"] = RATE * warm * max(0.01, 0.5 * (1 + math.cos(math.pi * step / steps)))
        pictures, truth = lessons.draw(BATCH, generator)
        captions, labels = caption_step(truth, generator)
        images = normalise(pictures).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", dtype=torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
            seen = model.visual(images)
            said = encode_texts(model, tokens(captions))
            guess = scaffold(seen)
        seen, said = F.normalize(seen.float(), dim=-1), said.float()
        logits = model.logit_scale.exp() * seen @ said.T + model.logit_bias
        known = ~labels.isnan()
        loss = F.binary_cross_entropy_with_logits(logits[known], labels[known], reduction="sum")
        facts = torch.cat([truth, *shapes_and_colors(truth)], dim=1)
        plain_loss = F.binary_cross_entropy_with_logits(
            guess.float()[~facts.isnan()], facts[~facts.isnan()], reduction="sum"
        )
        loss, plain_loss = loss / len(images), plain_loss / len(images)
        optimizer.zero_grad(set_to_none=True)
        (loss + plain_loss).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        share = min(AVERAGE, (step + 1) / (step + 10))
        for key, value in model.state_dict().items():
            if value.is_floating_point():
                average[key].lerp_(value, 1 - share)
            else:
                average[key].copy_(value)
        if step % 25 == 0:
            print(
                f"clip step {step} loss {loss.item():.3f} {plain_loss.item():.3f} "
                f"scale {model.logit_scale.exp().item():.1f} bias {model.logit_bias.item():.1f} "
                f"{time.monotonic() - began:.0f} s",
                flush=True,
            )
        if (step + 1) % 150 == 0:
            scores = keep(step + 1)
    return scores if scores.get("steps") == steps else keep(steps)
