"""Training the shapes world's inpainting UNet and its text encoder, together, from scratch.

The result is a diffusers `StableDiffusionInpaintPipeline` folder: 9 input channels (latent, mask,
masked picture), Stable Diffusion's noise schedule, v-prediction.
"""

from __future__ import annotations

import copy
import math
import os
import shutil
import time
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch.nn import functional as F
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from .inpaint_data import box_masks, latent_bank
from .naming import rename_text_encoder

BATCH = 32
DROP_PROMPT = 0.1  # share of empty prompts, for classifier-free guidance
WINDOW = 12  # latent cells of the smaller training window; a step on it costs 0.6 of a full one
WIDTH = 128  # of the text encoder


def build_unet() -> UNet2DConditionModel:
    """The untrained UNet, 4 M parameters, widths and norm groups that ComfyUI's UNet shares."""
    return UNet2DConditionModel(
        sample_size=16,
        in_channels=9,
        out_channels=4,
        block_out_channels=(64, 128),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=WIDTH,
        attention_head_dim=4,
        norm_num_groups=32,
        use_linear_projection=True,
    )


def build_text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """The untrained text encoder: two layers of CLIP's text transformer."""
    last = len(tokenizer) - 1
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=WIDTH,
            intermediate_size=4 * WIDTH,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=77,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=last,
            projection_dim=WIDTH,
        )
    )


def noise_schedule() -> DDIMScheduler:
    """Stable Diffusion's schedule with v-prediction."""
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type="v_prediction",
    )


