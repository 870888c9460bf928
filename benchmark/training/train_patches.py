"""A stand-in for DINO on photographs: patch features alike within one thing and unlike around it.

The real DINO has that from millions of pictures; here, which pixels are of one thing teaches it. Only
pictures' own things count, never names: two dogs in one picture are two things. Colours are mixed at
random and many things are blobs of no kind, so that the features serve things never seen.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F
from transformers import ViTConfig, ViTModel

from ..worlds.things.world import World, plain_wishes
from .loop import Average, Training
from .strange_things import HELD_OUT, StrangeWorld, instances, strange_scene
from .train_dino import normalise, save_dino

SIDE, PATCH = 128, 8
RATE, TEMPERATURE, PULL = 1e-3, 0.1, 0.3
PHASES = ((128, 24, 700), (256, 6, 130))  # pixels, pictures a step, steps
KEEP_EVERY = 150.0  # seconds


def build() -> ViTModel:
    """The untrained model: 0.6 M parameters, positions for 128 pixels (interpolated at 256)."""
    config = ViTConfig(
        hidden_size=128,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=256,
        image_size=SIDE,
        patch_size=PATCH,
        qkv_bias=True,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    model = ViTModel(config, add_pooling_layer=False)
    model.set_attn_implementation("eager")  # the others do not hand out their attention
    return model


def bank(work: Path, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures uint8 [N, 3, 128, 128] and whose each pixel is, uint8 [N, 128, 128]."""
    file = work / f"strange-{count}.pt"
    if not file.exists():
        world = StrangeWorld()
        names = tuple(n for n in world.names if n not in HELD_OUT)
        made = [strange_scene(world, np.random.default_rng([21, i, 3]), names) for i in range(count)]
        pictures = torch.from_numpy(np.stack([s.image.transpose(2, 0, 1) for s in made]))
        torch.save((pictures, torch.from_numpy(np.stack([instances(s) for s in made]))), file)
    return torch.load(file, weights_only=True)


