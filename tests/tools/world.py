"""What of a process is everybody's: to compare before and after."""

from __future__ import annotations

import logging
import os
import random
import signal
import sys
import warnings
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageFile


def shared_state() -> dict[str, Any]:
    """Random states, torch's and Pillow's switches, logging, warnings, signals, streams, the environment,
    libraries' moods."""
    state: dict[str, Any] = {
        "torch rng": torch.get_rng_state().tolist(),
        "numpy rng": str(np.random.get_state()),
        "python rng": random.getstate(),
        "default dtype": torch.get_default_dtype(),
        "default device": torch.get_default_device(),
        "grad": torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(),
        "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "cudnn": (torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic),
        "matmul": torch.get_float32_matmul_precision(),
        "pixels": Image.MAX_IMAGE_PIXELS,
        "truncated": ImageFile.LOAD_TRUNCATED_IMAGES,
        "formats": {
            name: list(getattr(Image, name)) for name in ("ID", "OPEN", "SAVE", "SAVE_ALL", "EXTENSION", "DECODERS")
        },
        "warnings": [str(one) for one in warnings.filters],
        "showwarning": warnings.showwarning,
        "loggers": {
            name: (log.level, log.propagate, list(map(repr, log.handlers)))
            for name, log in [
                ("root", logging.getLogger()),
                *(
                    (name, logging.getLogger(name))
                    for name in ("torch", "diffusers", "transformers", "huggingface_hub", "open_clip", "PIL")
                ),
            ]
        },
        "disabled": logging.root.manager.disable,
        "path": list(sys.path),
        "cwd": os.getcwd(),
        "environment": {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"},
        "excepthook": sys.excepthook,
        "displayhook": sys.displayhook,
        "signals": {one: signal.getsignal(one) for one in signal.valid_signals()},
        "streams": [id(one) for one in (sys.stdin, sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)],
    }
    for library in ("diffusers", "transformers"):
        log = sys.modules.get(f"{library}.utils.logging")
        if log is not None:
            state[library] = (log.get_verbosity(), log.is_progress_bar_enabled())
    hub = sys.modules.get("huggingface_hub.utils")
    if hub is not None:
        state["hub"] = hub.are_progress_bars_disabled()
    return state


def difference(before: dict[str, Any], after: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What is not as it was."""
    return {name: (before.get(name), after.get(name)) for name in before if before[name] != after.get(name)}
