"""The worlds by name, and the models that know them."""

from __future__ import annotations

from pathlib import Path

from region_core.demo.models import WEIGHTS as DEMO
from region_core.encoders import load_dino
from region_core.encoders.loading import Models
from region_core.errors import InputError

from ..bent_clip import load_folder
from . import WEIGHTS
from .task import MeasuredWorld

NAMES = ("shapes", "things")
PAINTERS = ("real", "faultless")


def open_world(name: str, painter: str = "") -> MeasuredWorld:
    """A world by its name; `painter` real (diffusion, the default of shapes) or faultless.

    Raises InputError where a name is not known, or the world has no such painter.
    """
    if name not in NAMES:
        raise InputError(f"world is '{name}'; choose one of {', '.join(NAMES)}.")
    if painter and painter not in PAINTERS:
        raise InputError(f"painter is '{painter}'; choose one of {', '.join(PAINTERS)}.")
    if name == "shapes":
        from .shapes import ShapesWorld

        return ShapesWorld(faultless=painter == "faultless")
    if painter == "real":
        raise InputError("painter is 'real', and no diffusion model was trained for things; leave it out.")
    from .things.measured import ThingsWorld

    return ThingsWorld()


def clip_folder(world: str, clip: str, weights: Path = WEIGHTS) -> Path:
    """The folder of a CLIP: `demo` (also called `conv`) is the embedded one of shapes, `conv`, `vit` and
    `bent:NAME` are WORLD-CLIP in `weights` (bent:NAME is WORLD-bent-NAME). Raises InputError where it is not there."""
    if clip in ("demo", "conv") and world == "shapes":
        return DEMO / "clip"
    folder = weights / f"{world}-{clip.replace(':', '-')}"
    if not (folder / "open_clip_config.json").is_file():
        there = sorted(p.name for p in weights.glob(f"{world}-*/open_clip_config.json"))
        raise InputError(
            f"clip is '{clip}', and '{folder}' holds no CLIP; train one with python -m "
            "benchmark train, bend one with python -m benchmark bend, or name another "
            f"--weights folder (there: {', '.join(there) or 'none'})."
        )
    return folder


def load_models(world: str, clip: str, weights: Path = WEIGHTS, *, diffusion: bool = False) -> Models:
    """The encoders of a world, and the demo's pipeline where `diffusion` paints."""
    scorer = load_folder(clip_folder(world, clip, weights))
    dino = DEMO / "dino" if world == "shapes" else weights / f"{world}-dino"
    pipe = None
    if diffusion:
        from region_core.paint.diffusers_painter import load_pipeline

        pipe = load_pipeline(DEMO / "inpaint")
    return Models(pipe, load_dino(dino), scorer)
