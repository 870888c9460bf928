"""What comes in at a node's sockets, looked at before it is used.

ComfyUI checks links by their type's name, and a switch, a reroute or a node of another pack can hand on
nothing at all, or anything. Values left out of a graph that a script sends are the widgets' own.
"""

from __future__ import annotations

import functools
import inspect
import math
import numbers
from collections.abc import Callable
from typing import Any

import torch

from ..region_core.checks import broken_text, is_writable
from ..region_core.errors import InputError
from .common import named_errors
from .descriptions import GeneratorDescription, LearnedGenerator, LossDescription


def _of_encoder(name: str) -> Callable[[Any], bool]:
    # one under ComfyUI's memory manager holds the core's
    return lambda value: hasattr(getattr(value, "encoder", value), name)


def _is_dense(value: Any) -> bool:
    """Whether something is a tensor of real numbers that are here: others are sparse, complex or only described."""
    return (
        isinstance(value, torch.Tensor)
        and value.layout == torch.strided
        and not (value.is_complex() or value.is_quantized or value.is_meta)
    )


def _is_conditioning(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(
        isinstance(one, list | tuple)
        and len(one) == 2
        and _is_dense(one[0])
        and one[0].ndim == 3
        and one[0].numel()
        and isinstance(one[1], dict)
        for one in value
    )


# type of a socket: (what it takes, where it comes from, whether a value is such)
_SOCKETS: dict[str, tuple[str, str, Callable[[Any], bool]]] = {
    "IMAGE": ("a picture", "a Load Image node, for example", _is_dense),
    "MASK": ("a mask", "a Load Image node, for example", _is_dense),
    "MODEL": ("a MODEL", "a Load Checkpoint node", lambda v: hasattr(v, "model_options")),
    "VAE": ("a VAE", "a Load VAE or Load Checkpoint node", lambda v: hasattr(v, "first_stage_model")),
    "CONDITIONING": ("a text's CONDITIONING", "a CLIP Text Encode node", _is_conditioning),
    "LR_DINO": ("a DINO encoder", "Load DINO Encoder or Load Shapes Demo", _of_encoder("patch_size")),
    "LR_CLIP_SCORER": ("a CLIP scorer", "Load OpenCLIP Scorer or Load Shapes Demo", _of_encoder("encode_images")),
    "LR_GENERATOR": (
        "what a region generator found",
        "Learnable Region Generator",
        lambda v: isinstance(v, GeneratorDescription),
    ),
    "LR_LOSS": ("a loss", "CLIP Region Loss", lambda v: isinstance(v, LossDescription)),
    "LR_LEARNED": (
        "a learned region generator",
        "Load Learned Region Generator",
        lambda v: isinstance(v, LearnedGenerator),
    ),
}
_VALUES = {
    "INT": "a whole number",
    "FLOAT": "a number",
    "STRING": "a text",
    "BOOLEAN": "true or false",
    "COMBO": "one of its options",
}


def checked(execute: Callable[..., Any] | None = None, **nothing: str | None) -> Callable[..., Any]:
    """Wrap a node's `execute`: what is left out gets its widget's value; nothing, another kind of thing and
    a number out of its range are told in a sentence that names the node and the socket.

    `nothing`: a sentence of the node's own for a socket that got nothing; None where it can do without.
    """
    if execute is None:
        return lambda given: checked(given, **nothing)
    signature = inspect.signature(execute)

    @functools.wraps(execute)
    def run(cls: Any, *args: Any, **kwargs: Any) -> Any:
        with named_errors(cls):
            given = dict(signature.bind_partial(cls, *args).arguments)
            given.pop("cls")
            given.update(kwargs)
            return execute(cls, **_complete(cls.define_schema().inputs, given, nothing))

    return run


def _complete(inputs: list[Any], given: dict[str, Any], nothing: dict[str, str | None]) -> dict[str, Any]:
    for one in inputs:
        kind = str(one.get_io_type())
        if one.id not in given:
            default = _default(one)
            if default is None and one.optional:
                continue
            given[one.id] = default
        value = given[one.id]
        if value is None:
            if kind in _SOCKETS and (one.optional or one.id in nothing and nothing[one.id] is None):
                continue
            raise InputError(nothing.get(one.id) or _nothing(one.id, kind))
        given[one.id] = _socket(one.id, kind, value) if kind in _SOCKETS else _value(one, kind, value)
    return given


def _default(one: Any) -> Any:
    default = getattr(one, "default", None)
    options = getattr(one, "options", None)
    return options[0] if default is None and options else default


def _nothing(name: str, kind: str) -> str:
    if kind in _SOCKETS:
        what, source, _ = _SOCKETS[kind]
        return f"got nothing for {name}: connect {what}, from {source}"
    return (
        f"got nothing for {name}: connect a node that gives {_VALUES.get(kind, kind)}, or disconnect the "
        "one that gives nothing"
    )


def _socket(name: str, kind: str, value: Any) -> Any:
    what, source, is_such = _SOCKETS[kind]
    if not is_such(value):
        raise InputError(f"{name} is {_called(value)}, not {what}; connect {what}, from {source}")
    return value


def _value(one: Any, kind: str, value: Any) -> Any:
    name, wrong = one.id, f"{one.id} is {_called(value)}, not {_VALUES.get(kind, kind)}; give one"
    if kind in ("INT", "FLOAT"):
        if not isinstance(value, numbers.Real):
            raise InputError(wrong)
        number = float(value)
        whole = kind == "INT"
        if not math.isfinite(number) or (whole and number != int(number)):
            raise InputError(f"{name} is {value}, not {_VALUES[kind]}; give one")
        made = math.floor(value) if whole else number  # exact also beyond 2**53
        low, high = getattr(one, "min", None), getattr(one, "max", None)
        if (low is not None and made < low) or (high is not None and made > high):
            raise InputError(f"{name} is {made}; it must be from {low} to {high}")
        return made
    if kind == "STRING":
        if not isinstance(value, str):
            raise InputError(wrong)
        if not is_writable(value):
            raise InputError(broken_text(name, value))
    if kind == "BOOLEAN" and not isinstance(value, bool | numbers.Integral):
        raise InputError(wrong)
    if kind == "COMBO" and not isinstance(value, str):
        raise InputError(wrong)
    return bool(value) if kind == "BOOLEAN" else value


def _called(value: Any) -> str:
    """A value in a word or two."""
    if isinstance(value, str | numbers.Real):
        text = ascii(value)
        return text if len(text) <= 40 else f"{text[:37]}..."
    if isinstance(value, torch.Tensor):
        return f"a tensor of {value.dtype} on {value.device} with the layout {value.layout}"
    return f"a {type(value).__name__}"
