"""Training the shapes world's DINO without labels: a small ViT whose [CLS] attention finds objects.

Two views of a scene share its objects but not its light, tint or noise, and [CLS] must tell the
scene's two views from those of all other scenes. That alone moves its attention slowly, so it is
also drawn to what a robust smooth fit of the picture leaves unexplained. No box, no name is used.
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
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F
from transformers import ViTConfig, ViTImageProcessor, ViTModel

from region_core.demo.scenes import SIZE, Scene, make_scene

from .data import scene_bank
from .loop import Training
from .naming import vit_names
from .views import uniform, zoom

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, as the real DINO has them
VIEW, LOOK, PATCH = 128, 256, 8  # pixels: training view, picture as it is looked at, patch
HELD_OUT_SEED = 1_000_000
BATCH = 32
RATE = 1e-3
TEMPERATURE = 0.15
PULL = 2.0  # weight of the attention's distance (KL, nats) from what stands out
ANCHORS, APART = 9, 3  # anchor points of a picture and their least distance in cells


def build_dino() -> ViTModel:
    """The untrained model: 0.32 M parameters, positions for 128 pixels (interpolated at 256)."""
    config = ViTConfig(
        hidden_size=96,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=288,
        image_size=VIEW,
        patch_size=PATCH,
        qkv_bias=True,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    return ViTModel(config, add_pooling_layer=False)


def save_dino(model: ViTModel, output_dir: Path) -> None:
    """Write the folder (weights as fp16), whole or not at all."""
    temporary = output_dir.with_name(output_dir.name + ".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    model.config.architectures = ["ViTModel"]
    model.config.save_pretrained(temporary)
    half = {k: v.detach().half().contiguous() for k, v in model.state_dict().items()}
    save_file(vit_names(half), temporary / "model.safetensors", metadata={"format": "pt"})
    ViTImageProcessor(size={"height": LOOK, "width": LOOK}, image_mean=list(MEAN), image_std=list(STD)).save_pretrained(
        temporary
    )
    shutil.rmtree(output_dir, ignore_errors=True)
    os.replace(temporary, output_dir)


def normalise(pictures: torch.Tensor) -> torch.Tensor:
    """0..1 pictures to ImageNet's mean and standard deviation."""
    return (pictures - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]


