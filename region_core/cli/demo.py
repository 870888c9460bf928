"""The demo: a made-up picture, edited with the embedded models, against the known truth."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from ..boxes import overlap
from ..demo.worlds import with_company
from ..draw import contact_sheet
from ..edit import EditResult
from ..picture import picture_from, save_png, to_pil
from ..report_text import summary, table
from .edit import run
from .engine import Engine
from .job import Job, choose_models, output_folder
from .parser import settings_from
from .report import boxes_image

_FILES = "before.png, edited.png, sheet.png, candidates.png, loss.png, region.png, report.json"


def demo(args: argparse.Namespace, engine: Engine) -> int:
    """The `demo` command; returns the exit code."""
    settings = settings_from(args)
    folder = output_folder(args.output_dir, [*_FILES.split(", "), "boxes/before.png"])
    choice = choose_models(args)
    scene, wish = with_company(settings.seed)
    assert wish.target is not None  # a replace edit always has one
    truth = scene.objects[wish.target].box
    work = Job(
        **vars(choice),
        picture=picture_from(scene.image),
        stem="before",
        caption=wish.caption,
        prompt=wish.prompt,
        negative_prompt="",
        output_dir=folder,
        settings=settings,
        draw_box=True,
        shown=not args.quiet,
    )

    def against_truth(result: EditResult) -> dict[str, Any]:
        return {"true_box": list(truth), "iou": overlap(result.box, truth)}

    print(
        f"asked for {wish.prompt} in the place of {wish.caption}, in a picture of "
        + ", ".join(o.name for o in scene.objects),
        file=sys.stderr,
    )
    code, result = run(work, engine, against_truth)
    if result is None:
        return code
    before = to_pil(work.picture.rgb)
    save_png(before, folder / "before.png")
    sheet = contact_sheet(
        [before, boxes_image(work.picture, result), to_pil(result.image)],
        [f"before: {wish.caption}", "the nearest boxes, the region", f"after: {wish.prompt}"],
        columns=3,
        cell=384,
    )
    save_png(sheet, folder / "sheet.png")
    told = [("true box", str(truth)), ("IoU", f"{overlap(result.box, truth):.3f}")]
    print(table([*summary(result), *told, ("written to", f"{folder}: {_FILES}")]))
    return 0
