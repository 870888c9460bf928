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

from .data import scene_bank
from .scenes import BACKGROUND, COLORS, SHAPES, SIZE, SceneObject, make_scene
from .views import area, cover, overlap, uniform, wear, zoom
from .vocabulary import CONTEXT_LENGTH, write_tokenizer

NAMES = tuple(f"a {c} {s}" for c in COLORS for s in SHAPES)
TEMPLATE = "a high quality image of {}."
HELD_OUT_SEED = 1_000_000
BATCH, PAIRS, SHORT = 48, 40, 20  # pictures and two-object captions a step; tokens a caption
MOST_OBJECTS = 4
RATE = 2e-3
AVERAGE = 0.99  # of the weights kept a step by their running mean, which is what is saved


def model_config(vocab_size: int) -> dict:
    """open_clip's `model_cfg`: 1.2 M parameters, 4 x 4 tokens at 128 pixels."""
    return {
        "embed_dim": 128,
        "vision_cfg": {"image_size": SIZE, "layers": [1, 1, 1, 1], "width": 12, "head_width": 64},
        "text_cfg": {"context_length": CONTEXT_LENGTH, "vocab_size": vocab_size, "width": 128,
                     "heads": 4, "layers": 2, "mlp_ratio": 2.0, "hf_tokenizer_name": "./"},
        "init_logit_scale": math.log(10), "init_logit_bias": -3.0,
    }


def build_clip(vocab_size: int) -> CLIP:
    """The untrained model."""
    config = model_config(vocab_size)
    return CLIP(config["embed_dim"], CLIPVisionCfg(**config["vision_cfg"]),
                CLIPTextCfg(**config["text_cfg"]), init_logit_scale=config["init_logit_scale"],
                init_logit_bias=config["init_logit_bias"])


def save_clip(state: dict[str, torch.Tensor], output_dir: Path) -> None:
    """Write weights (fp16), config and tokenizer as a `local-dir:` folder, whole or not at all."""
    temporary = output_dir.with_name(output_dir.name + ".tmp")
    vocab_size = write_tokenizer(temporary)
    config = {"model_cfg": model_config(vocab_size),
              "preprocess_cfg": {"mean": OPENAI_DATASET_MEAN, "std": OPENAI_DATASET_STD,
                                 "interpolation": "bicubic", "resize_mode": "squash"}}
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


