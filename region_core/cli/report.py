"""What an edit leaves on disk: pictures, the curve of a learned region, and `report.json`."""

from __future__ import annotations

import platform
from importlib import metadata
from pathlib import Path
from typing import Any

from PIL import Image

from .. import __version__
from ..draw import contact_sheet, draw_boxes, loss_curve
from ..edit import Edits
from ..files import remove, write_json
from ..picture import Picture, save_png, to_pil
from ..report_text import where
from ..settings import EditSettings
from .progress import Progress
from .saved_regions import box_report, mask_image

RESULTS = ("edited.png", "region.png", "candidates.png", "loss.png", "report.json")
_LIBRARIES = ("torch", "torchvision", "diffusers", "transformers", "open_clip_torch", "numpy", "pillow")
_SHOWN = 12  # painted regions on the sheet, best first


def versions() -> dict[str, str]:
    """Python's, the pack's and the libraries' versions; nothing is imported for it."""
    found = {"python": platform.python_version(), "region_core": __version__}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def boxes_image(picture: Picture, edits: Edits) -> Image.Image:
    """The source with the boxes that were considered, and the chosen one standing out."""
    return draw_boxes(picture.rgb, edits.tried_boxes, edits.box, f"region, score {edits.score:.3f}")


def write_result(
    folder: Path, picture: Picture, edits: Edits, stem: str, *, draw_box: bool, more: dict[str, Any]
) -> None:
    """Write all files of a finished edit into `folder`, the report last; `more` goes into it too."""
    remove(folder / "report.json")  # it spoke of other pictures
    write_pictures(folder, picture, edits)
    if draw_box:
        save_png(boxes_image(picture, edits), folder / "boxes" / f"{stem}.png")
    write_json(folder / "report.json", report_of(picture, edits, more))


def write_pictures(folder: Path, picture: Picture, edits: Edits) -> None:
    """Write the edit, its region, the painted regions and, where one was learned, the curve into `folder`."""
    save_png(to_pil(edits.image, edits.alpha), folder / "edited.png", picture.icc_profile)
    save_png(mask_image(edits.mask), folder / "region.png")
    best = edits[:_SHOWN]
    pictures = [to_pil(picture.rgb), *(to_pil(one.picture) for one in best)]
    captions = ["source", *(f"{place}: {one.rank_score:.2f}" for place, one in enumerate(best, 1))]
    save_png(contact_sheet(pictures, captions, columns=4), folder / "candidates.png")
    _write_curve(folder, edits.rounds)


def _write_curve(folder: Path, rounds: list[dict]) -> None:
    if rounds:
        save_png(loss_curve(rounds), folder / "loss.png")
    else:
        remove(folder / "loss.png")  # of an earlier run


def report_of(picture: Picture, edits: Edits, more: dict[str, Any]) -> dict[str, Any]:
    """What `report.json` says of an edit, with `more` in it too."""
    return {
        **box_report(edits.box),
        "where": None if edits.box is None else where(edits.box, picture.width, picture.height),
        "score": edits.score,
        "source_score": edits.source_score,
        "verdict": edits.verdict,
        "reason": edits.reason,
        "note": picture.note,
        "seed": edits.seed,
        "settings": edits.settings.flat(),
        "versions": versions(),
        "rounds": edits.rounds,
        "candidates": [
            {
                **box_report(one.box),
                "where": where(one.box, picture.width, picture.height),
                "rank_score": one.rank_score,
                "parts": one.parts,
                "score": one.score,
                "improves": one.improves,
            }
            for one in edits
        ],
        "presence": None if edits.regions is None else edits.regions.presence,
        "unet_evaluations": edits.unet_evaluations,
        "cost": edits.cost.as_dict(),
        "seconds": edits.seconds,
        **more,
    }


def write_stopped(
    folder: Path, picture: Picture, progress: Progress, settings: EditSettings, stem: str, more: dict[str, Any]
) -> bool:
    """Write what an edit that was stopped had painted; False where that is nothing yet.

    What an earlier run left in the folder beside it would not belong to it and goes, once the new is there. `more`
    goes into the report too, which is the last.
    """
    if progress.best is None:
        return False
    remove(folder / "report.json")  # it spoke of other pictures
    alpha = picture.alpha if progress.best.shape[-2:] == picture.rgb.shape[-2:] else None
    save_png(to_pil(progress.best, alpha), folder / "edited.png", picture.icc_profile)
    _write_curve(folder, progress.rounds)
    for name in ("region.png", "candidates.png", f"boxes/{stem}.png"):
        remove(folder / name)
    report = {
        **box_report(progress.best_box),
        "score": progress.score,
        "verdict": "stopped",
        "seed": settings.seed,
        "settings": settings.flat(),
        "versions": versions(),
        "rounds": progress.rounds,
        **more,
    }
    write_json(folder / "report.json", report)
    return True
