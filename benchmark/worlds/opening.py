"""The worlds by name, and the models that know them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from region_core.demo.models import WEIGHTS as DEMO
from region_core.encoders import load_dino
from region_core.encoders.loading import Models
from region_core.errors import InputError

from ..bent_clip import load_folder
from ..ledger import digest_of
from . import WEIGHTS
from .photographs.world import PhotographsWorld
from .task import MeasuredWorld

NAMES = ("shapes", "things", "photographs")
PAINTERS = ("real", "faultless")
DINOV2 = Path("work/dinov2-small")  # where `photographs-models` is shown to write


def open_world(name: str, painter: str = "", photographs: Path | None = None) -> MeasuredWorld:
    """A world by its name; `painter` real (diffusion, the default of shapes) or faultless; `photographs` the folder of
    that world.

    Raises InputError where a name is not known, or the world has no such painter.
    """
    if name not in NAMES:
        raise InputError(f"world is '{name}'; choose one of {', '.join(NAMES)}.")
    if painter and painter not in PAINTERS:
        raise InputError(f"painter is '{painter}'; choose one of {', '.join(PAINTERS)}.")
    if name == "shapes":
        from .shapes import ShapesWorld

        return ShapesWorld(faultless=painter == "faultless")
    if painter == "real" or (painter and name == "photographs"):
        raise InputError(f"painter is '{painter}', and nothing was trained to paint {name}; leave it out.")
    if name == "photographs":
        if photographs is None:
            raise InputError("the world photographs needs a folder of them; name one with --photographs DIR.")
        return PhotographsWorld(photographs)
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


def load_models(
    world: str, clip: str, weights: Path = WEIGHTS, *, diffusion: bool = False, dinov2: Path = DINOV2
) -> Models:
    """The encoders of a world, and the demo's pipeline where `diffusion` paints; of photographs the real models,
    DINOv2 from its folder."""
    if world == "photographs":
        from .photographs.models import load_real_models

        return load_real_models(dinov2)
    scorer = load_folder(clip_folder(world, clip, weights))
    dino = DEMO / "dino" if world == "shapes" else weights / f"{world}-dino"
    pipe = None
    if diffusion:
        from region_core.paint.diffusers_painter import load_pipeline

        pipe = load_pipeline(DEMO / "inpaint")
    return Models(pipe, load_dino(dino), scorer)


def clips_of(world: str, asked: Sequence[str]) -> list[str]:
    """The CLIPs by name, a world's own where none is asked for. InputError where photographs are to have another."""
    own = {"shapes": "demo", "things": "conv", "photographs": "real"}[world]
    if world == "photographs" and set(asked) - {own}:
        raise InputError(f"clip is '{', '.join(asked)}', and photographs have one, real; leave it out.")
    return list(asked) or [own]


def use_weights(
    use: Callable[[str, str], None], world: MeasuredWorld, clips: Sequence[str], weights: Path, dinov2: Path
) -> None:
    """Tell `use` what rows of a world are measured with: names and digests. InputError where weights are missing."""
    if isinstance(world, PhotographsWorld):
        from .photographs.models import check

        check(dinov2)
        use("set of questions", world.digest)
        use("DINOv2", digest_of(dinov2))
        return
    for clip in clips:
        use(f"CLIP {clip}", digest_of(clip_folder(world.name, clip, weights)))
