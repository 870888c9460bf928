"""ComfyUI's samplers and schedulers, so that regions differ by their region alone."""

from __future__ import annotations

from typing import Any

import comfy.samplers
import torch
from comfy import model_management

from ...region_core.errors import InputError
from ...region_core.memory import is_out_of_memory as core_is_out_of_memory


def check_names(sampler: str, scheduler: str) -> None:
    """Raise InputError for a sampler or scheduler that this ComfyUI has not: a link or a script can bring any name."""
    kinds = comfy.samplers.KSampler
    for name, value, known in (("sampler_name", sampler, kinds.SAMPLERS), ("scheduler", scheduler, kinds.SCHEDULERS)):
        if value not in known:
            raise InputError(f"{name} is {value!r}, which this ComfyUI has not; choose another, such as {known[0]}")


def schedule(model: Any, sampler: str, scheduler: str, steps: int) -> torch.Tensor:
    """The noise levels of `steps` steps, at most steps + 1 numbers, falling to 0, on the CPU.

    Where a scheduler has a step too many ("ddim_uniform" where `steps` does not divide 1000), its
    first is left out, as diffusers does. Raises InputError where levels are not finite, as
    "kl_optimal" makes them of one step.
    """
    made = comfy.samplers.KSampler(
        model,
        steps=steps,
        device=torch.device("cpu"),
        sampler=sampler,
        scheduler=scheduler,
        model_options=model.model_options,
    )
    sigmas = made.sigmas[-(steps + 1) :].float()
    if not bool(sigmas.isfinite().all()):
        raise InputError(
            f"scheduler {scheduler!r} gives noise levels that are not numbers with "
            f"{steps} step{'s' if steps > 1 else ''}; take more steps, or another scheduler, such as simple"
        )
    return sigmas


def noise_of(seed: int, shape: tuple[int, ...]) -> torch.Tensor:
    """The noise [1, *shape] that every region starts from, on the CPU; the global random state stays as it is."""
    generator = torch.Generator("cpu").manual_seed(seed)
    return torch.randn((1, *shape), generator=generator, dtype=torch.float32, device="cpu")


def sampler_of(name: str, *, from_noise: bool) -> Any:
    """A sampler by its name.

    `from_noise`: it begins at the highest noise level, without a trace of a picture, also where a scheduler's
    first level is a little lower ("ddim_uniform"), as diffusers does.
    """
    sampler: Any = comfy.samplers.sampler_object(name)
    sampler.inpaint_options = {}  # "ddim" would set the global random state
    if from_noise:
        sampler.max_denoise = lambda *_: True
    return sampler


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that the device's memory did not suffice."""
    known = getattr(model_management, "is_oom", None)  # newer than 0.16
    if known is not None and known(error):
        return True
    kind = model_management.OOM_EXCEPTION
    if kind is not Exception and isinstance(error, kind):
        return True
    return core_is_out_of_memory(error)
