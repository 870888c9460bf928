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
from region_core.edits import Edits
from region_core.encode import EncodedPicture, key_of
from region_core.encoders.loading import Models
from region_core.find import Region, Regions
from region_core.paint import Edit, crop_region
from region_core.paper.network import build_generator
from region_core.picture import Picture, picture_from
from region_core.settings import EditSettings

FEATURES = 5


BOX = (4, 8, 20, 24)


def quick_encoded(image: Any) -> EncodedPicture:
    """A picture that no model has seen."""
    picture = image if isinstance(image, Picture) else picture_from(image)
    nothing: Any = None
    return EncodedPicture(picture, picture.rgb, nothing, nothing, None, None, key=key_of(picture))


def quick_regions(encoded: EncodedPicture, caption: str) -> Regions:
    """Two regions."""
    height, width = encoded.picture.rgb.shape[-2:]
    boxes = (BOX, (20, 8, 36, 24))
    found = tuple(Region.from_box(box, height, width, -float(place)) for place, box in enumerate(boxes))
    return Regions(
        found, encoded.key, caption.strip(), torch.rand(1, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    )


def quick_edits(
    image: Any,
    caption: str,
    prompt: str,
    settings: EditSettings,
    *,
    regions: Regions | None = None,
    generator: Any = None,
    score: float = 1.0,
) -> Edits:
    """Noise of the settings' seed in the first region."""
    encoded = quick_encoded(image)
    known = regions if regions is not None else quick_regions(encoded, caption)
    crop = crop_region(encoded.picture.rgb, known[0], 32, settings.paint)
    painted = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(settings.seed))
    edit = Edit(encoded.picture, known[0], crop, painted, score, score, {"text": score})
    return Edits(
        (edit,),
        encoded,
        None if settings.method == "paper" else known,
        settings,
        caption,
        prompt,
        source_score=0.25,
        rounds=[{"round": 0, "loss": 0.5, "best": 0.5}] if settings.method == "paper" else [],
        generator=generator,
    )


def quick_edit(
    image: Any,
    caption: str,
    prompt: str,
    *,
    settings: EditSettings,
    generator: Any = None,
    regions: Regions | None = None,
    **_models: Any,
) -> Edits:
    """`quick_edits`; moves the generator by what seed and weights say."""
    if log := os.environ.get("BATCH_LOG"):
        with open(log, "a", encoding="utf-8") as file:
            file.write(f"{os.getpid()} {caption}\n")
    time.sleep(float(os.environ.get("BATCH_SLEEP", "0")))
    if caption == os.environ.get("BATCH_FAIL"):
        raise ArithmeticError("this one cannot be done")
    if caption == os.environ.get("BATCH_DIE"):
        os.kill(os.getpid(), signal.SIGKILL)
    assert _models["painter"] == prompt, "the painter was not given the prompt"
    start = 0.0
    if settings.method == "paper" and generator is None:
        generator = build_generator(FEATURES, settings.paper.max_window_size, settings.seed)
    if generator is not None:
        noise = torch.Generator().manual_seed(settings.seed)
        weights = parameters_to_vector(generator.parameters()).detach()
        start = float(weights.abs().mean())
        vector_to_parameters(weights * 0.9 + 0.1 * torch.randn(len(weights), generator=noise), generator.parameters())
    return quick_edits(image, caption, prompt, settings, regions=regions, generator=generator, score=1 + start)


class QuickEngine(Engine):
    """Models that are none, and an edit that takes no time."""

    def __init__(self, edit: Callable[..., Edits] = quick_edit) -> None:
        self.play = edit

    def load(self, choice: Any) -> Models:
        """A DINO of few features, and nothing else."""
        return Models(None, SimpleNamespace(feature_dim=FEATURES), None)  # type: ignore[arg-type]

    def load_encoders(self, choice: Any) -> Models:
        """As `load`."""
        return self.load(choice)

    def encode(self, models: Models, image: Any) -> EncodedPicture:
        """The picture, unseen; a line in the log."""
        self._log("encoded")
        return quick_encoded(image)

    def find(self, models: Models, encoded: EncodedPicture, caption: str, settings: Any) -> Regions:
        """Two regions; a line in the log."""
        self._log(f"found {caption}")
        return quick_regions(encoded, caption)

    def _log(self, what: str) -> None:
        if log := os.environ.get("SEARCH_LOG"):
            with open(log, "a", encoding="utf-8") as file:
                file.write(f"{what}\n")

    def painter(self, models: Models, prompt: str, negative_prompt: str) -> Any:
        """The prompt, so that the edit can see that it was given one."""
        return prompt

    def edit(self, models: Models, image: Any, caption: str, prompt: str, **options: Any) -> Edits:
        """What the engine was made with."""
        return self.play(image, caption, prompt, **options)


def asked(*more: str, out: str = "out") -> list[str]:
    """The command line of the list of this folder."""
    return f"batch --image_dir_path in --json_file edits.json --output_dir {out} --models shapes".split() + [*more]


def batch(*more: str, out: str = "out", edit: Callable[..., Edits] = quick_edit) -> int:
    """The command on the list of this folder; the exit code."""
    return main(asked("--quiet", *more, out=out), QuickEngine(edit))


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
