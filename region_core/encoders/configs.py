"""What transformers' folders say of themselves, and whether it took all that they hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import InputError

_UNUSED = ("pooler", "mask_token", "position_ids")  # weights that a download may lack


def read_config(folder: Path) -> dict[str, Any]:
    """What the config.json of a folder says; empty where it says nothing."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return config if isinstance(config, dict) else {}


def check_taken(model: str, info: Any) -> None:
    """Raise InputError where `model`, the subject of a sentence, lacks weights or has some of another size, by what
    from_pretrained tells with output_loading_info."""
    missing = sorted(name for name in info["missing_keys"] if not any(part in name for part in _UNUSED))
    if missing:
        raise InputError(
            f"{model} lacks {len(missing)} of the weights of its kind (first: {missing[0]}); download it again, or "
            "give another."
        )
    mismatched = sorted(info.get("mismatched_keys") or [])
    if mismatched:
        name, found, wanted = mismatched[0]
        raise InputError(
            f"{model} has weights of another size than its config.json says ({name}: {tuple(found)} in place of "
            f"{tuple(wanted)}); download all of it again, or give another."
        )
