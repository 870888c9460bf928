"""The command line with models and method played by others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from region_core.cli.engine import Engine
from region_core.encoders.loading import Models

ROOT = Path(__file__).resolve().parents[2]


def python(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *args], cwd=ROOT, capture_output=True, text=True, check=False)


class NoEngine(Engine):
    """No test with it may get as far as loading a model."""

    def load(self, choice: Any) -> Models:
        raise AssertionError("models were loaded before the input was checked")


def arguments(*more: str) -> list[str]:
    return [
        "edit",
        "--image_file_path",
        "good.png",
        "--image_caption",
        "a red circle",
        "--editing_prompt",
        "a blue square",
        "--output_dir",
        "out",
        "--models",
        "shapes",
        *more,
    ]
