"""Apple's device, simulated on the CPU: tensors that say they are elsewhere and refuse what that device refuses.

Every tensor made there or moved there holds a tensor of the CPU's and does its sums on that. Refused are float64,
sums of a tensor here with one there, and operations that the device did not have in torch 2.6: read in torch's
source, not run there.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_flatten, tree_map_only

DEVICE = torch.device("meta")  # a name that torch has without a driver; nothing else uses it during an edit
# These take tensors of both devices
_ACROSS = ("copy_", "_to_copy", "aten.to.", "index.Tensor", "index_put", "_unsafe_index", "_has_compatible")


def refuse_missing(call: Any, args: Any) -> None:
    """Raise for an operation that Apple's device did not have in torch 2.6."""
    name = str(call)
    if "upsample_bicubic2d_aa" in name or "upsample_bilinear2d_aa" in name:
        raise NotImplementedError(f"The operator '{name}' is not implemented for the MPS device")
    if "adaptive_max_pool2d" in name or "adaptive_avg_pool2d" in name and "backward" not in name:
        sides, wanted = args[0].shape[-2:], args[1]
        if any(side % want for side, want in zip(sides, wanted, strict=True)):
            raise RuntimeError("Adaptive pool MPS: input sizes must be divisible by output sizes")


class There(Tensor):
    """A tensor that says it is on Apple's device."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> There:
        if held.dtype in (torch.float64, torch.complex128):
            raise TypeError(
                "Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64."
            )
        shape = (held.size(), held.stride(), held.storage_offset())
        with torch.inference_mode(False):  # a view of it is taken in that mode
            made = Tensor._make_wrapper_subclass(cls, *shape, dtype=held.dtype, device=DEVICE)
        made.held = held
        return made

    def __repr__(self) -> str:  # type: ignore[override]
        return f"There({self.held})"

    @classmethod
    def __torch_dispatch__(cls, call: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return on_device(call, args, kwargs or {})


def on_device(call: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """The operation, of tensors here and there."""
    tensors = [one for one in tree_flatten((args, kwargs))[0] if isinstance(one, Tensor)]
    there = [one for one in tensors if isinstance(one, There)]
    asked = kwargs.get("device") or next((one for one in args if isinstance(one, torch.device)), None)
    lands = torch.device(asked).type == DEVICE.type if asked is not None else bool(there)
    if call is torch.ops.aten.to.other:
        lands = isinstance(args[1], There)
    if lands or there:
        refuse_missing(call, args)
    if there and not any(part in str(call) for part in _ACROSS):
        here = [one for one in tensors if not isinstance(one, There) and one.ndim]
        if here:
            raise RuntimeError(f"Expected all tensors to be on the same device, but found mps and cpu in {call}")
    if asked is not None:
        args, kwargs = tree_map_only(torch.device, lambda _: torch.device("cpu"), (args, kwargs))
    held_args, held_kwargs = tree_map_only(There, lambda one: one.held, (args, kwargs))
    out = call(*held_args, **held_kwargs)
    if "copy_" in str(call) and "_to_copy" not in str(call):
        return args[0]
    if lands:
        COUNT[str(call)] += 1
        out = tree_map_only(Tensor, lambda one: one if isinstance(one, There) else There(one), out)
    return return_and_correct_aliasing(call, args, kwargs, out) if there and lands else out


COUNT: Counter[str] = Counter()  # what was done there


class _Made(TorchDispatchMode):
    def __torch_dispatch__(self, call: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return on_device(call, args, kwargs or {})


class Mac(TorchFunctionMode):
    """While it lasts, what is made on or moved to `DEVICE` is `There`."""

    def __enter__(self) -> Mac:
        self.made = _Made()
        self.made.__enter__()
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self.made.__exit__(*error)

    def __torch_function__(self, call: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if call in (torch.tensor, torch.as_tensor) and torch.device(kwargs.get("device") or "cpu") == DEVICE:
            kwargs["device"] = "cpu"  # of numbers torch makes no tensor there
            return There(call(*args, **kwargs))
        if call is Tensor.tolist and isinstance(args[0], There):  # which torch does not do for such as these
            return args[0].held.tolist()
        return call(*args, **kwargs)


def moved(module: nn.Module) -> nn.Module:
    """The module with its weights there, in place."""
    for part in module.modules():
        for name, weight in list(part._parameters.items()):
            if weight is not None:
                part._parameters[name] = nn.Parameter(There(weight.detach()), requires_grad=False)
        for name, buffer in list(part._buffers.items()):
            if buffer is not None:
                part._buffers[name] = There(buffer.detach())
    return module
