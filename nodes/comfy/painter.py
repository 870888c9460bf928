"""MODEL, VAE and CONDITIONING as the core's Inpainter."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable
from typing import Any

import node_helpers
import torch
from comfy import model_management, supported_models
from torch.nn import functional as F

from ...region_core.cost import on_forward
from ...region_core.errors import InputError, first_line, shown
from ...region_core.paint.painter import Latents, checked_finite, first_step, with_hole
from .compatibility import check_parts, kind_of, reads_mask, without_nothing
from .patches import minds_the_batch, sees_all_rows
from .sampling import check_names, is_out_of_memory, run_steps, schedule

log = logging.getLogger(__name__)
_MODEL_PRECISION = "start ComfyUI with --force-fp32, or connect another MODEL"
_VAE_PRECISION = "start ComfyUI with --fp32-vae, or connect another VAE"
_LOWER = "lower native_size, start ComfyUI with --lowvram, or connect a smaller MODEL"
_MOST_AT_ONCE = 64  # forwards; beyond this nothing is gained and a cancel waits longer


def native_side(model: Any) -> int:
    """The side in pixels of the squares a MODEL was trained on, as far as its family tells."""
    config = model.model.model_config
    side = getattr(type(config), "native_size", None)
    if side is not None:
        return int(side)
    if isinstance(config, supported_models.SD20):
        # the 768 pixel checkpoints are the ones that predict v
        return 768 if "V_PREDICTION" in model.model.model_type.name else 512
    return 512 if isinstance(config, supported_models.SD15) else 1024


class ComfyInpainter:
    """Edits squares of `size` pixels under a mask with what the person has loaded.

    An inpainting MODEL (one that reads the mask and the masked picture) gets those; any other is
    held to the picture outside the mask by a noise mask. `on_step` is given the denoised estimate
    [n, c, h, w] after each sampling step. `evaluations` counts forwards of one
    image through the diffusion model, on the model; `evaluations_by_steps` what one or, with guidance, two
    a step would be, whatever the sampler and the conditionings make of it. Latents travel in the sampler's own space.
    Cancel stops within a sampling step, or one picture of the VAE. Where a patch of the MODEL may see
    all rows at once, or fails with several, regions are painted one at a time, as KSampler would.

    Raises InputError where the parts do not fit each other.
    """

    def __init__(
        self,
        model: Any,
        vae: Any,
        positive: list,
        negative: list,
        *,
        sampler: str = "ddim",
        scheduler: str = "ddim_uniform",
        steps: int = 20,
        size: int = 0,
        strength: float = 1.0,
    ) -> None:
        check_names(sampler, scheduler)
        check_parts(model, vae, positive, negative)
        self.on_step: Callable[[torch.Tensor], None] = lambda _denoised: None
        self.evaluations: float = 0
        self.evaluations_by_steps: float = 0
        self.vae_encodings: float = 0
        self.vae_decodings: float = 0
        self._level = torch.full((1,), float("inf"))  # of a forward's noise; there is none where no text applies
        self.model = self._counted(model)
        self.vae, self.positive, self.negative = vae, without_nothing(positive), without_nothing(negative)
        self.sampler, self.scheduler, self.steps = sampler, scheduler, steps
        self.ratio = int(vae.spacial_compression_encode())
        self.size = size or native_side(model)
        if self.size % self.ratio or self.size < 8 * self.ratio:
            raise InputError(
                f"native_size is {self.size} pixels; with this VAE it must be a "
                f"multiple of {self.ratio} from {8 * self.ratio} up, or 0 for the "
                "model's own"
            )
        self.device = model_management.intermediate_device()
        self.strength = strength
        self.most = 1 if sees_all_rows(model) else _MOST_AT_ONCE
        side = self.size // self.ratio
        self.shape = (vae.latent_channels, side, side)
        self.reads_mask = reads_mask(model, self.shape, self.size)

    def _counted(self, model: Any) -> Any:
        """A clone of MODEL (same weights) that counts what goes through it."""
        clone = model.clone()
        before = clone.model_options.get("model_function_wrapper")

        def count(apply_model: Any, args: dict) -> torch.Tensor:
            out = (
                apply_model(args["input"], args["timestep"], **args["c"])
                if before is None
                else before(apply_model, args)
            )
            self._level = args["timestep"]
            # after: one that ran out of memory is none
            self.evaluations += args["input"].shape[0] * self._share(args["input"])
            return out

        clone.set_model_unet_function_wrapper(count)
        return clone

    def _share(self, latents: torch.Tensor) -> float:
        """The part of a full-size latent's cells that these have."""
        return latents.shape[-1] * latents.shape[-2] / (self.shape[-1] * self.shape[-2])

    def _encode(self, pictures: torch.Tensor) -> torch.Tensor:
        """[N,3,s,s] in 0..1 to the VAE's latents; one at a time, so that Cancel need not wait."""
        latents = []
        for picture in pictures.permute(0, 2, 3, 1).split(1):  # ComfyUI keeps channels last
            model_management.throw_exception_if_processing_interrupted()
            latents.append(self.vae.encode(picture).float())
            self.vae_encodings += picture[..., 0].numel() / self.size**2
            on_forward()
        encoded = checked_finite(torch.cat(latents), "the VAE's latents", _VAE_PRECISION)
        return encoded.to(self.device)

    def _latent_mask(self, masks: torch.Tensor) -> torch.Tensor:
        side = masks.shape[-1] // self.ratio
        if not self.reads_mask:  # every cell a masked pixel falls in may change
            return F.adaptive_max_pool2d(masks, side)
        if "mask" in getattr(self.model.model, "concat_keys", ()):
            # Stable Diffusion's inpainting models were trained on the mask's nearest pixels
            return F.interpolate(masks, size=side, mode="nearest")
        return masks  # Flux Fill folds the pixels of the mask into channels

    @torch.inference_mode()
    def begin(
        self, images: torch.Tensor, masks: torch.Tensor, seed: int, steps: int, strength: float | None = None
    ) -> Latents:
        """Start N edits from the same noise: images [N,3,s,s] 0..1, masks [N,1,s,s] 0/1, with s the
        native side or, for a preview, another multiple of the VAE's ratio.

        `strength` below 1 (the inpainter's own where it is None) skips the first part of the
        schedule and starts from the noised picture.
        """
        strength = self.strength if strength is None else strength
        images, masks = images.to(self.device).float(), masks.to(self.device).float()
        sigmas = schedule(self.model, self.sampler, self.scheduler, steps)
        first = first_step(steps, strength, len(sigmas) - 2)
        generator = torch.Generator("cpu").manual_seed(seed)
        side = images.shape[-1] // self.ratio
        noise = torch.randn((1, self.shape[0], side, side), generator=generator).to(self.device)
        noise = noise.repeat(len(images), 1, 1, 1)
        extra: dict[str, Any] = {"mask": self._latent_mask(masks), "shared": (seed, sigmas)}
        inner = self.model.model
        if self.reads_mask:
            extra["concat"] = self._encode(with_hole(images, masks))
        if not self.reads_mask or first:
            extra["source"] = self._encode(images)
        clean = inner.process_latent_in(extra["source"]) if first else torch.zeros_like(noise)
        sampling = self.model.get_model_object("model_sampling")
        z = sampling.noise_scaling(sigmas[first].to(noise), noise.clone(), clean, first == 0)
        extra["noise"] = noise
        return Latents(z=z, denoised=torch.zeros_like(z), step=first, steps=steps, extra=extra)

    @torch.inference_mode()
    def advance(self, latents: Latents, stop: int, guidance: float = 1.0) -> Latents:
        """Run the schedule's steps [latents.step, stop), as many candidates at once as fit."""
        sigmas = latents.extra["shared"][1][latents.step : stop + 1]
        if len(sigmas) < 2:
            return Latents(latents.z, latents.denoised, stop, latents.steps, latents.extra)
        done: list[tuple[torch.Tensor, torch.Tensor]] = []
        forwards = 2 if guidance > 1 else 1
        start, room = 0, self._room(forwards)
        while start < len(latents):
            count = max(1, min(room, self.most // forwards, len(latents) - start))
            try:
                done.append(self._advance_rows(latents, slice(start, start + count), sigmas, guidance))
            except Exception as error:
                if is_out_of_memory(error):
                    if count == 1:
                        model_management.unload_all_models()
                        raise InputError(
                            f"one region alone does not fit into memory ({first_line(error)}); {_LOWER}"
                        ) from error
                    log.warning("out of memory with %d regions at once: going on with half", count)
                    self.most = count * forwards // 2  # for the rest of this edit
                elif count > 1 and minds_the_batch(error):
                    log.warning(
                        "the MODEL or a patch of it does not take %d regions at once (%s): going on with one",
                        count,
                        shown(first_line(error)),
                    )
                    self.most = 1
                else:
                    raise
            else:
                start += count
                continue
            model_management.soft_empty_cache()  # only now is the failed attempt forgotten
        z, denoised = (torch.cat(parts) for parts in zip(*done, strict=True))
        checked_finite(z, f"the latents of the MODEL ({kind_of(self.model)})", _MODEL_PRECISION)
        return Latents(z=z, denoised=denoised, step=stop, steps=latents.steps, extra=latents.extra)

    def _advance_rows(
        self, latents: Latents, rows: slice, sigmas: torch.Tensor, guidance: float
    ) -> tuple[torch.Tensor, torch.Tensor]:
        model_management.throw_exception_if_processing_interrupted()  # encoding may have taken a while
        extra = {key: value[rows] for key, value in latents.extra.items() if isinstance(value, torch.Tensor)}
        conditions = (self.positive, self.negative)
        if self.reads_mask:
            conditions = tuple(
                node_helpers.conditioning_set_values(
                    conditioning, {"concat_latent_image": extra["concat"], "concat_mask": extra["mask"]}
                )
                for conditioning in conditions
            )
        z = latents.z[rows]
        each = len(z) * self._share(z) * (2 if guidance > 1 else 1)
        start, most, told = self.evaluations_by_steps, len(sigmas) - 1, itertools.count(1)

        def stepped(denoised: torch.Tensor) -> None:
            # some samplers (dpm_fast) tell of fewer steps than they make: the noise level says how far they are
            level = int((sigmas > 1.0001 * float(self._level.max())).sum())
            self.evaluations_by_steps = start + each * min(max(next(told), level), most)
            self.on_step(denoised)
            on_forward()

        done = run_steps(
            self.model,
            z,
            sigmas,
            sampler=self.sampler,
            # ComfyUI leaves out the second forward at exactly 1
            cfg=max(1.0, float(guidance)),
            positive=conditions[0],
            negative=conditions[1],
            noise=extra["noise"],
            source=extra.get("source", torch.zeros_like(extra["noise"])),
            noise_mask=None if self.reads_mask else extra["mask"],
            seed=latents.extra["shared"][0],
            on_step=stepped,
        )
        self.evaluations_by_steps = start + each * most
        return done

    def _room(self, forwards: int) -> int:
        """How many candidates fit in the memory that is free, by ComfyUI's own estimate."""
        device = self.model.load_device
        one = self.model.model.memory_required([forwards, *self.shape])
        # a patcher of newer versions also counts what it could push out
        free = getattr(self.model, "get_free_memory", model_management.get_free_memory)(device)
        if not model_management.is_device_cpu(device) and not self.model.loaded_size():
            free -= self.model.model_size()  # the weights have yet to come
        return max(1, int(0.9 * free / max(one, 1)))

    @torch.inference_mode()
    def decode(self, latents: Latents) -> torch.Tensor:
        """Pictures [N,3,s,s] in 0..1 of the denoised estimates."""
        z = self.model.model.process_latent_out(latents.denoised.float())
        pictures = []
        for latent in z.split(1):  # one at a time, so that Cancel need not wait
            model_management.throw_exception_if_processing_interrupted()
            pictures.append(self.vae.decode(latent).float().clamp(0, 1))
            self.vae_decodings += self._share(latent)
            on_forward()
        checked_finite(torch.cat(pictures), "the VAE's pictures", _VAE_PRECISION)
        return torch.cat(pictures).permute(0, 3, 1, 2).to(self.device).contiguous()
