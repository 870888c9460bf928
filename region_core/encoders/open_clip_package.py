"""open_clip itself, also where another package of that name comes first on the path, as other packs bring some."""

from __future__ import annotations

import importlib.util
import os
import sys
from importlib import import_module, metadata
from types import ModuleType

from ..errors import InputError, first_line

_CALLS = ("create_model", "get_tokenizer", "get_model_preprocess_cfg", "get_pretrained_cfg", "list_models")
_ALIAS = "open_clip_of_open_clip_torch"
_INSTALL = 'run: pip install "open_clip_torch>=3.0"'


def open_clip() -> ModuleType:
    """The module of the package open_clip_torch; InputError where it is not installed."""
    if _ALIAS in sys.modules:
        return sys.modules[_ALIAS]
    try:
        found = import_module("open_clip")
    except Exception as error:  # of a stranger's module
        why = first_line(error)
    else:
        if all(hasattr(found, call) for call in _CALLS):
            return found
        why = f"'{getattr(found, '__file__', None)}' comes first on the path and is another"
    try:
        place = str(metadata.distribution("open_clip_torch").locate_file("open_clip/__init__.py"))
    except metadata.PackageNotFoundError:
        place = ""
    spec = importlib.util.spec_from_file_location(_ALIAS, place) if os.path.isfile(place) else None
    if spec is None or spec.loader is None:
        raise InputError(f"CLIP needs open_clip, which cannot be imported ({why}); {_INSTALL}.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[_ALIAS] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[_ALIAS]
        raise
    return module
