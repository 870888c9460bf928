"""What an edit leaves on disk: pictures, the curve of a learned region, and `report.json`."""

from __future__ import annotations

import platform
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

from PIL import Image

from .. import __version__
from ..draw import considered, contact_sheet, draw_boxes, loss_curve
from ..edits import Edits
from ..files import remove, write_json
from ..find import Box
from ..picture import Picture, to_pil
from ..picture_file import save_png
from ..report_text import NO_JUDGEMENT, all_notes, notes, of_cost, of_edit, pixels, summary, where
from ..settings import EditSettings
from ..several import SeveralEdits
from ..showing import Showing
from .progress import Progress
from .saved_regions import box_report, mask_image

Done = Edits | SeveralEdits
RESULTS = ("edited.png", "region.png", "candidates.png", "loss.png", "report.json")
_LIBRARIES = ("torch", "torchvision", "diffusers", "transformers", "open_clip_torch", "numpy", "pillow")
_SHOWN = 12  # painted regions on the sheet, best first


def told(edits: Done) -> list[tuple[str, str]]:
    """What came of it in lines of (what, its value)."""
    if isinstance(edits, Edits):
        return summary(edits)
    height, width = edits.image.shape[-2:]
    lines = []
    for answer in edits.answers:
        lines.append(("asked", answer.request.line))
        lines += [("edited", f"{pixels(one.box)}, {where(one.box, width, height)}") for one in answer.edits]
        lines += [("not edited", answer.reason)] * bool(answer.reason)
        lines += [("note", note) for note in answer.all_notes]
    lines += [("note", note) for note in notes(edits.settings)]
    return [*lines, ("cost", of_cost(edits.cost)), ("seconds", f"{edits.seconds:.1f}, seed {edits.seed}")]


def boxes_image(picture: Picture, edits: Done, showing: Showing) -> Image.Image:
    """The source with the boxes that were considered, and the chosen one standing out; of several edits with theirs."""
    return showing(lambda: _boxes(picture, edits), to_pil(picture.rgb))


def _boxes(picture: Picture, edits: Done) -> Image.Image:
    if isinstance(edits, Edits):
        return considered(edits)
    labelled = [(one.box, answer.request.prompt) for answer in edits.answers for one in answer.edits]
    return draw_boxes(picture.rgb, [box for box, _ in labelled], labels=[label for _, label in labelled])


def write_result(
    folder: Path, picture: Picture, edits: Done, stem: str, *, draw_box: bool, more: dict[str, Any]
) -> None:
    """Write all files of a finished edit into `folder`, the report last; `more` goes into it too."""
    remove(folder / "report.json")  # it spoke of other pictures
    showing = Showing()
    write_pictures(folder, picture, edits, showing)
    if draw_box:
        save_png(boxes_image(picture, edits, showing), folder / "boxes" / f"{stem}.png")
    write_json(folder / "report.json", report_of(picture, edits, more))


def write_pictures(folder: Path, picture: Picture, edits: Done, showing: Showing) -> None:
    """Write the edit, its region, the painted regions and, where one was learned, the curve into `folder`; what is only
    looked at may be missing."""
    save_png(to_pil(edits.image, edits.alpha), folder / "edited.png", picture.icc_profile)
    save_png(mask_image(edits.mask), folder / "region.png")
    if isinstance(edits, Edits):
        captions = [of_edit(edits, one) for one in edits]
    else:
        captions = [answer.request.line for answer in edits.answers for _ in answer.edits]
    pictures = [
        to_pil(picture.rgb),
        boxes_image(picture, edits, showing),
        *(to_pil(one.picture) for one in edits.edits[:_SHOWN]),
    ]
    told = ["source", _considered(edits), *captions[:_SHOWN]]
    _write_shown(folder / "candidates.png", showing(lambda: contact_sheet(pictures, told, columns=4)))
    _write_curve(folder, edits.rounds if isinstance(edits, Edits) else [], showing)


def _considered(edits: Done) -> str:
    if isinstance(edits, Edits) and edits.regions is not None and not edits.regions:
        return "not there: these came nearest"
    return "the windows that were laid" if isinstance(edits, Edits) and edits.regions is None else "what was considered"


