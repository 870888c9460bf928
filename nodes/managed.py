"""Our encoders under ComfyUI's memory manager: it brings them in before use and may evict them."""

from __future__ import annotations

from typing import Any

import torch
from comfy import model_management
from comfy.model_patcher import ModelPatcher


class _Holder(torch.nn.Module):
    """Gives a module the writable `device` attribute that ComfyUI keeps its own notes in."""

    def __init__(self, module: torch.nn.Module, device: torch.device) -> None:
        super().__init__()
        self.module = module
        self.device = device


class ManagedEncoder:
    """An encoder of the core whose weights live where ComfyUI's memory manager wants them.

    Calls and methods are the encoder's own; before each one the weights are on the load device, for
    between two of them the sampler may have pushed them out.
    """

    def __init__(self, encoder: Any, name: str) -> None:
        self.encoder = encoder
        self.name = name
        load, offload = model_management.get_torch_device(), model_management.unet_offload_device()
        holder = _Holder(encoder.model, offload).to(offload)
        self.patcher = ModelPatcher(holder, load_device=load, offload_device=offload)

    @property
    def device(self) -> torch.device:
        """Where the encoder works, which is not where its weights rest."""
        return self.patcher.load_device

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self._bring_in()
        return self.encoder(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "encoder":  # while unpickling or copying, say
            raise AttributeError(name)
        value = getattr(self.encoder, name)
        if not callable(value) or isinstance(value, torch.nn.Module):
            return value

        def call(*args: Any, **kwargs: Any) -> Any:
            self._bring_in()
            out = value(*args, **kwargs)
            # pictures are answered where they came from; a text comes from nowhere
            if isinstance(out, torch.Tensor) and name == "encode_text":
                out = out.to(model_management.intermediate_device())
            return out

        return call

    def _bring_in(self) -> None:
        model_management.load_models_gpu([self.patcher], force_full_load=True)
