"""What an edit leaves on disk: pictures, the curve, and `report.json`."""

from __future__ import annotations

import platform
from importlib import metadata
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from .. import __version__
from ..draw import contact_sheet, draw_boxes, loss_curve
from ..edit import EditResult
from ..files import remove, write_json
from ..picture import Picture, save_png, to_pil
from ..report_text import where
from ..settings import SearchSettings
from .progress import Progress

RESULTS = ("edited.png", "region.png", "candidates.png", "loss.png", "report.json")
_LIBRARIES = ("torch", "torchvision", "diffusers", "transformers", "open_clip_torch", "numpy", "pillow")
_SHOWN = 12  # candidates on the sheet, best first


def versions() -> dict[str, str]:
    """Python's, the pack's and the libraries' versions; nothing is imported for it."""
    found = {"python": platform.python_version(), "region_core": __version__}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def mask_image(mask: Tensor) -> Image.Image:
    """A mask [1, 1, H, W] as a grey picture, white where the edit is."""
    return to_pil(mask.expand(-1, 3, -1, -1)).convert("L")


def boxes_image(picture: Picture, result: EditResult) -> Image.Image:
    """The source with the boxes looked at, or that came nearest, and the chosen one standing out."""
    return draw_boxes(picture.rgb, result.tried_boxes, result.box, f"region, score {result.score:.3f}")


def write_result(
    folder: Path,
    picture: Picture,
    result: EditResult,
    stem: str,
    *,
    draw_box: bool = False,
    more: dict[str, Any] | None = None,
) -> None:
    """Write all files of a finished edit into `folder`, the report last; `more` goes into it too."""
    remove(folder / "report.json")  # it spoke of other pictures
    write_pictures(folder, picture, result)
    if draw_box:
        save_png(boxes_image(picture, result), folder / "boxes" / f"{stem}.png")
    write_json(folder / "report.json", report_of(result, more))


def write_pictures(folder: Path, picture: Picture, result: EditResult) -> None:
    """Write the edit, its region, the candidates and the curve into `folder`."""
    save_png(to_pil(result.image, result.alpha), folder / "edited.png", picture.icc_profile)
    save_png(mask_image(result.mask), folder / "region.png")
    best = result.candidates[:_SHOWN]
    pictures = [to_pil(picture.rgb), *(to_pil(c.image) for c in best)]
    captions = ["source", *(f"{place}: {c.deciding:.2f}" for place, c in enumerate(best, 1))]
    save_png(contact_sheet(pictures, captions, columns=4), folder / "candidates.png")
    save_png(loss_curve(result.rounds), folder / "loss.png")


def report_of(result: EditResult, more: dict[str, Any] | None = None) -> dict[str, Any]:
    """What `report.json` says of an edit, with `more` in it too."""
    height, width = result.mask.shape[-2:]
    return {
        "box": None if result.box is None else list(result.box),
        "where": None if result.box is None else where(result.box, width, height),
        "score": result.score,
        "source_score": result.source_score,
        "verdict": result.verdict,
        "reason": result.reason,
        "seed": result.seed,
        "settings": result.settings,
        "versions": versions(),
        "rounds": result.rounds,
        "candidates": [
            {
                "box": c.box,
                "where": where(c.box, width, height),
                "deciding": c.deciding,
                "parts": c.parts,
                "score": c.score,
                "improves": c.improves,
            }
            for c in result.candidates
        ],
        "presence": result.presence,
        "stopped": result.stopped,
        "unet_evaluations": result.unet_evaluations,
        "cost": result.cost.as_dict(),
        "seconds": result.seconds,
        **(more or {}),
    }


def write_stopped(
    folder: Path, picture: Picture, progress: Progress, settings: SearchSettings, stem: str, more: dict[str, Any]
) -> bool:
    """Write what an edit that was stopped had found; False where that is nothing yet.

    The search works on a reduced copy of a large picture, and the best so far is of that size; the
    transparency is kept where the sizes are the same. What an earlier run left in the folder beside
    it would not belong to it and goes, once the new is there. `more` goes into the report too, which is the last.
    """
    if progress.best is None:
        return False
    remove(folder / "report.json")  # it spoke of other pictures
    alpha = picture.alpha if progress.best.shape[-2:] == picture.rgb.shape[-2:] else None
    save_png(to_pil(progress.best, alpha), folder / "edited.png", picture.icc_profile)
    save_png(loss_curve(progress.rounds), folder / "loss.png")
    for name in ("region.png", "candidates.png", f"boxes/{stem}.png"):
        remove(folder / name)
    report = {
        "box": progress.best_box,
        "score": progress.score,
        "verdict": "stopped",
        "seed": settings.seed,
        "settings": settings,
        "versions": versions(),
        "rounds": progress.rounds,
        **more,
    }
    write_json(folder / "report.json", report)
    return True