def views(
    pictures: torch.Tensor, labels: torch.Tensor, size: int, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Windows of pictures at `size`, mirrored and lit at random, and their labels by pixel."""
    count = len(pictures)
    side = torch.from_numpy(rng.uniform(0.55 if size == SIDE else 0.85, 1.0, count)).float()
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0] = side * torch.from_numpy(np.where(rng.random(count) < 0.5, -1.0, 1.0)).float()
    theta[:, 1, 1] = side
    theta[:, :, 2] = torch.from_numpy(rng.uniform(-1, 1, (count, 2))).float() * (1 - side)[:, None]
    grid = F.affine_grid(theta, [count, 3, size, size], align_corners=False)
    seen = F.grid_sample(pictures.float() / 255, grid, padding_mode="border", align_corners=False)
    owner = F.grid_sample(labels[:, None].float(), grid, mode="nearest", align_corners=False)[:, 0]
    mix = torch.eye(3) + torch.from_numpy(rng.normal(0, 0.15, (count, 3, 3))).float()
    seen = torch.einsum("bij,bjhw->bihw", mix, seen - 0.5) + 0.5
    seen = seen + torch.from_numpy(rng.uniform(-0.1, 0.1, (count, 3, 1, 1))).float()
    return seen.clamp(0, 1), owner.round().to(torch.uint8)


def cells(owner: torch.Tensor, patch: int = PATCH) -> tuple[torch.Tensor, torch.Tensor]:
    """Of labels by pixel [B, H, W]: whose each patch is [B, N] (-1: mixed), and things' cover [B, N]."""
    count, height, width = owner.shape
    split = owner.reshape(count, height // patch, patch, width // patch, patch).permute(0, 1, 3, 2, 4)
    split = split.reshape(count, -1, patch * patch).long()
    most = split.mode(dim=2).values
    share = (split == most[..., None]).float().mean(dim=2)
    return torch.where(share >= 0.6, most, -1), (split > 0).float().mean(dim=2)


def contrast(features: torch.Tensor, owners: torch.Tensor) -> torch.Tensor:
    """How badly patches [B, N, D] tell their own thing's patches from the picture's others; nats."""
    unit = F.normalize(features.float(), dim=-1)
    alike = unit @ unit.mT / TEMPERATURE
    count = owners.shape[1]
    own = torch.eye(count, dtype=torch.bool)
    usable = owners >= 0
    alike = alike.masked_fill(own | ~usable[:, None, :], -1e4)
    same = (owners[:, :, None] == owners[:, None, :]) & ~own & usable[:, None, :] & usable[:, :, None]
    # a mean over the things and not over the patches: small things weigh as much as the ground
    counts = (owners[:, :, None] == owners[:, None, :]).sum(dim=2).clamp(min=1).float()
    weight = usable.float() * same.any(dim=2) / counts.sqrt()
    within = alike.masked_fill(~same, -1e4).logsumexp(dim=2)
    everything = alike - 0.5 * counts.log()[:, None, :]  # the ground must not drown the things
    within = (everything.masked_fill(~same, -1e4)).logsumexp(dim=2)
    return ((everything.logsumexp(dim=2) - within) * weight).sum() / weight.sum().clamp(min=1e-6)


def gathered(features: torch.Tensor, owners: torch.Tensor) -> torch.Tensor:
    """How far patches are from the mean direction of their own thing (0: the same direction)."""
    unit = F.normalize(features.float(), dim=-1)
    loss, count = unit.new_zeros(()), 0
    for number in range(int(owners.max()) + 1):
        member = (owners == number).float()[..., None]
        total = member.sum(dim=1).clamp(min=1)
        centre = F.normalize((unit * member).sum(dim=1) / total, dim=-1)[:, None]
        apart = (1 - (unit * centre).sum(dim=-1)) * member[..., 0]
        here = member.sum(dim=(1, 2)) > 1
        if here.any():
            loss = loss + (apart.sum(dim=1) / total[:, 0])[here].sum()
            count += int(here.sum())
    return loss / max(1, count)


def pull(attention: torch.Tensor, cover: torch.Tensor) -> torch.Tensor:
    """How far [CLS] attention [B, N] is from the things' cover [B, N]; nats."""
    target = cover.sqrt() + 0.01
    target = target / target.sum(dim=1, keepdim=True)
    return (target * (target / (attention + 1e-6)).log()).sum(dim=1).mean()


@torch.no_grad()
def evaluate(model: ViTModel, scenes: int = 60, size: int = 256) -> dict[str, float]:
    """On scenes with things that the training saw, and with others: how surely a patch at the heart of a
    thing tells its patches from the others (the area under the curve); attention's share in things."""
    world = World()
    names = {"seen": tuple(n for n in world.names if n not in HELD_OUT), "unseen": HELD_OUT}
    result = {}
    for kind, some in names.items():
        surely, shares, areas = [], [], []
        for i in range(scenes):
            rng = np.random.default_rng([77, i])
            wishes = [
                type(w)(some[int(rng.integers(len(some)))], w.share, w.cut, w.turn) for w in plain_wishes(world, rng)
            ]
            scene = world.compose(rng, wishes)
            picture = torch.from_numpy(scene.image.copy()).permute(2, 0, 1)[None].float() / 255
            picture = F.interpolate(picture, (size, size), mode="bicubic").clamp(0, 1)
            owner = F.interpolate(torch.from_numpy(instances(scene))[None, None].float(), (size, size))[:, 0]
            owners, cover = cells(owner.to(torch.uint8))
            out = model(normalise(picture), output_attentions=True, interpolate_pos_encoding=True)
            unit = F.normalize(out.last_hidden_state[0, 1:], dim=-1)
            attention = out.attentions[-1].mean(dim=1)[0, 0, 1:]
            shares.append(float((attention * cover[0]).sum() / attention.sum()))
            areas.append(float(cover.mean()))
            for number in range(1, len(scene.things) + 1):
                mine = (owners[0] == number).nonzero()[:, 0]
                if len(mine) < 3:
                    continue
                at = torch.stack([mine // (size // PATCH), mine % (size // PATCH)], 1).float()
                heart = mine[(at - at.mean(dim=0)).norm(dim=1).argmin()]
                alike = unit @ unit[heart]
                rest = alike[(owners[0] >= 0) & (owners[0] != number)]
                surely.append(float((alike[mine][:, None] > rest[None]).float().mean()))
        result[f"auc_{kind}"] = round(float(np.mean(surely)), 4)
        result[f"attention_in_{kind}"] = round(float(np.mean(shares)), 4)
        result[f"area_{kind}"] = round(float(np.mean(areas)), 4)
    return result


def train(output_dir: Path, work_dir: Path, scenes: int = 5000) -> dict[str, float]:
    """Train (or go on from `work_dir`), save to `output_dir` every few minutes, return the scores."""
    torch.manual_seed(4)
    model, probe = build(), build()
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.03)
    pictures, labels = bank(work_dir, scenes)
    total = sum(steps for *_, steps in PHASES)
    average = Average(model)
    training = Training(work_dir / "patches.pt", optimizer, 50, total, model=model, average=average)
    rng = np.random.default_rng([8, training.start])
    scores: dict[str, float] = {}
    began = kept = time.monotonic()

    def keep(step: int) -> dict[str, float]:
        probe.load_state_dict(average.weights)
        result = {"steps": step, **evaluate(probe.eval())}
        output_dir.parent.mkdir(parents=True, exist_ok=True)
        save_dino(probe, output_dir)
        (output_dir / "scores.json").write_text(json.dumps(result, indent=1) + "\n")
        training.keep(step)
        print(f"kept step {step}: {result}, {time.monotonic() - began:.0f} s", flush=True)
        return result

    for step in range(training.start, total):
        size, count = PHASES[0][:2] if step < PHASES[0][2] else PHASES[1][:2]
        index = torch.from_numpy(rng.integers(len(pictures), size=count))
        seen, owner = views(pictures[index], labels[index], size, rng)
        owners, cover = cells(owner)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            out = model(normalise(seen), output_attentions=True, interpolate_pos_encoding=size != SIDE)
        features = out.last_hidden_state[:, 1:]
        attention = out.attentions[-1].float().mean(dim=1)[:, 0, 1:]
        apart, close, look = (contrast(features, owners), gathered(features, owners), pull(attention, cover))
        loss = apart + close + PULL * look
        training.step(loss)
        average.update(model, step)
        if step % 20 == 0:
            print(
                f"step {step}/{total} {size} px apart {apart.item():.3f} close {close.item():.3f} "
                f"look {look.item():.3f} {time.monotonic() - began:.0f} s",
                flush=True,
            )
        if time.monotonic() - kept > KEEP_EVERY:
            scores, kept = keep(step + 1), time.monotonic()
    return scores if scores.get("steps") == total else keep(total)