def relight(pictures: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Add a random smooth field of light and tint, and noise, to pictures [B, 3, H, W] in 0..1."""
    count, _, size, _ = pictures.shape
    light = uniform(-0.25, 0.25, (count, 1, 3, 3), generator)
    tint = uniform(-0.12, 0.12, (count, 3, 3, 3), generator)
    field = F.interpolate(light + tint, size=size, mode="bicubic", align_corners=True)
    field = field + uniform(-0.15, 0.15, (count, 3, 1, 1), generator)
    noise = torch.randn(pictures.shape, generator=generator)
    return (pictures + field + uniform(0, 0.04, (count, 1, 1, 1), generator) * noise).clamp(0, 1)


def standout(pictures: torch.Tensor) -> torch.Tensor:
    """How far each place is from a smooth fit of its picture: [B, 3, 128, 128] to [B, 1, 32, 32].

    The fit is a cubic surface per channel, weighted anew four times so that what does not fit
    counts less. What is left is clipped, so that loud colours do not outshine dull ones, and
    stronger in the middles of things.
    """
    small = F.adaptive_avg_pool2d(pictures, 32)
    line = torch.linspace(-1, 1, 32)
    y, x = torch.meshgrid(line, line, indexing="ij")
    basis = torch.stack([x**i * y**j for i in range(4) for j in range(4 - i)], -1).flatten(0, 1)
    values = small.flatten(2).transpose(1, 2)
    weights = torch.ones(len(pictures), len(basis), 1)
    for _ in range(4):
        scaled = basis * weights
        fit = torch.linalg.solve(scaled.mT @ basis + 1e-3 * torch.eye(basis.shape[1]), scaled.mT @ values)
        distance = (values - basis @ fit).norm(dim=-1, keepdim=True)
        weights = 1 / (1 + (distance / 0.06) ** 2)
    odd = (distance - 0.08).clamp(0, 0.2).reshape(-1, 1, 32, 32) / 0.2
    return odd * (0.3 + F.avg_pool2d(odd, 7, stride=1, padding=3))


def two_views(pictures: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Views [2 B, 3, 128, 128] of scenes [B, 3, 128, 128] and what stands out in them [2 B, 256].

    Two views show about the same window in other light.
    """
    count = len(pictures)
    marks = F.interpolate(standout(pictures), size=SIZE, mode="bilinear").expand(-1, 3, -1, -1)
    side = uniform(56, 100, (count, 1), generator)
    corner = uniform(0, 1, (count, 2), generator) * (SIZE - side)
    views, targets = [], []
    for _ in range(2):
        other = (side * uniform(0.85, 1.15, (count, 1), generator)).clamp(max=SIZE)
        moved = corner + uniform(-0.1, 0.1, (count, 2), generator) * side
        moved = torch.minimum(moved.clamp(min=0), SIZE - other)
        window = torch.cat([moved, moved + other], dim=1)
        views.append(relight(zoom(pictures, window, VIEW), generator))
        cells = F.avg_pool2d(zoom(marks, window, VIEW)[:, :1], PATCH).flatten(1) + 1e-4
        targets.append(cells / cells.sum(dim=1, keepdim=True))
    return torch.cat(views), torch.cat(targets)


def contrast(features: torch.Tensor) -> torch.Tensor:
    """NT-Xent of features [2 B, d]: row i and row i + B are the same scene."""
    unit = F.normalize(features.float(), dim=-1)
    alike = unit @ unit.T / TEMPERATURE
    alike = alike.masked_fill(torch.eye(len(alike), dtype=torch.bool), -1e4)
    return F.cross_entropy(alike, torch.arange(len(alike)).roll(len(alike) // 2))


def find_anchors(attention: torch.Tensor) -> list[tuple[int, int]]:
    """(row, column) of the best-attended cells of [h, w], best first, none within APART cells."""
    left = attention.clone()
    rows = torch.arange(left.shape[0])[:, None]
    columns = torch.arange(left.shape[1])
    found = []
    for _ in range(ANCHORS):
        row, column = divmod(int(left.argmax()), left.shape[1])
        found.append((row, column))
        left[((rows - row).abs() < APART) & ((columns - column).abs() < APART)] = -math.inf
    return found


def evaluate(model: ViTModel, scenes: int = 40) -> dict[str, float]:
    """How well the best-attended cells of held-out scenes at 256 pixels hit the objects."""
    held: list[Scene] = [make_scene(HELD_OUT_SEED + i) for i in range(scenes)]
    inside, covered, central, mass = [], [], [], []
    cell = SIZE * PATCH / LOOK  # scene pixels
    for scene in held:
        picture = torch.from_numpy(scene.image.transpose(2, 0, 1).copy())[None].float() / 255
        large = F.interpolate(picture, size=LOOK, mode="bilinear")
        with torch.no_grad():
            attention = (
                model(normalise(large), interpolate_pos_encoding=True, output_attentions=True)
                .attentions[-1][0]
                .mean(dim=0)[0, 1:]
            )
        attention = attention.reshape(LOOK // PATCH, LOOK // PATCH)
        points = [((c + 0.5) * cell, (r + 0.5) * cell) for r, c in find_anchors(attention)]
        truth = np.zeros((SIZE, SIZE), dtype=bool)
        for thing in scene.objects:
            x0, y0, x1, y1 = thing.box
            truth[y0:y1, x0:x1] = True
            dx, dy = (x1 - x0) / 4, (y1 - y0) / 4
            central.append(any(x0 + dx <= x <= x1 - dx and y0 + dy <= y <= y1 - dy for x, y in points))
        inside += [bool(truth[int(y), int(x)]) for x, y in points]
        covered.append(truth.mean())
        share = F.adaptive_avg_pool2d(torch.from_numpy(truth)[None, None].float(), LOOK // PATCH)
        mass.append(float((attention * share[0, 0]).sum() / attention.sum()))
    return {
        "anchors_in_objects": float(np.mean(inside)),
        "object_area": float(np.mean(covered)),
        "lift": float(np.mean(inside) / np.mean(covered)),
        "attention_in_objects": float(np.mean(mass)),
        "objects_with_central_anchor": float(np.mean(central)),
    }


def train(
    output_dir: Path, work_dir: Path, steps: int = 250, threads: int | None = None, scenes: int = 4000
) -> dict[str, float]:
    """Train (or go on from `work_dir`), save to `output_dir`, return the held-out scores."""
    if threads is not None:
        torch.set_num_threads(threads)
    torch.manual_seed(2)
    model, probe = build_dino(), build_dino()
    for either in (model, probe):
        either.set_attn_implementation("eager")  # the others do not hand out their attention
    head = nn.Sequential(nn.Linear(96, 192), nn.GELU(), nn.Linear(192, 64))
    optimizer = torch.optim.AdamW([*model.parameters(), *head.parameters()], lr=RATE, weight_decay=0.05)
    training = Training(work_dir / "dino.pt", optimizer, 40, steps, model=model, head=head)
    bank, _ = scene_bank(work_dir, scenes)
    generator = torch.Generator().manual_seed(training.start + 5)
    began = time.monotonic()

    def keep(step: int) -> dict[str, float]:
        probe.load_state_dict(model.state_dict())
        result = {"steps": step, **{k: round(v, 4) for k, v in evaluate(probe.eval()).items()}}
        output_dir.parent.mkdir(parents=True, exist_ok=True)
        save_dino(model, output_dir)
        (output_dir / "scores.json").write_text(json.dumps(result, indent=1) + "\n")
        training.keep(step)
        print(f"dino step {step}: {result}, {time.monotonic() - began:.0f} s", flush=True)
        return result

    scores: dict[str, float] = {}
    for step in range(training.start, steps):
        index = torch.randint(len(bank), (BATCH,), generator=generator)
        views, targets = two_views(bank[index].float() / 255, generator)
        out = model(normalise(views), output_attentions=True)
        looks = out.attentions[-1].mean(dim=1)[:, 0, 1:]
        pull = -(targets * (looks / targets + 1e-6).log()).sum(dim=1).mean()
        loss = contrast(head(out.last_hidden_state[:, 0])) + PULL * pull
        training.step(loss)
        if step % 20 == 0:
            print(
                f"dino step {step} loss {loss.item():.3f} {pull.item():.3f} {time.monotonic() - began:.0f} s",
                flush=True,
            )
        if (step + 1) % 50 == 0:
            scores = keep(step + 1)
    return scores if scores.get("steps") == steps else keep(steps)
