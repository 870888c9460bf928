"""Training the shapes world's autoencoder: a diffusers AutoencoderKL, 8x down to 4 channels.

Two choices make a small VAE keep flat colour: one norm group (32 groups of one channel each would
normalise it away), and the posterior's mean plus a little noise with a small penalty on z^2 in the
place of sampling and KL, which cost the first thousand steps.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch.nn import functional as F

from .data import scene_bank
from .loop import Training

CROP = 64
BATCH = 16
WHOLE = 6  # pictures a step of the decoder's last lessons
LATENT_NOISE = 0.05


def build_vae() -> AutoencoderKL:
    """The untrained autoencoder, 0.95 M parameters."""
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        latent_channels=4,
        norm_num_groups=1,
        block_out_channels=(16, 32, 64, 64),
        layers_per_block=1,
        mid_block_add_attention=False,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        sample_size=128,
        scaling_factor=1.0,
    )


def reconstruction_loss(out: torch.Tensor, want: torch.Tensor) -> torch.Tensor:
    """L1, L1 of the gradients and L1 of 8 x 8 averages (flat colour), all [B, 3, H, W]."""
    loss = F.l1_loss(out, want)
    loss = loss + F.l1_loss(out.diff(dim=-1), want.diff(dim=-1))
    loss = loss + F.l1_loss(out.diff(dim=-2), want.diff(dim=-2))
    return loss + 4 * F.l1_loss(F.avg_pool2d(out, 8), F.avg_pool2d(want, 8))


def psnr(out: torch.Tensor, want: torch.Tensor) -> float:
    """Peak signal to noise ratio in dB of pictures in -1..1."""
    error = ((out.clamp(-1, 1) - want) / 2).square().mean(dim=(1, 2, 3))
    return float((-10 * error.log10()).mean())


def _crops(bank: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """BATCH random CROP x CROP pieces of pictures (uint8 [N, 3, H, W]) as floats in -1..1."""
    picks = torch.randint(len(bank), (BATCH,), generator=generator).tolist()
    room = bank.shape[-1] - CROP + 1
    corners = torch.randint(room, (BATCH, 2), generator=generator).tolist()
    pieces = [bank[i, :, y : y + CROP, x : x + CROP] for i, (y, x) in zip(picks, corners, strict=True)]
    batch = torch.stack(pieces).float() / 127.5 - 1
    return batch.contiguous(memory_format=torch.channels_last)


def train(output_dir: Path, work_dir: Path, steps: int = 2500) -> dict:
    """Train (or go on from `work_dir`), save to `output_dir`, return the held-out scores."""
    torch.manual_seed(0)
    vae = build_vae().to(memory_format=torch.channels_last)  # type: ignore[call-arg]
    optimizer = torch.optim.AdamW(vae.parameters(), lr=2e-3, weight_decay=1e-4)
    training = Training(work_dir / "vae.pt", optimizer, 50, steps, model=vae)
    bank, _ = scene_bank(work_dir, count=4000)
    generator = torch.Generator().manual_seed(training.start + 1)
    began = time.monotonic()
    for step in range(training.start, steps):
        want = _crops(bank, generator)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            z = vae.encode(want).latent_dist.mean
            z = z + LATENT_NOISE * torch.randn(z.shape, generator=generator)
            out = vae.decode(z).sample
        loss = reconstruction_loss(out.float(), want) + 1e-3 * z.float().square().mean()
        training.step(loss)
        if step % 100 == 99:
            print(f"vae step {step + 1} loss {loss.item():.4f} {time.monotonic() - began:.0f} s", flush=True)
        if step % 300 == 299:
            training.keep(step + 1)
    polish_decoder(vae, bank, work_dir)
    return _finish(vae, bank, output_dir)


def polish_decoder(vae: AutoencoderKL, bank: torch.Tensor, work_dir: Path, steps: int = 1000) -> None:
    """Train the decoder alone on whole pictures, or go on from `work_dir`; latents stay as they are.

    With one norm group a layer sees the statistics of all it is given, and those of a crop are not
    those of a picture: colours came out wrong in one picture of twenty.
    """
    parts = [*vae.decoder.parameters(), *vae.post_quant_conv.parameters()]
    optimizer = torch.optim.AdamW(parts, lr=1e-3, weight_decay=1e-4)
    training = Training(work_dir / "vae_decoder.pt", optimizer, 30, steps, model=vae)
    generator = torch.Generator().manual_seed(1_000 + training.start)
    for step in range(training.start, steps):
        picks = torch.randint(len(bank), (WHOLE,), generator=generator)
        want = (bank[picks].float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            with torch.no_grad():
                z = vae.encode(want).latent_dist.mean
            # the UNet's latents are not quite the encoder's
            z = z + LATENT_NOISE * torch.randn(z.shape, generator=generator)
            out = vae.decode(z).sample
        loss = reconstruction_loss(out.float(), want)
        training.step(loss)
        if step % 100 == 99:
            print(f"vae decoder step {step + 1} loss {loss.item():.4f}", flush=True)
            training.keep(step + 1)


@torch.no_grad()
def _finish(vae: AutoencoderKL, bank: torch.Tensor, output_dir: Path) -> dict:
    """Set the scaling factor to 1 / std of the latents, save, and score on held-out scenes."""
    vae.eval()
    sample = bank[:256].float() / 127.5 - 1
    latents = torch.cat([vae.encode(b).latent_dist.mean for b in sample.split(32)])
    vae.register_to_config(scaling_factor=round(1 / latents.std().item(), 4))
    held, _ = scene_bank(None, count=128, first_seed=1_000_000)
    want = held.float() / 127.5 - 1
    out = torch.cat([vae.decode(vae.encode(b).latent_dist.mean).sample for b in want.split(32)])
    vae.half().save_pretrained(output_dir)
    vae.float()
    scores = {"vae_psnr_db": round(psnr(out, want), 2)}
    temporary = output_dir / "scores.json.tmp"
    temporary.write_text(json.dumps(scores))
    os.replace(temporary, output_dir / "scores.json")
    return scores
