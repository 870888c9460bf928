"""Our encoders under ComfyUI's memory manager: it brings them in before use and may evict them."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

import torch
from comfy import model_management
from comfy.model_patcher import ModelPatcher

_ACTIVATIONS = 1 << 30  # bytes that one forward of an encoder takes beside its weights, at most


class _Holder(torch.nn.Module):
    """Gives a module the writable `device` attribute that ComfyUI keeps its own notes in."""

    def __init__(self, module: torch.nn.Module, device: torch.device) -> None:
        super().__init__()
        self.module = module
        self.device = device


class ManagedEncoder:
    """An encoder of the core whose weights live where ComfyUI's memory manager wants them.

    Calls and methods are the encoder's own; before each one the weights are on the load device, for
    between two of them the sampler may have pushed them out. Whatever tensors come out are on
    ComfyUI's device for what goes between nodes, where the pictures are: so the core, which knows
    nothing of two devices, sees one. Cancel stops between two forwards.
    """

    def __init__(self, encoder: Any, name: str, more: int = 0) -> None:
        """`more`: bytes that a forward takes beyond what all encoders do."""
        self.encoder = encoder
        self.needs = _ACTIVATIONS + more
        self.name = name
        encoder.before_forward = model_management.throw_exception_if_processing_interrupted
        load, offload = model_management.get_torch_device(), model_management.unet_offload_device()
        holder = _Holder(encoder.model, offload).to(offload)
        self.patcher = ModelPatcher(holder, load_device=load, offload_device=offload)

    @property
    def device(self) -> torch.device:
        """Where the encoder's answers are, which is not where its weights work or rest."""
        return model_management.intermediate_device()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self._bring_in()
        return _brought_out(self.encoder(*args, **kwargs))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "encoder":  # while unpickling or copying, say
            raise AttributeError(name)
        value = getattr(self.encoder, name)
        if not callable(value) or isinstance(value, torch.nn.Module):
            return value

        def call(*args: Any, **kwargs: Any) -> Any:
            self._bring_in()
            return _brought_out(value(*args, **kwargs))

        return call

    def _bring_in(self) -> None:
        # in parts an encoder cannot work: its layers are not ComfyUI's
        model_management.load_models_gpu([self.patcher], memory_required=self.needs, force_full_load=True)


def _brought_out(value: Any) -> Any:
    """Tensors, also in tuples and dataclasses, on ComfyUI's device for what goes between nodes."""
    if isinstance(value, torch.Tensor):
        return value.to(model_management.intermediate_device())
    if isinstance(value, tuple):
        return tuple(_brought_out(part) for part in value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: _brought_out(getattr(value, f.name)) for f in fields(value)})
    return value