def object_table(objects: list[tuple[SceneObject, ...]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Indices into NAMES [N, 4] (-1: no object) and boxes [N, 4, 4] (empty: no object)."""
    kinds = torch.full((len(objects), MOST_OBJECTS), -1)
    boxes = torch.zeros(len(objects), MOST_OBJECTS, 4)
    for i, row in enumerate(objects):
        for j, thing in enumerate(row):
            kinds[i, j] = NAMES.index(thing.name)
            boxes[i, j] = torch.tensor(thing.box, dtype=torch.float32)
    return kinds, boxes


class Lessons:
    """Batches of pictures with the truth about each of the 48 names and "background"."""

    def __init__(self, work_dir: Path, scenes: int, blanks: int, first_seed: int = 0) -> None:
        pictures, objects = scene_bank(work_dir, scenes, first_seed)
        empty = [make_scene(first_seed + i).background.transpose(2, 0, 1) for i in range(blanks)]
        self.pictures = torch.cat([pictures, torch.from_numpy(np.stack(empty))])
        self.kinds, self.boxes = object_table([*objects, *[()] * blanks])

    def _windows(self, boxes: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Square windows [B, 4] in the picture, at least 1.3 of their first object's longer side."""
        count = len(boxes)
        side = (boxes[:, 0, 2:] - boxes[:, 0, :2]).amax(dim=1).clamp(min=24) * 1.3
        side = (side + (SIZE - side) * uniform(0, 1, (count,), generator) ** 2).clamp(max=SIZE)
        side = torch.where(torch.rand(count, generator=generator) < 0.5, side, float(SIZE))[:, None]
        centre = (boxes[:, 0, :2] + boxes[:, 0, 2:]) / 2
        anywhere = (torch.rand((count, 1), generator=generator) < 0.15) | (centre[:, :1] == 0)
        shift = uniform(-0.3, 0.3, (count, 2), generator) * side
        corner = torch.where(anywhere, uniform(0, 1, (count, 2), generator) * SIZE,
                             centre + shift) - side / 2
        corner = torch.minimum(corner.clamp(min=0), SIZE - side)
        return torch.cat([corner, corner + side], dim=1)

    def _covers(self, boxes: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Boxes [B, 4] to hide: none for half, else about an object's box or anywhere."""
        count = len(boxes)
        anywhere = uniform(0, SIZE, (count, 2), generator)
        extent = uniform(15, 70, (count, 2), generator)
        free = torch.cat([anywhere - extent / 2, anywhere + extent / 2], dim=1)
        margin = uniform(-4, 12, (count, 4), generator) * torch.tensor([-1.0, -1.0, 1.0, 1.0])
        near = boxes[:, 1] + margin  # the second object: the zoom aims at the first
        near = torch.where((boxes[:, 1, 2:3] > 0) & (torch.rand((count, 1), generator=generator)
                                                    < 0.7), near, free)
        hidden = torch.rand((count, 1), generator=generator) < 0.45
        return torch.where(hidden, near.clamp(0, SIZE), torch.zeros(1))

    def draw(self, count: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Pictures (0..1) and the truth [count, 49]: 1 there, 0 not, nan where one may argue."""
        index = torch.randint(len(self.pictures), (count,), generator=generator)
        order = torch.rand((count, MOST_OBJECTS), generator=generator)
        order = (order + (self.kinds[index] < 0) * 2).argsort(dim=1)  # real objects first
        kinds = self.kinds[index].gather(1, order)
        boxes = self.boxes[index].gather(1, order[..., None].expand(-1, -1, 4))
        if torch.rand((), generator=generator) < 0.5:  # hide what the zoom aims at, too
            boxes, kinds = boxes[:, [1, 0, 2, 3]], kinds[:, [1, 0, 2, 3]]
        windows, covers = self._windows(boxes, generator), self._covers(boxes, generator)
        pictures = cover(self.pictures[index].float() / 255, covers, generator)
        flip = torch.rand(count, generator=generator) < 0.5
        pictures = wear(zoom(pictures, windows, SIZE, flip), generator)
        seen = overlap(boxes, windows[:, None])
        lost = area(overlap(seen, covers[:, None])) * (area(seen) > 0)
        share = (area(seen) - lost) / area(boxes).clamp(min=1)
        value = torch.where(share >= 0.72, 1.0, torch.where(share <= 0.22, 0.0, torch.nan))
        truth = torch.zeros(count, len(NAMES) + 2)  # the last column takes the objects that are not
        truth.scatter_(1, torch.where(kinds < 0, len(NAMES) + 1, kinds), value)
        visible = (share * (kinds >= 0)).amax(dim=1)
        truth[:, len(NAMES)] = torch.where(visible <= 0.03, 1.0,
                                           torch.where(visible > 0.22, 0.0, torch.nan))
        return pictures, truth[:, :-1]


def caption_step(truth: torch.Tensor, generator: torch.Generator,
                 ) -> tuple[list[str], torch.Tensor]:
    """Captions of a step and their truth [B, T]: all names, "background", and pairs of names.

    Half of the pairs are true of some picture; half of the rest have one attribute swapped.
    """
    names = [*NAMES, BACKGROUND]
    columns = [truth]
    for k in range(PAIRS):
        row = int(torch.randint(len(truth), (), generator=generator))
        there = (truth[row, :len(NAMES)] == 1).nonzero()[:, 0]
        pair = torch.randint(len(NAMES), (2,), generator=generator)
        if len(there):
            order = torch.randperm(len(there), generator=generator)[:2]
            pair[:len(order)] = there[order]
        a, b = pair.tolist()
        if k % 4 == 3:  # the two swap colours or shapes
            a, b = a - a % 6 + b % 6, b - b % 6 + a % 6
        names.append(f"{NAMES[a]} and {NAMES[b]}")
        both = truth[:, a] * truth[:, b]
        both[(truth[:, a] == 0) | (truth[:, b] == 0)] = 0.0  # 0 * nan would be nan
        columns.append(both[:, None])
    bare = torch.rand(len(names), generator=generator) < 0.2
    return ([n if plain else TEMPLATE.format(n) for n, plain in zip(names, bare, strict=True)],
            torch.cat(columns, dim=1))


def evaluate(model: CLIP, ids: torch.Tensor, scenes: int = 300) -> dict[str, float]:
    """Held-out scores; `ids` are the tokens of the 48 names in the template."""
    held = [make_scene(HELD_OUT_SEED + i) for i in range(scenes)]
    kinds, boxes = object_table([s.objects for s in held])
    pictures = torch.from_numpy(np.stack([s.image.transpose(2, 0, 1) for s in held])).float() / 255
    model.eval()
    with torch.no_grad():
        texts = encode_texts(model, ids)
        ranks = (F.normalize(model.visual(normalise(pictures)), dim=-1) @ texts.T).argsort(
            dim=1, descending=True)
        right = []
        for row, there in zip(ranks.tolist(), kinds.tolist(), strict=True):
            wanted = {k for k in there if k >= 0}
            right.append(len(wanted & set(row[:len(wanted)])) / len(wanted))
        row, column = (kinds >= 0).nonzero(as_tuple=True)
        box = boxes[row, column]
        side = ((box[:, 2:] - box[:, :2]).amax(dim=1, keepdim=True) * 1.3).clamp(max=SIZE)
        corner = torch.minimum(((box[:, :2] + box[:, 2:]) - side).clamp(min=0) / 2, SIZE - side)
        crops = zoom(pictures[row], torch.cat([corner, corner + side], dim=1), SIZE)
        best = (F.normalize(model.visual(normalise(crops)), dim=-1) @ texts.T).argmax(dim=1)
        single = (best == kinds[row, column]).float().mean().item()
    model.train()
    return {"scene_r_precision": sum(right) / len(right), "object_crop_top1": single}


def train(output_dir: Path, work_dir: Path, steps: int = 2600, threads: int | None = None,
          scenes: int = 8000) -> dict[str, float]:
    """Train (or go on from `work_dir`), save to `output_dir`, return the held-out scores."""
    if threads is not None:
        torch.set_num_threads(threads)
    torch.manual_seed(1)
    vocab_size = write_tokenizer(work_dir / "clip_tokenizer")
    tokenizer = CLIPTokenizer.from_pretrained(work_dir / "clip_tokenizer")

    def tokens(texts: list[str]) -> torch.Tensor:
        return tokenizer(texts, padding="max_length", max_length=SHORT, truncation=True,
                         return_tensors="pt").input_ids

    model = build_clip(vocab_size).to(memory_format=torch.channels_last)  # type: ignore[call-arg]
    # A head that is thrown away: the vision tower need not wait for the text tower's first words.
    scaffold = nn.Linear(128, len(NAMES) + 1)
    decay = [*(p for p in model.parameters() if p.ndim > 1), *scaffold.parameters()]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW([{"params": decay, "weight_decay": 0.02},
                                   {"params": plain, "weight_decay": 0.0}], lr=RATE)
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
        torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(),
                    "scaffold": scaffold.state_dict(), "average": average, "step": step}, state_file.with_suffix(".tmp"))
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
        plain_loss = F.binary_cross_entropy_with_logits(
            guess.float()[known[:, :len(NAMES) + 1]],
            labels[:, :len(NAMES) + 1][known[:, :len(NAMES) + 1]], reduction="sum")
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
            print(f"clip step {step} loss {loss.item():.3f} {plain_loss.item():.3f} scale {model.logit_scale.exp().item():.1f} "
                  f"bias {model.logit_bias.item():.1f} {time.monotonic() - began:.0f} s", flush=True)
        if (step + 1) % 150 == 0:
            scores = keep(step + 1)
    return scores if scores.get("steps") == steps else keep(steps)
