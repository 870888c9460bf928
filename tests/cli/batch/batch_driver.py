"""The command line with the method played by something quick and exact, for tests of `batch`.

In a process of its own: `python batch_driver.py batch ...`. The environment says what goes wrong:
BATCH_LOG a file that gets a line an edit begun; BATCH_SLEEP seconds an edit takes; BATCH_FAIL and
BATCH_DIE a caption at which the edit fails, or the process kills itself.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch.nn.utils import parameters_to_vector, vector_to_parameters

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from region_core import edit
from region_core.cli import edit as edit_command
from region_core.cli import main as cli
from region_core.edit import Candidate, EditResult
from region_core.images import picture_from
from region_core.painting import diffusers_inpainter
from region_core.settings import SearchSettings

FEATURES = 5


def quick_edit(image: Any, caption: str, prompt: str, *, settings: SearchSettings,
               generator: Any = None, **_models: Any) -> EditResult:
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
        vector_to_parameters(
            weights * 0.9 + 0.1 * torch.randn(len(weights), generator=noise), generator.parameters())
    mask = torch.zeros_like(picture.rgb[:, :1])
    mask[..., 8:24, 4:20] = 1
    edited = torch.where(mask > 0, torch.rand(picture.rgb.shape, generator=noise), picture.rgb)
    box = (4, 8, 20, 24)
    return EditResult(
        edited, picture.alpha, mask, box, "edited", 1 + start, 0.25, [Candidate(edited, box, 1)],
        [{"round": 0, "loss": 0.5, "best": 0.5}], 12, 0.1, torch.tensor([box]).float(), mask,
        settings, settings.seed, generator)


def quick_parts(_choice: object, _window: int) -> tuple[Any, Any, Any]:
    """Models that are none."""
    config = SimpleNamespace(hidden_size=FEATURES)
    return None, SimpleNamespace(model=SimpleNamespace(config=config)), None


REPLACED = ((edit_command, "load_parts", quick_parts), (edit, "edit_image", quick_edit),
            (diffusers_inpainter, "DiffusersInpainter", lambda _pipe, prompt, _negative: prompt))

if __name__ == "__main__":
    for module, name, other in REPLACED:
        setattr(module, name, other)
    sys.exit(cli.main(sys.argv[1:]))
