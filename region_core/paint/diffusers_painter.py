"""A diffusers inpainting pipeline as a Painter.

Only the pipeline's parts are used (tokenizer, text encoder, UNet, VAE, noise schedule): its own
call rounds pictures to 8 bits and draws another noise for each picture of a batch.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional as F

from ..chunk_text import pieces_that_fit
from ..cost import on_forward
from ..defaults import plain_defaults
from ..errors import InputError
from ..memory import in_chunks
from ..quiet import quiet_libraries
from .diffusers_loading import DEFAULT_MODEL, LOWER, MIRRORS, load_pipeline
from .painter import StepInfo, checked_finite, first_step, masked_image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["DEFAULT_MODEL", "MIRRORS", "DiffusersPainter", "load_pipeline"]
_PRECISION = "use --dtype float32, or another model"


class DiffusersPainter:
    """Paints squares of `size` pixels under a mask, for one prompt.

    `evaluations` counts UNet forwards of one image (guidance counts two), by a hook on the UNet;
    `vae_encodings` and `vae_decodings` the VAE's. Smaller pictures count by their share of pixels.
    The schedule is DDIM on the pipeline's own noise levels.
    """

    @plain_defaults
    def __init__(self, pipe: Any, prompt: str, negative_prompt: str = "", *, batch_size: int = 16) -> None:
        from diffusers import DDIMScheduler

        channels = pipe.unet.config.in_channels
        if channels != 9:
            raise InputError(
                f"the model's UNet takes {channels} input channels and an inpainting "
                "model's takes 9; choose an inpainting model such as "
                f"{DEFAULT_MODEL}"
            )
        self.pipe = pipe
        self.batch_size = batch_size
        self.device = pipe.unet.device
        self.dtype = pipe.unet.dtype
        self.vae_scale = 2 ** (len(pipe.vae.config.block_out_channels) - 1)
        self.size = int(pipe.unet.config.sample_size) * self.vae_scale
        self.schedule = DDIMScheduler.from_config(pipe.scheduler.config)
        self.evaluations: float = 0
        self.vae_encodings: float = 0
        self.vae_decodings: float = 0
        self.positive = self._encode(prompt)
        self.negative = self._encode(negative_prompt)

    @torch.inference_mode()
    def _encode(self, text: str) -> torch.Tensor:
        """Text to [1, T, E]; a text longer than the encoder reads is split and averaged."""
        tokenizer, encoder = self.pipe.tokenizer, self.pipe.text_encoder
        room = min(tokenizer.model_max_length, encoder.config.max_position_embeddings)
        with quiet_libraries():  # on what is too long, which is why it is parted
            chunks = pieces_that_fit(text, lambda part: len(tokenizer(part).input_ids) <= room)
            ids = tokenizer(
                chunks or [""], padding="max_length", truncation=True, max_length=room, return_tensors="pt"
            ).input_ids
        ids = ids.to(encoder.device)

        def read(rows: slice) -> torch.Tensor:
            states = encoder(ids[rows]).last_hidden_state
            on_forward()
            return states

        states = torch.cat(self._in_chunks(len(ids), read))
        return states.mean(dim=0, keepdim=True).to(self.dtype)

    @contextmanager
    def _counting(self) -> Iterator[None]:
        def count(_module: torch.nn.Module, args: tuple, kwargs: dict, _out: Any) -> None:
            sample = args[0] if args else kwargs["sample"]
            self.evaluations += sample[:, 0].numel() / (self.size // self.vae_scale) ** 2

        handle = self.pipe.unet.register_forward_hook(count, with_kwargs=True)
        try:
            yield
        finally:
            handle.remove()

    def _encode_pictures(self, pictures: torch.Tensor) -> torch.Tensor:
        """[N, 3, s, s] in 0..1 to scaled latents [N, 4, s/8, s/8]: the posterior's mean."""
        vae = self.pipe.vae

        def encoded(rows: slice) -> torch.Tensor:
            pixels = (pictures[rows] * 2 - 1).to(vae.device, vae.dtype)
            latents = vae.encode(pixels).latent_dist.mean
            self.vae_encodings += pixels[:, 0].numel() / self.size**2
            on_forward()
            return latents

        latents = torch.cat(self._in_chunks(len(pictures), encoded)) * vae.config.scaling_factor
        return checked_finite(latents, "the VAE's latents", _PRECISION).to(self.device, self.dtype)

    def _in_chunks(self, count: int, work: Callable[[slice], Any]) -> list[Any]:
        """What `work` gives of all rows, as many at once as fit: for the rest of this edit."""
        parts, self.batch_size = in_chunks(count, self.batch_size, work, LOWER)
        return parts

    @plain_defaults
    @torch.inference_mode()
    def __call__(
        self,
        pictures: torch.Tensor,
        masks: torch.Tensor,
        *,
        seed: int,
        steps: int,
        guidance: float,
        strength: float = 1.0,
        on_step: Callable[[StepInfo], None] | None = None,
    ) -> torch.Tensor:
        """See `Painter`; `StepInfo` counts the steps of each picture."""
        schedule, first, z, condition = self._start(pictures, masks, seed, steps, strength)
        times, count = schedule.timesteps[first:], len(z)

        def painted(rows: slice) -> torch.Tensor:
            part, estimate = z[rows], z[rows]
            for index, time in enumerate(times):
                result = schedule.step(self._predict(part, condition[rows], time, guidance), time, part)
                part, estimate = result.prev_sample, result.pred_original_sample
                on_forward()
                if on_step is not None:
                    done = rows.start * len(times) + len(part) * (index + 1)
                    on_step(StepInfo(done, count * len(times), estimate))
            return estimate

        with self._counting():
            latents = torch.cat(self._in_chunks(count, painted))
        return self._decode(checked_finite(latents, "the UNet's latents", _PRECISION))

    def _start(
        self, pictures: torch.Tensor, masks: torch.Tensor, seed: int, steps: int, strength: float
    ) -> tuple[Any, int, torch.Tensor, torch.Tensor]:
        """The schedule, the step to begin with, noisy latents [N, 4, h, w] and the UNet's condition [N, 5, h, w]."""
        schedule, masks = self._schedule(steps), masks.to(pictures)
        side = pictures.shape[-1] // self.vae_scale
        noise = torch.randn((1, 4, side, side), generator=torch.Generator("cpu").manual_seed(seed), dtype=torch.float32)
        noise = noise.to(self.device, self.dtype).expand(len(pictures), -1, -1, -1)
        first = first_step(steps, strength, steps - 1)
        if first == 0:
            z = noise * schedule.init_noise_sigma
        else:
            z = schedule.add_noise(self._encode_pictures(pictures), noise, schedule.timesteps[first])
        small = F.interpolate(masks, size=(side, side), mode="nearest").to(self.device, self.dtype)
        return schedule, first, z, torch.cat([small, self._encode_pictures(masked_image(pictures, masks))], dim=1)

    def _schedule(self, steps: int) -> Any:
        schedule = type(self.schedule).from_config(self.schedule.config)
        schedule.set_timesteps(steps, device=self.device)
        # with as many steps as there are noise levels, an offset of 1 would point past the last
        schedule.timesteps.clamp_(max=schedule.config.num_train_timesteps - 1)
        return schedule

    def _predict(self, z: torch.Tensor, condition: torch.Tensor, time: torch.Tensor, guidance: float) -> torch.Tensor:
        inputs = torch.cat([z, condition], dim=1)
        positive = self.positive.expand(len(z), -1, -1)
        if guidance <= 1:
            return self.pipe.unet(inputs, time, positive).sample
        text = torch.cat([self.negative.expand(len(z), -1, -1), positive])
        without, with_text = self.pipe.unet(torch.cat([inputs, inputs]), time, text).sample.chunk(2)
        return without + guidance * (with_text - without)

    def _decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Scaled latents [N, 4, h, w] to pictures [N, 3, s, s] in 0..1."""
        vae = self.pipe.vae
        z = (latents / vae.config.scaling_factor).to(vae.device, vae.dtype)

        def decoded(rows: slice) -> torch.Tensor:
            pictures = vae.decode(z[rows]).sample
            self.vae_decodings += z[rows, 0].numel() / (self.size // self.vae_scale) ** 2
            on_forward()
            return pictures

        pictures = torch.cat(self._in_chunks(len(z), decoded)).float() / 2 + 0.5
        return checked_finite(pictures, "the VAE's pictures", _PRECISION).clamp(0, 1)
