"""A diffusers inpainting pipeline as the core's Inpainter.

Only the pipeline's parts are used (tokenizer, text encoder, UNet, VAE, noise schedule): its own
call rounds pictures to 8 bits, hides the latents between steps and cannot stop half way.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional as F

from ..chunk_text import pieces_that_fit
from ..cost import on_forward
from ..errors import InputError, first_line
from ..files import path_of
from ..memory import in_chunks, is_out_of_memory
from ..quiet import quiet_libraries
from ..weights import check_file, check_folder, check_hub
from .painter import Latents, checked_finite, first_step, with_hole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DEFAULT_MODEL = "sd2-community/stable-diffusion-2-inpainting"
_PRECISION = "use --dtype float32, or another model"
_LOWER = "choose --dtype float16, a smaller inpainting model, or another device"
# hub ids that answer 404, and where the same weights are
MIRRORS = {
    "stabilityai/stable-diffusion-2-inpainting": DEFAULT_MODEL,
    "runwayml/stable-diffusion-inpainting": "stable-diffusion-v1-5/stable-diffusion-inpainting",
}


def load_pipeline(
    path_or_id: str | Path, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32
) -> Any:
    """A `StableDiffusionInpaintPipeline` from a local folder, a single file or a hub id.

    Raises InputError where nothing is found, nothing can be downloaded, or it is not an
    inpainting model (a UNet with 9 input channels).
    """
    from diffusers import StableDiffusionInpaintPipeline

    name = str(path_or_id)
    local = path_of(name)
    on_disk = os.path.exists(local)
    if not on_disk and (name.count("/") != 1 or name.startswith((".", "/", "~"))):
        raise InputError(
            f"inpainting model {name!r}: no such file or folder; give a diffusers "
            f"folder, a .safetensors file or a hub id such as {DEFAULT_MODEL}"
        )
    way = (
        "is it an inpainting pipeline?"
        if on_disk
        else "is there a network, and is the name right? A local folder works without one"
    )

    def too_large(error: Exception) -> InputError:
        return InputError(f"inpainting model {name!r} is too large for {device} ({first_line(error)}); {_LOWER}")

    load = StableDiffusionInpaintPipeline
    try:
        # some versions draw random weights first; the caller's generator stays as it is
        with torch.random.fork_rng(devices=[]), quiet_libraries():
            if not on_disk:  # what arrived, or was in the cache, is looked at before it is loaded
                local = Path(load.download(name, safety_checker=None))
            (check_file if local.is_file() else check_folder)(local)
            if local.is_file():
                pipe = load.from_single_file(str(local), torch_dtype=dtype)
            else:
                pipe = load.from_pretrained(str(local), torch_dtype=dtype, safety_checker=None)
    except InputError:
        raise
    except Exception as error:  # of four libraries, on files of any kind
        if is_out_of_memory(error):  # some versions move it to the device as soon as it is read
            raise too_large(error) from error
        check_hub(f"the inpainting model '{name}'", "" if on_disk else name, error)
        raise InputError(f"inpainting model {name!r} could not be loaded ({first_line(error)}); {way}") from error
    _check_text_encoder(pipe, local / "text_encoder")
    pipe.set_progress_bar_config(disable=True)
    try:
        return pipe.to(device)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise too_large(error) from error


def _check_text_encoder(pipe: Any, folder: Path) -> None:
    """Refuse a text encoder whose weights in `folder` were not taken: under names that it does not know
    transformers leaves it at random values, and says so in a note at most."""
    from safetensors import safe_open

    for path in sorted(folder.glob("*.safetensors")) if folder.is_dir() else ():
        with safe_open(str(path), framework="pt") as file:
            names = [name for name in file.keys() if name.endswith("token_embedding.weight")]  # noqa: SIM118
            if not names:
                continue
            row = file.get_slice(names[0])[:1]
        taken = pipe.text_encoder.get_input_embeddings().weight[:1].detach().cpu()
        if not torch.equal(row.to(taken.dtype), taken):
            raise InputError(
                f"'{path}' names its weights in a way that this version of transformers does "
                "not know; update transformers, or save the model anew with this one"
            )
        return  # model.fp16.safetensors beside model.safetensors says the same


class DiffusersInpainter:
    """Edits squares of `size` pixels under a mask, for one prompt, in steps that can be paused.

    `evaluations` counts UNet forwards of one image (guidance counts two), by a hook on the UNet;
    `vae_encodings` and `vae_decodings` the VAE's. Smaller pictures count by their share of pixels.
    The schedule is DDIM on the pipeline's own noise levels: it has no memory between steps, so a
    survivor goes on from its latents as if it had never stopped.
    """

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
        states = torch.cat(self._in_chunks(len(ids), lambda rows: encoder(ids[rows]).last_hidden_state))
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
        parts, self.batch_size = in_chunks(count, self.batch_size, work, _LOWER)
        return parts

    @torch.inference_mode()
    def begin(
        self, images: torch.Tensor, masks: torch.Tensor, seed: int, steps: int, *, strength: float = 1.0
    ) -> Latents:
        """Noise for N edits, the same for all: images [N, 3, s, s] 0..1, masks [N, 1, s, s] 0/1, with
        s the model's own side or another multiple of 8.

        `steps` is the length of the schedule; `strength` (0, 1] skips its first part and starts
        from the noised picture instead.
        """
        schedule, masks = self._schedule(steps), masks.to(images)
        side = images.shape[-1] // self.vae_scale
        generator = torch.Generator("cpu").manual_seed(seed)
        noise = torch.randn((1, 4, side, side), generator=generator)
        noise = noise.to(self.device, self.dtype).expand(len(images), -1, -1, -1)
        first = first_step(steps, strength, steps - 1)
        if first == 0:
            z = noise * schedule.init_noise_sigma
        else:
            z = schedule.add_noise(self._encode_pictures(images), noise, schedule.timesteps[first])
        small = F.interpolate(masks, size=(side, side), mode="nearest").to(self.device, self.dtype)
        condition = torch.cat([small, self._encode_pictures(with_hole(images, masks))], dim=1)
        return Latents(
            z=z.clone(), denoised=torch.zeros_like(z), step=first, steps=steps, extra={"condition": condition}
        )

    def _schedule(self, steps: int) -> Any:
        schedule = type(self.schedule).from_config(self.schedule.config)
        schedule.set_timesteps(steps, device=self.device)
        # with as many steps as there are noise levels, an offset of 1 would point past the last
        schedule.timesteps.clamp_(max=schedule.config.num_train_timesteps - 1)
        return schedule

    @torch.inference_mode()
    def advance(self, latents: Latents, stop: int, guidance: float = 1.0) -> Latents:
        """Run the schedule's steps [latents.step, stop); guidance 1 or less costs one forward.

        ValueError where `stop` lies before the latents' own step: noise cannot be put back.
        """
        if stop < latents.step:
            raise ValueError(f"the latents are at step {latents.step}, past {stop}")
        schedule = self._schedule(latents.steps)

        def advanced(rows: slice) -> tuple[torch.Tensor, torch.Tensor]:
            part, condition = latents.z[rows], latents.extra["condition"][rows]
            estimate = latents.denoised[rows]
            for index in range(latents.step, stop):
                time = schedule.timesteps[index]
                out = self._predict(part, condition, time, guidance)
                result = schedule.step(out, time, part)
                part, estimate = result.prev_sample, result.pred_original_sample
                on_forward()
            return part, estimate

        with self._counting():
            parts = self._in_chunks(len(latents.z), advanced)
        z, denoised = (torch.cat(rows) for rows in zip(*parts, strict=True))
        checked_finite(z, "the UNet's latents", _PRECISION)
        return Latents(z=z, denoised=denoised, step=stop, steps=latents.steps, extra=latents.extra)

    def _predict(self, z: torch.Tensor, condition: torch.Tensor, time: torch.Tensor, guidance: float) -> torch.Tensor:
        inputs = torch.cat([z, condition], dim=1)
        positive = self.positive.expand(len(z), -1, -1)
        if guidance <= 1:
            return self.pipe.unet(inputs, time, positive).sample
        text = torch.cat([self.negative.expand(len(z), -1, -1), positive])
        without, with_text = self.pipe.unet(torch.cat([inputs, inputs]), time, text).sample.chunk(2)
        return without + guidance * (with_text - without)

    @torch.inference_mode()
    def decode(self, latents: Latents) -> torch.Tensor:
        """Pictures [N, 3, s, s] in 0..1 of the denoised estimates."""
        vae = self.pipe.vae
        z = (latents.denoised / vae.config.scaling_factor).to(vae.device, vae.dtype)

        def decoded(rows: slice) -> torch.Tensor:
            pictures = vae.decode(z[rows]).sample
            self.vae_decodings += z[rows, 0].numel() / (self.size // self.vae_scale) ** 2
            on_forward()
            return pictures

        pictures = torch.cat(self._in_chunks(len(z), decoded)).float() / 2 + 0.5
        return checked_finite(pictures, "the VAE's pictures", _PRECISION).clamp(0, 1)