def _window(boxes: torch.Tensor, generator: torch.Generator) -> list[tuple[int, int]] | None:
    """Top-left cells of WINDOW x WINDOW windows that hold each box; None where one is too large."""
    cells = torch.stack([boxes[:, :2] // 8, (boxes[:, 2:] + 7) // 8], dim=1)  # [N, 2, 2]
    low = (cells[:, 1] - WINDOW).clamp(min=0)
    high = cells[:, 0].clamp(max=16 - WINDOW)
    if (low > high).any():
        return None
    spread = torch.rand(low.shape, generator=generator)
    corner = low + (spread * (high - low + 1)).floor().long()
    return [(int(y), int(x)) for x, y in corner]


class InpaintTrainer:
    """UNet + text encoder + their moving averages + optimizer; one call of `step` a batch."""

    def __init__(self, weights: Path, work_dir: Path, scenes: int = 12_000) -> None:
        self.tokenizer = CLIPTokenizer.from_pretrained(weights / "tokenizer")
        self.vae = AutoencoderKL.from_pretrained(weights / "inpaint" / "vae", torch_dtype=torch.float32).eval()
        self.bank = latent_bank(self.vae, work_dir, scenes)
        torch.manual_seed(0)
        self.unet = build_unet()
        # plain attention: the fused kernel's backward is three times slower in bfloat16 on a CPU
        self.unet.set_attn_processor(AttnProcessor())
        self.text = build_text_encoder(self.tokenizer)
        self.parameters = [*self.unet.parameters(), *self.text.parameters()]
        self.optimizer = torch.optim.AdamW(self.parameters, lr=1e-3, weight_decay=1e-3, betas=(0.9, 0.99))
        self.average = copy.deepcopy(torch.nn.ModuleList([self.unet, self.text])).requires_grad_(False)
        self.done = 0
        self.used = 0.0  # of the time budget, 0..1
        self.schedule = noise_schedule()
        self.state_file = work_dir / "unet.pt"
        if self.state_file.exists():
            state = torch.load(self.state_file, weights_only=True)
            self.unet.load_state_dict(state["unet"])
            self.text.load_state_dict(state["text"])
            self.average.load_state_dict(state["average"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.done, self.used = state["done"], state["used"]
        words = sorted({p for row in self.bank["prompts"] for p in row} | {""})
        self.word_index = {w: i for i, w in enumerate(words)}
        self.ids = self.tokenizer(words, padding="max_length", max_length=77, return_tensors="pt").input_ids
        self.generator = torch.Generator().manual_seed(1 + self.done)

    def _batch(self, full: bool) -> tuple[torch.Tensor, ...]:
        g, bank = self.generator, self.bank
        scenes = torch.randint(len(bank["clean"]), (BATCH,), generator=g)
        which = torch.randint(bank["masked"].shape[1], (BATCH,), generator=g)
        boxes = bank["boxes"][scenes, which]
        clean, masked = bank["clean"][scenes].float(), bank["masked"][scenes, which].float()
        masks = box_masks(boxes)
        corners = None if full else _window(boxes, g)
        if corners is not None:

            def cut(x: torch.Tensor) -> torch.Tensor:
                return torch.stack(
                    [v[:, y : y + WINDOW, x0 : x0 + WINDOW] for v, (y, x0) in zip(x, corners, strict=True)]
                )

            clean, masked, masks = cut(clean), cut(masked), cut(masks)
        dropped = torch.rand(BATCH, generator=g) < DROP_PROMPT
        prompts = [
            "" if d else bank["prompts"][s][w]
            for s, w, d in zip(scenes.tolist(), which.tolist(), dropped.tolist(), strict=True)
        ]
        unique = sorted(set(prompts))
        ids = self.ids[[self.word_index[p] for p in unique]]
        rows = torch.tensor([unique.index(p) for p in prompts])
        return clean, masked, masks, ids, rows

    def step(self, rate: float, full: bool) -> float:
        """One optimiser step at learning rate `rate`; returns the loss inside the masks."""
        clean, masked, masks, ids, rows = self._batch(full)
        noise = torch.randn(clean.shape, generator=self.generator)
        times = torch.randint(1000, (len(clean),), generator=self.generator)
        noisy = self.schedule.add_noise(clean, noise, times)
        want = self.schedule.get_velocity(clean, noise, times)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            context = self.text(ids).last_hidden_state[rows]
            out = self.unet(torch.cat([noisy, masks, masked], dim=1), times, context).sample
        # what is outside the mask is copied from the masked picture and needs little teaching
        near = F.max_pool2d(masks, 3, stride=1, padding=1)
        weight = 0.1 + 0.9 * near
        error = (out.float() - want).square().mean(dim=1, keepdim=True)
        loss = (error * weight).sum() / weight.sum()
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        self.done += 1
        decay = min(0.999, self.done / (self.done + 20))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), self.parameters, 1 - decay)
        return loss.item()

    def save_state(self) -> None:
        """Keep everything needed to go on, whole or not at all."""
        temporary = self.state_file.with_suffix(".tmp")
        torch.save(
            {
                "unet": self.unet.state_dict(),
                "text": self.text.state_dict(),
                "average": self.average.state_dict(),
                "done": self.done,
                "used": self.used,
                "optimizer": self.optimizer.state_dict(),
            },
            temporary,
        )
        os.replace(temporary, self.state_file)

    def export(self, folder: Path) -> None:
        """Write the averaged weights as an inpainting pipeline folder beside the VAE in `folder`."""
        average = copy.deepcopy(self.average)
        parts = {
            "unet": average[0].half(),
            "text_encoder": average[1].half(),
            "tokenizer": self.tokenizer,
            "scheduler": self.schedule,
        }
        for name, part in parts.items():
            fresh = folder / f".{name}.new"
            part.save_pretrained(fresh)
            if name == "text_encoder":
                rename_text_encoder(fresh)
            elif name == "tokenizer":  # version 4 reads these two files
                for file in ("vocab.json", "merges.txt"):
                    shutil.copy(folder.parent / "tokenizer" / file, fresh / file)
            shutil.rmtree(folder / name, ignore_errors=True)
            os.replace(fresh, folder / name)
        index = (
            '{\n  "_class_name": "StableDiffusionInpaintPipeline",\n'
            '  "_diffusers_version": "0.32.0",\n'
            '  "feature_extractor": [null, null],\n  "image_encoder": [null, null],\n'
            '  "requires_safety_checker": false,\n  "safety_checker": [null, null],\n'
            '  "scheduler": ["diffusers", "DDIMScheduler"],\n'
            '  "text_encoder": ["transformers", "CLIPTextModel"],\n'
            '  "tokenizer": ["transformers", "CLIPTokenizer"],\n'
            '  "unet": ["diffusers", "UNet2DConditionModel"],\n'
            '  "vae": ["diffusers", "AutoencoderKL"]\n}\n'
        )
        (folder / "model_index.json").write_text(index)


def train(weights: Path, work_dir: Path, minutes: float = 60.0, steps: int = 100_000) -> None:
    """Train for `minutes` (counted over all resumed runs) or up to `steps`, exporting as it goes."""
    trainer = InpaintTrainer(weights, work_dir)
    last = time.monotonic()
    saved = exported = last
    mean = 0.0
    while trainer.used < 1 and trainer.done < steps:
        warm = min(1.0, (trainer.done + 1) / 100)
        rate = 1e-3 * warm * max(0.01, 0.5 * (1 + math.cos(math.pi * trainer.used)))
        full = trainer.used > 0.9 or trainer.done % 6 == 0
        loss = trainer.step(rate, full)
        now = time.monotonic()
        trainer.used += (now - last) / (60 * minutes)
        last = now
        mean += (loss - mean) / min(trainer.done, 100)
        if trainer.done % 100 == 0:
            print(f"unet step {trainer.done} loss {mean:.4f} used {trainer.used:.3f}", flush=True)
        if now - saved > 120:
            trainer.save_state()
            saved = now
        if now - exported > 300:
            trainer.export(weights / "inpaint")
            exported = now
    trainer.save_state()
    trainer.export(weights / "inpaint")