def _write_curve(folder: Path, rounds: list[dict], showing: Showing) -> None:
    _write_shown(folder / "loss.png", showing(lambda: loss_curve(rounds)) if rounds else None)


def _write_shown(file: Path, image: Image.Image | None) -> None:
    if image is None:
        remove(file)  # of an earlier run
    else:
        save_png(image, file)


def report_of(picture: Picture, edits: Done, more: dict[str, Any]) -> dict[str, Any]:
    """What `report.json` says of an edit or several, with `more` in it too."""
    return {
        **_place(picture, edits.box),
        "verdict": edits.verdict,
        "reason": edits.reason,
        "note": picture.note,
        **_of_settings(edits.settings),
        **(_of_one(picture, edits) if isinstance(edits, Edits) else _of_each(picture, edits)),
        "unet_evaluations": edits.cost.unet_evaluations,
        "cost": edits.cost.as_dict(),
        "seconds": edits.seconds,
        **more,
    }


def _of_settings(settings: EditSettings) -> dict[str, Any]:
    """With the versions of Python, the pack and the libraries; nothing is imported for it."""
    found = {"python": platform.python_version(), "region_core": __version__}
    for name in _LIBRARIES:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return {"seed": settings.seed, "settings": settings.flat(), "versions": found}


def _place(picture: Picture, box: Box | None) -> dict[str, Any]:
    return {**box_report(box), "where": None if box is None else where(box, picture.width, picture.height)}


def _of_one(picture: Picture, edits: Edits) -> dict[str, Any]:
    told = [*all_notes(edits), *[f"the published method, {NO_JUDGEMENT}"] * (edits.regions is None)]
    return {
        "notes": told,
        "score": edits.score,
        "source_score": edits.source_score,
        "rounds": edits.rounds,
        "candidates": [
            _place(picture, one.box)
            | {name: getattr(one, name) for name in ("rank_score", "parts", "score")}
            | {"improves": None if edits.regions is None else one.improves}  # the published method does not judge
            for one in edits
        ],
        "presence": None if edits.regions is None else edits.regions.presence,
    }


def _of_each(picture: Picture, edits: SeveralEdits) -> dict[str, Any]:
    """Of each request its first region, and in `painted` all of them: `all` may mean several."""
    rows = []
    for answer in edits.answers:
        painted = [{**_place(picture, one.box), "score": one.score} for one in answer.edits]
        first = painted[0] if painted else {**_place(picture, None), "score": None}
        told = {"reason": answer.reason, "notes": answer.all_notes, "painted": painted}
        rows.append({"request": answer.request.line, **first, "presence": answer.regions.presence, **told})
    return {"notes": notes(edits.settings), "edits": rows}


def write_stopped(
    folder: Path, picture: Picture, progress: Progress, settings: EditSettings, stem: str, more: dict[str, Any]
) -> bool:
    """Write what an edit that was stopped had painted, the report with `more` last; False where that is nothing yet.
    What an earlier run left in the folder beside it would not belong to it and goes, once the new is there."""
    if progress.best is None:
        return False
    if progress.several is not None:
        remove(folder / "boxes" / f"{stem}.png")
        write_result(folder, picture, progress.several, stem, draw_box=False, more={**more, "verdict": "stopped"})
        return True
    remove(folder / "report.json")  # it spoke of other pictures
    alpha = picture.alpha if progress.best.shape[-2:] == picture.rgb.shape[-2:] else None
    save_png(to_pil(progress.best, alpha), folder / "edited.png", picture.icc_profile)
    _write_curve(folder, progress.rounds, Showing())
    for name in ("region.png", "candidates.png", f"boxes/{stem}.png"):
        remove(folder / name)
    report = {
        **box_report(progress.best_box),
        "score": progress.score,
        "verdict": "stopped",
        "note": picture.note,
        "notes": notes(settings),
        **_of_settings(settings),
        "rounds": progress.rounds,
        **more,
    }
    write_json(folder / "report.json", report)
    return True
