"""The demo: a made-up picture, edited with the embedded models, against the known truth."""

from __future__ import annotations

import sys
from types import SimpleNamespace

from ..boxes import overlap
from ..demo.worlds import with_company
from ..draw import contact_sheet
from ..picture import picture_from, to_pil
from ..picture_file import save_png
from ..report_text import pixels, table
from ..showing import Showing
from .edit import run
from .engine import Engine
from .job import Job, choose_models, output_folder
from .options import settings_from
from .report import boxes_image, told
from .saved_regions import FOLDER

_FILES = ("before.png", "edited.png", "sheet.png", "candidates.png", "region.png", "report.json")


def demo(asked: SimpleNamespace, engine: Engine) -> int:
    """The `demo` command; returns the exit code."""
    settings = settings_from(asked)
    folder = output_folder(asked.output_dir, [*_FILES, "loss.png", "boxes/before.png", f"{FOLDER}/-"])
    scene, wish = with_company(settings.seed)
    assert wish.target is not None  # a replace edit always has one
    truth = scene.objects[wish.target].box
    job = Job(
        choice=choose_models(asked),
        picture=picture_from(scene.image),
        stem="before",
        caption=wish.caption,
        prompt=wish.prompt,
        output_dir=folder,
        settings=settings,
        draw_box=True,
        shown=not asked.quiet,
    )
    others = ", ".join(one.name for one in scene.objects)
    print(f"asked for {wish.prompt} in the place of {wish.caption}, in a picture of {others}", file=sys.stderr)
    code, edits = run(job, engine, lambda done: {"true_box": list(truth), "iou": overlap(done.box, truth)})
    if edits is None:
        return code
    before = to_pil(job.picture.rgb)
    save_png(before, folder / "before.png")
    showing = Showing()
    seen = [before, boxes_image(job.picture, edits, showing), to_pil(edits.image)]
    texts = [f"before: {wish.caption}", "what was considered, and the region", f"after: {wish.prompt}"]
    save_png(showing(lambda: contact_sheet(seen, texts, columns=3, cell=384), before), folder / "sheet.png")
    truly = [("true box", pixels(truth)), ("IoU", f"{overlap(edits.box, truth):.3f}")]
    print(table([*told(edits), *truly, ("written to", f"{folder}: {', '.join(_FILES)}")]))
    return 0
