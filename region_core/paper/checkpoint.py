"""A small safetensors file with JSON beside the weights, written whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import InputError
from ..files import atomic_write, path_of

FORMAT = "learnable-region-generator"


def write_checkpoint(path: str | Path, tensors: dict[str, Tensor], metadata: dict[str, Any]) -> None:
    """Write `tensors` and `metadata` (values JSON can hold) to `path`, making its folder.

    Raises InputError where the place cannot be written or the metadata is not JSON.
    """
    from safetensors.torch import save

    path = path_of(path)
    plain = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
    try:
        # One string a key is all safetensors allows.
        strings = {"format": FORMAT, **{k: json.dumps(v) for k, v in metadata.items()}}
        data = save(plain, metadata=strings)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"The checkpoint '{path}' could not be written ({error}); give settings made of plain numbers and texts."
        ) from error
    with atomic_write(path, durable=True) as draft:
        draft.write_bytes(data)


def check_replaceable(path: Path) -> None:
    """Raise InputError where what is at `path` is not known to be a checkpoint of this project and would be lost by
    saving one."""
    from safetensors import SafetensorError, safe_open

    if not os.path.exists(path) or os.path.isfile(path) and not os.path.getsize(path):
        return
    known = False
    if os.path.isfile(path):  # no pipe or device, which opening might wait for
        try:
            path.open("rb").close()  # safetensors says of what may not be read that it is not there
            with safe_open(str(path), framework="pt") as file:
                known = (file.metadata() or {}).get("format") == FORMAT
        except SafetensorError:
            pass
        except OSError as error:
            raise InputError(
                f"'{path}' cannot be read ({error.strerror or error}) and might be lost; allow it, or save elsewhere."
            ) from error
    if not known:
        raise InputError(f"'{path}' is no region generator and would be lost; remove it, or save to another file.")


def read_checkpoint(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """(tensors, metadata) as written; InputError where the file is missing or of another kind."""
    from safetensors import SafetensorError, safe_open

    path = path_of(path)
    if not os.path.isfile(path):
        raise InputError(f"There is no checkpoint '{path}'; name a .safetensors file saved by this project.")
    try:
        with torch.inference_mode(False), safe_open(str(path), framework="pt") as file:
            strings = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise InputError(f"The file '{path}' is not a safetensors file; name one saved by this project.") from error
    if strings.pop("format", None) != FORMAT:
        raise InputError(
            f"The file '{path}' holds other weights than a region generator's; name a checkpoint saved by this project."
        )
    try:
        return tensors, {name: json.loads(text) for name, text in strings.items()}
    except (ValueError, RecursionError):
        raise InputError(f"The description in the file '{path}' is damaged; name another checkpoint.") from None
