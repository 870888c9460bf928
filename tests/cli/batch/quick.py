"""The command line with the method played by something quick and exact, for tests of `batch`.

In a process of its own: `python quick.py batch ...`. The environment says what goes wrong:
BATCH_LOG a file that gets a line an edit begun; BATCH_SLEEP seconds an edit takes; BATCH_FAIL and
BATCH_DIE a caption at which the edit fails, or the process kills itself.
"""

from __future__ import annotations

import csv
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch.nn.utils import parameters_to_vector, vector_to_parameters

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import numpy as np
from PIL import Image

from region_core.cli.engine import Engine
from region_core.cli.main import main
from region_core.edit import Candidate, EditResult
from region_core.encoders.loading import Models
from region_core.picture import picture_from
from region_core.settings import SearchSettings

FEATURES = 5


def quick_edit(
    image: Any, caption: str, prompt: str, *, settings: SearchSettings, generator: Any = None, **_models: Any
) -> EditResult:
    """Noise of the settings' seed in a box; moves the generator by what seed and weights say."""
    if log := os.environ.get("BATCH_LOG"):
        with open(log, "a", encoding="utf-8") as file:
            file.write(f"{os.getpid()} {caption}\n")
    time.sleep(float(os.environ.get("BATCH_SLEEP", "0")))
    if caption == os.environ.get("BATCH_FAIL"):
        raise ArithmeticError("this one cannot be done")
    if caption == os.environ.get("BATCH_DIE"):
        os.kill(os.getpid(), signal.SIGKILL)
    assert _models["inpainter"] == prompt, "the inpainter was not given the prompt"
    picture, noise = picture_from(image), torch.Generator().manual_seed(settings.seed)
    start = 0.0
    if generator is not None:
        weights = parameters_to_vector(generator.parameters()).detach()
        start = float(weights.abs().mean())
        vector_to_parameters(weights * 0.9 + 0.1 * torch.randn(len(weights), generator=noise), generator.parameters())
    mask = torch.zeros_like(picture.rgb[:, :1])
    mask[..., 8:24, 4:20] = 1
    edited = torch.where(mask > 0, torch.rand(picture.rgb.shape, generator=noise), picture.rgb)
    box = (4, 8, 20, 24)
    return EditResult(
        edited,
        picture.alpha,
        mask,
        box,
        "edited",
        1 + start,
        0.25,
        [Candidate(edited, box, 1)],
        [{"round": 0, "loss": 0.5, "best": 0.5}],
        12,
        0.1,
        torch.tensor([box]).float(),
        mask,
        settings,
        settings.seed,
        generator,
    )


class QuickEngine(Engine):
    """Models that are none, and an edit that takes no time."""

    def __init__(self, edit: Callable[..., EditResult] = quick_edit) -> None:
        self.play = edit

    def load(self, choice: Any, max_window_size: int) -> Models:
        """A DINO of few features, and nothing else."""
        return Models(None, SimpleNamespace(feature_dim=FEATURES), None)  # type: ignore[arg-type]

    def inpainter(self, models: Models, prompt: str, negative_prompt: str) -> Any:
        """The prompt, so that the edit can see that it was given one."""
        return prompt

    def edit(self, models: Models, image: Any, caption: str, prompt: str, **options: Any) -> EditResult:
        """What the engine was made with."""
        return self.play(image, caption, prompt, **options)


def asked(*more: str, out: str = "out") -> list[str]:
    """The command line of the list of this folder."""
    return f"batch --image_dir_path in --json_file edits.json --output_dir {out} --models shapes".split() + [*more]


def batch(*more: str, out: str = "out", edit: Callable[..., EditResult] = quick_edit) -> int:
    """The command on the list of this folder; the exit code."""
    return main(asked("--quiet", "--num_workers", "0", *more, out=out), QuickEngine(edit))


def write_list(captions: dict[str, str]) -> None:
    """A list of these pictures with their captions."""
    Path("edits.json").write_text(json.dumps({k: [v, "a fox"] for k, v in captions.items()}))


def begun() -> list[str]:
    """Captions of the edits begun since this was asked before."""
    log = Path("log")
    lines = log.read_text().splitlines() if log.exists() else []
    log.unlink(missing_ok=True)
    return [line.split(" ", 1)[1] for line in lines]


def pictures(out: str = "out") -> dict[str, bytes]:
    """Every picture a run has left, with its bytes."""
    return {str(p.relative_to(out)): p.read_bytes() for p in Path(out).rglob("*.*") if p.suffix in (".png", ".jpg")}


def opened(path: Path) -> np.ndarray:
    """The pixels of a file."""
    with Image.open(path) as image:
        return np.asarray(image)


def table(out: str = "out") -> list[dict[str, str]]:
    """The lines of summary.csv."""
    with open(Path(out) / "summary.csv", encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], QuickEngine()))
