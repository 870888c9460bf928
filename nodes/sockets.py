"""What comes in at a node's sockets, looked at before it is used: one sentence that names the node and the socket.

ComfyUI checks links by their type's name, and a switch, a reroute or a node of another pack can hand on nothing at
all, or anything; linked numbers it does not check.
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
from ..region_core.defaults import plain_defaults
from ..region_core.errors import InputError, with_article
from .values import FoundRegions, GeneratorDescription, LearnedGenerator, ListedEdit, LossDescription, Stitches


class NodeError(InputError):
    """A sentence that names its node."""


# ComfyUI puts an exception's class before its sentence, and the folder of its module before the class
NodeError.__module__, NodeError.__qualname__ = "builtins", "InputError"


def _of_encoder(name: str) -> Callable[[Any], bool]:
    # one under ComfyUI's memory manager holds the core's
    return lambda value: hasattr(getattr(value, "encoder", value), name)


def _kind(*kinds: Any) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kinds)


# type of a socket: (what it takes, where it comes from, whether a value is such)
_SOCKETS: dict[str, tuple[str, str, Callable[[Any], bool]]] = {
    "IMAGE": ("a picture", "a Load Image node, for example", _kind(torch.Tensor)),
    "MASK": ("a mask", "a Load Image node, for example", _kind(torch.Tensor)),
    "MODEL": ("a MODEL", "a Load Checkpoint node", lambda v: hasattr(v, "model_options")),
    "CLIP": ("a CLIP", "a Load CLIP or Load Checkpoint node", lambda v: hasattr(v, "tokenize")),
    "VAE": ("a VAE", "a Load VAE or Load Checkpoint node", lambda v: hasattr(v, "first_stage_model")),
    "CONDITIONING": (
        "a text's CONDITIONING",
        "a CLIP Text Encode node",
        lambda v: isinstance(v, list | tuple) and all(isinstance(one, list | tuple) and len(one) == 2 for one in v),
    ),
    "LR_DINO": ("a DINO encoder", "Load DINO Encoder or Load Shapes Demo", _of_encoder("patch_size")),
    "LR_CLIP_SCORER": ("a CLIP scorer", "Load OpenCLIP Scorer or Load Shapes Demo", _of_encoder("encode_images")),
    "LR_GENERATOR": ("what a region generator saw", "Learnable Region Generator", _kind(GeneratorDescription)),
    "LR_LOSS": ("a loss", "CLIP Region Loss", _kind(LossDescription)),
    "LR_LEARNED": ("a learned region generator", "Load Learned Region Generator", _kind(LearnedGenerator)),
    "LR_REGIONS": ("regions", "Find Region by Text", _kind(FoundRegions)),
    "LR_LISTED": ("edits of a list", "Load Edits List", _kind(ListedEdit)),
    "LR_STITCH": ("the way back of crops", "Region Crop", _kind(Stitches)),
}
_VALUES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "INT": ("a whole number", lambda v: isinstance(v, numbers.Real) and math.isfinite(v) and v == math.floor(v)),
    "FLOAT": ("a number", lambda v: isinstance(v, numbers.Real) and math.isfinite(v)),
    "STRING": ("a text", _kind(str)),
    "BOOLEAN": ("true or false", _kind(bool, int)),
    "COMBO": ("one of its options", _kind(str)),
}


def checked(execute: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a node's `execute`: nothing or another kind of thing at a socket, and a linked number out of its range, are
    told in a sentence; the node's name stands before it and before the core's own, so that it reads alone in a log."""

    names = list(inspect.signature(execute).parameters)[1:]

    @functools.wraps(execute)
    @plain_defaults
    def run(cls: Any, *args: Any, **kwargs: Any) -> Any:
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        schema = cls.define_schema()  # a node runs in a locked copy of its class that cannot remember it
        try:
            return execute(cls, **{**given, **_checked(schema, given)})
        except NodeError:  # of a node that another one uses
            raise
        except InputError as error:
            raise NodeError(f"{schema.display_name}: {error}") from None

    return run


def _checked(schema: Any, given: dict[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for one in schema.inputs:
        default = getattr(one, "default", None)  # of a widget that a script left out
        if one.id not in given and default is None:
            continue
        kind, value = str(one.get_io_type()), given.get(one.id, default)
        if kind in _SOCKETS:
            if schema.is_input_list:
                values[one.id] = [_socket(one.id, kind, each) for each in value or [None]]
            elif value is not None or not one.optional:
                values[one.id] = _socket(one.id, kind, value)
        elif kind in _VALUES:
            if schema.is_input_list:
                values[one.id] = [_value(one, kind, each) for each in value or ()]
            else:
                values[one.id] = _value(one, kind, value)
    return values


def _socket(name: str, kind: str, value: Any) -> Any:
    what, source, is_such = _SOCKETS[kind]
    if value is None:
        raise InputError(f"got nothing for {name}: connect {what}, from {source}")
    if not is_such(value):
        raise InputError(f"{name} is {_called(value)}, not {what}; connect {what}, from {source}")
    return value


def _value(one: Any, kind: str, value: Any) -> Any:
    what, is_such = _VALUES[kind]
    if value is None:
        raise InputError(f"got nothing for {one.id}: connect a node that gives {what}, or disconnect it")
    if not is_such(value):
        raise InputError(f"{one.id} is {_called(value)}, not {what}; give one")
    if kind == "STRING" and not is_writable(value):
        raise InputError(broken_text(one.id, value))
    if kind not in ("INT", "FLOAT"):
        return value
    value = int(value) if kind == "INT" else float(value)
    low, high = getattr(one, "min", None), getattr(one, "max", None)
    if (low is not None and value < low) or (high is not None and value > high):
        raise InputError(f"{one.id} is {value}; it must be from {low} to {high}")
    return value


def _called(value: Any) -> str:
    """A value in a word or two."""
    if isinstance(value, str | numbers.Real):
        text = ascii(value)
        return text if len(text) <= 40 else f"{text[:37]}..."
    return with_article(type(value).__name__)
