"""MODEL, VAE and CONDITIONING as the core's Painter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import comfy.sample
import node_helpers
import torch
from comfy import model_management, supported_models
from torch.nn import functional as F

from ...region_core.cost import on_forward
from ...region_core.errors import InputError, first_line
from ...region_core.paint.painter import StepInfo, checked_finite, first_step, masked_image
from .compatibility import check_parts, kind_of, reads_mask, without_nothing
from .sampling import check_names, is_out_of_memory, noise_of, sampler_of, schedule

_MODEL_PRECISION = "start ComfyUI with --force-fp32, or connect another MODEL"
_VAE_PRECISION = "start ComfyUI with --fp32-vae, or connect another VAE"
_LOWER = "lower native_size, start ComfyUI with --lowvram, or connect a smaller MODEL"


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


def small_side(model: Any, size: int) -> list[str]:
    """A note where a MODEL is to paint squares of fewer pixels than it was trained on; 0 is its own number."""
    native = native_side(model)
    told = f"native_size {size} is below the {native} pixels that the MODEL was trained on, where most paint worse"
    return [told] * (0 < size < native)


class ComfyPainter:
    """Paints squares of `size` pixels under a mask with what the person has loaded: a `Painter`.

    An inpainting MODEL (one that reads the mask and the masked picture) gets those; any other is
    held to the picture outside the mask by a noise mask. `evaluations` counts forwards of one picture through
    the diffusion model, on the model; `evaluations_by_steps` what one or, with guidance, two a step would be,
    whatever the sampler and the conditionings make of it. Cancel stops within a sampling step, or one picture
    of the VAE. Regions are painted one after the other: what other packs put into a MODEL is made for one picture, and
    may take a mean over all that it is given.

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
        size: int = 0,
    ) -> None:
        check_names(sampler, scheduler)
        check_parts(model, vae, positive, negative)
        self.evaluations = self.evaluations_by_steps = self.vae_encodings = self.vae_decodings = 0
        self._level = 0.0  # of the last forward's noise
        self.model = self._counted(model)
        self.vae, self.positive, self.negative = vae, without_nothing(positive), without_nothing(negative)
        self.sampler, self.scheduler = sampler, scheduler
        self.ratio = int(vae.spacial_compression_encode())
        self.size = size or native_side(model)
        if self.size % self.ratio or self.size < 8 * self.ratio:
            raise InputError(
                f"native_size is {self.size} pixels; with this VAE it must be a "
                f"multiple of {self.ratio} from {8 * self.ratio} up, or 0 for the "
                "model's own"
            )
        self.device = model_management.intermediate_device()
        side = self.size // self.ratio
        # some families know films too: their latents have a time axis, of one for a picture
        self.time = (1,) if model.model.latent_format.latent_dimensions == 3 else ()
        self.shape = (vae.latent_channels, *self.time, side, side)
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
            self._level = float(args["timestep"].max())
            self.evaluations += args["input"].shape[0]  # after: one that ran out of memory is none
            return out

        clone.set_model_unet_function_wrapper(count)
        return clone

    @torch.inference_mode()
    def __call__(
        self,
        pictures: torch.Tensor,
        masks: torch.Tensor,
        *,
        seed: int,
        steps: int,
        guidance: float,
        strength: float,
        on_step: Callable[[StepInfo], None] | None = None,
    ) -> torch.Tensor:
        """Paint pictures [N, 3, s, s] in 0..1 where masks [N, 1, s, s] are 1, each from the same noise."""
        pictures, masks = (each.to(self.device, torch.float32) for each in (pictures, masks))
        sigmas = schedule(self.model, self.sampler, self.scheduler, steps)
        first = first_step(steps, strength, len(sigmas) - 2)
        small = self._latent_masks(masks)
        rows = {"mask": small}
        if self.reads_mask:
            rows["concat"] = self._encode(masked_image(pictures, masks))
        if not self.reads_mask or first:
            rows["source"] = self._encode(pictures)
        if not self.reads_mask and not first:
            rows["source"] = rows["source"] * (1 - small)  # what is painted starts from noise alone
        latents = self._sample(rows, sigmas[first:], seed, guidance, from_noise=not first, on_step=on_step)
        return self._decode(latents)

    def _encode(self, pictures: torch.Tensor) -> torch.Tensor:
        """[N, 3, s, s] in 0..1 to the VAE's latents; one at a time, so that Cancel need not wait."""
        latents = []
        for picture in pictures.permute(0, 2, 3, 1).split(1):  # ComfyUI keeps channels last
            model_management.throw_exception_if_processing_interrupted()
            latents.append(self.vae.encode(picture).float().reshape(1, *self.shape))
            self.vae_encodings += 1
            on_forward()
        return checked_finite(torch.cat(latents), "the VAE's latents", _VAE_PRECISION).to(self.device)

    def _latent_masks(self, masks: torch.Tensor) -> torch.Tensor:
        """Masks [N, 1, s, s] as the MODEL, or the noise mask, wants them."""
        side = self.size // self.ratio
        if not self.reads_mask:  # every cell a masked pixel falls in may change
            return F.adaptive_max_pool2d(masks, side).reshape(-1, 1, *self.time, side, side)
        if "mask" in getattr(self.model.model, "concat_keys", ()):
            # Stable Diffusion's inpainting models were trained on the mask's nearest pixels
            return F.interpolate(masks, size=side, mode="nearest")
        return masks  # Flux Fill folds the pixels of the mask into channels

    def _sample(
        self,
        rows: dict[str, torch.Tensor],
        sigmas: torch.Tensor,
        seed: int,
        guidance: float,
        *,
        from_noise: bool,
        on_step: Callable[[StepInfo], None] | None,
    ) -> torch.Tensor:
        """Latents [N, ...] as the VAE reads them, one row after the other."""
        count, steps = len(rows["mask"]), len(sigmas) - 1
        forwards = 2 if guidance > 1 else 1
        before = self.evaluations_by_steps
        done: list[torch.Tensor] = []

        def stepped(step: int, denoised: torch.Tensor, *_: Any) -> None:
            # some samplers (dpm_fast) tell of fewer steps than they make: the noise level says how far they are
            level = int((sigmas > 1.0001 * self._level).sum())
            at = len(done) * steps + min(max(step + 1, level), steps)
            self.evaluations_by_steps = before + forwards * at
            if on_step is not None:
                on_step(StepInfo(at, count * steps, denoised))
            model_management.throw_exception_if_processing_interrupted()

        for index in range(count):
            model_management.throw_exception_if_processing_interrupted()  # encoding may have taken a while
            row = {name: each[index : index + 1] for name, each in rows.items()}
            try:
                done.append(self._sample_row(row, sigmas, seed, guidance, from_noise, stepped))
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                model_management.unload_all_models()
                raise InputError(f"one region does not fit into memory ({first_line(error)}); {_LOWER}") from error
            self.evaluations_by_steps = before + forwards * len(done) * steps
        return checked_finite(torch.cat(done), f"the latents of the MODEL ({kind_of(self.model)})", _MODEL_PRECISION)

    def _sample_row(
        self,
        row: dict[str, torch.Tensor],
        sigmas: torch.Tensor,
        seed: int,
        guidance: float,
        from_noise: bool,
        callback: Callable[..., None],
    ) -> torch.Tensor:
        conditions = [self.positive, self.negative]
        if self.reads_mask:
            beside = {"concat_latent_image": row["concat"], "concat_mask": row["mask"]}
            conditions = [node_helpers.conditioning_set_values(one, beside) for one in conditions]
        noise = noise_of(seed, self.shape).to(self.device)
        return comfy.sample.sample_custom(
            self.model,
            noise,
            max(1.0, float(guidance)),  # ComfyUI leaves out the second forward at exactly 1
            sampler_of(self.sampler, from_noise=from_noise),
            sigmas.clone(),  # uni_pc writes into it
            *conditions,
            row.get("source", torch.zeros_like(noise)),
            noise_mask=None if self.reads_mask else row["mask"],
            callback=callback,
            disable_pbar=True,
            seed=seed % 2**63,  # some samplers count on from it
        ).float()

    def _decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Pictures [N, 3, s, s] in 0..1; one at a time, so that Cancel need not wait."""
        pictures = []
        for latent in latents.split(1):
            model_management.throw_exception_if_processing_interrupted()
            picture = self.vae.decode(latent).float()
            pictures.append(picture.reshape(1, *picture.shape[-3:]).clamp(0, 1))  # less the time axis, if any
            self.vae_decodings += 1
            on_forward()
        checked_finite(torch.cat(pictures), "the VAE's pictures", _VAE_PRECISION)
        return torch.cat(pictures).permute(0, 3, 1, 2).to(self.device).contiguous()
