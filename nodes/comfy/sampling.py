"""Running part of a schedule with any of ComfyUI's samplers, from the exact state it stopped in."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import comfy.sample
import comfy.samplers
import torch
from comfy import model_management

from ...region_core.errors import InputError
from ...region_core.memory import is_out_of_memory as core_is_out_of_memory

_FAR = 2**63 - 1


@contextmanager
def untouched_rng(device: torch.device) -> Iterator[None]:
    """Leave the global random state, the CPU's and the device's, as it was: some samplers seed it."""
    # torch.cuda, torch.xpu, torch.mps, ...; torch.mps knows one device and wants no name for it
    own: Any = None if device.type == "cpu" else getattr(torch, device.type, None)
    which = () if device.type == "mps" else (device,)
    state = own.get_rng_state(*which) if hasattr(own, "get_rng_state") else None
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        if own is not None and state is not None:
            own.set_rng_state(state, *which)


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
            f"{steps} step{'s' if steps > 1 else ''}; take more steps (of a "
            "preview: look_steps) or another scheduler, such as simple"
        )
    return sigmas


def _shared_noise(seed: int) -> Callable[[torch.Tensor], Callable[..., torch.Tensor]]:
    """Noise for stochastic samplers: the same for every row, and for a level whenever it comes.

    Candidates differ by their box alone, and one that goes on later gets what it would have got.
    """

    def noise_for(like: torch.Tensor) -> Callable[..., torch.Tensor]:
        def noise(sigma: Any, sigma_next: Any) -> torch.Tensor:
            own = seed * 1_000_003 + round(float(sigma) * 1e4) * 131 + round(float(sigma_next) * 1e4)
            generator = torch.Generator("cpu").manual_seed(own % _FAR)
            one = torch.randn((1, *like.shape[1:]), generator=generator)
            return one.to(like).expand_as(like)

        return noise

    return noise_for


def run_steps(
    model: Any,
    state: torch.Tensor,
    sigmas: torch.Tensor,
    *,
    sampler: str,
    cfg: float,
    positive: list,
    negative: list,
    noise: torch.Tensor,
    source: torch.Tensor,
    noise_mask: torch.Tensor | None,
    seed: int,
    on_step: Callable[[torch.Tensor], None],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Run the steps between `sigmas` from `state` [n,c,h,w]: (state after, denoised estimate).
    `on_step` is given the denoised estimate after each step.

    Cancel stops after the step that is running.
    States are in the sampler's own space. ComfyUI would start from a latent, which a noise mask
    then takes for the picture to keep; here the picture stays `source` and the state is handed to
    the sampler's function itself.
    """
    base = comfy.samplers.sampler_object(sampler)
    names = inspect.signature(base.sampler_function).parameters
    after: dict[str, torch.Tensor] = {}

    def go_on(model_k: Any, start: torch.Tensor, levels: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        x = state.to(start)
        if "noise_sampler" in names:
            kwargs["noise_sampler"] = _shared_noise(seed)(x)
        out = base.sampler_function(model_k, x, levels, **kwargs)
        after["state"] = out.clone()
        return out

    def callback(_step: int, denoised: torch.Tensor, _x: torch.Tensor, _total: int) -> None:
        after["denoised"] = denoised.clone()
        on_step(denoised)
        model_management.throw_exception_if_processing_interrupted()

    resumed = comfy.samplers.KSAMPLER(go_on, dict(base.extra_options))
    with untouched_rng(model.load_device):
        comfy.sample.sample_custom(
            model,
            noise,
            cfg,
            resumed,
            sigmas,
            positive,
            negative,
            source,
            noise_mask=noise_mask,
            callback=callback,
            disable_pbar=True,
            seed=seed,
        )
    if float(sigmas[-1]) == 0:  # finished: some samplers improve on their last estimate
        after["denoised"] = after["state"]
    return after["state"].to(state), after.get("denoised", after["state"]).to(state)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that the device's memory did not suffice."""
    known = getattr(model_management, "is_oom", None)  # newer than 0.3.64
    if known is not None and known(error):
        return True
    kind = model_management.OOM_EXCEPTION
    if kind is not Exception and isinstance(error, kind):
        return True
    return core_is_out_of_memory(error)
