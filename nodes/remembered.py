"""What was worked out a moment ago, so that it is not worked out again when only something else was changed.

ComfyUI keeps a node's outputs while all of its inputs stay; here a part of the work is kept while that part's do.
"""

from __future__ import annotations

import hashlib
import weakref
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import fields, is_dataclass
from typing import Any

import torch


class Remembered:
    """The last `most` values, of `most_bytes` together, by what they were made from. Models are never kept alive by it.

    What a run put or looked up does not make room for the rest of it: of a film's frames the first ones stay, where
    otherwise each would push out the one that the next run asks for first.
    """

    def __init__(self, most: int, most_bytes: int) -> None:
        self.most, self.most_bytes, self._run = most, most_bytes, 0
        self._kept: OrderedDict[Hashable, tuple[int, Any]] = OrderedDict()  # the run and the value

    def start(self) -> None:
        """A run begins."""
        self._run += 1

    def get(self, key: Hashable) -> Any:
        """The value of a key, or None."""
        if key not in self._kept:
            return None
        _, value = self._kept.pop(key)
        self._kept[key] = self._run, value
        return value

    def keep(self, key: Hashable, value: Any) -> None:
        """Keep a value, if there is room or what earlier runs asked for longest ago can make some."""
        self._kept.pop(key, None)
        size = size_of(value)
        if size > self.most_bytes:
            return
        while len(self._kept) >= self.most or size + sum(size_of(v) for _, v in self._kept.values()) > self.most_bytes:
            oldest = next(iter(self._kept))
            if self._kept[oldest][0] == self._run:
                return
            del self._kept[oldest]
        self._kept[key] = self._run, value

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()


def size_of(value: Any) -> int:
    """Bytes of all tensors of a value."""
    if isinstance(value, torch.Tensor):
        return value.nbytes
    if is_dataclass(value) and not isinstance(value, type):
        value = [getattr(value, field.name) for field in fields(value)]
    if isinstance(value, dict):
        value = list(value.values())
    return sum(map(size_of, value)) if isinstance(value, list | tuple) else 0


def key_of(*things: Any) -> Hashable:
    """A key of what something is made from: tensors by their numbers, models by which one it is."""
    return tuple(_key(one) for one in things)


def _key(value: Any) -> Hashable:
    if isinstance(value, torch.Tensor):
        plain: Any = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
        return tuple(value.shape), str(value.dtype), hashlib.blake2b(plain).digest()
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, list | tuple):
        return tuple(_key(one) for one in value)
    if isinstance(value, dict):
        return tuple((name, _key(one)) for name, one in value.items())
    if is_dataclass(value) and not isinstance(value, type):
        return type(value), *(_key(getattr(value, field.name)) for field in fields(value))
    try:
        one = weakref.ref(value)  # equal while both are alive and the same
        hash(one)  # as a set's or an array's cannot be
    except TypeError:
        return object()  # equal to nothing
    return one
