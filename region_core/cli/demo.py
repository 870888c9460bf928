"""The demo: a made-up picture, edited with the embedded models, against the known truth."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from .engine import Engine
from .parser import settings_from

if TYPE_CHECKING:
    from ..edit import EditResult

_FILES = "before.png, edited.png, sheet.png, candidates.png, loss.png, region.png, report.json"


def overlap(box: tuple[int, int, int, int] | None, truth: tuple[int, int, int, int]) -> float:
    """Intersection over union; 0 where no box was found."""
    import torch

    from ..boxes import iou

    if box is None:
        return 0.0
    pair = torch.tensor([box, truth], dtype=torch.float32)
    return float(iou(pair[:1], pair[1:])[0, 0])


def demo(args: argparse.Namespace, engine: Engine) -> int:
    """The `demo` command; returns the exit code."""
    from .. import checks
    from ..demo import models
    from ..demo.worlds import with_company
    from ..draw import contact_sheet
    from ..images import picture_from, save_png, to_pil
    from ..words import summary
    from . import edit, job
    from .report import boxes_image

    settings = settings_from(args).with_values(**models.SUITED)
    folder = job.path_of(args.output_dir)
    checks.check_writable("output_dir", folder)
    device = job.choose_device(args.device)
    checks.check_inpainting_model("the embedded model", models.PIPELINE)
    scene, wish = with_company(settings.seed)
    assert wish.target is not None  # a replace edit always has one
    truth = scene.objects[wish.target].box
    work = job.Job(
        picture=picture_from(scene.image),
        stem="before",
        caption=wish.caption,
        prompt=wish.prompt,
        negative_prompt="",
        output_dir=folder,
        settings=settings,
        device=device,
        dtype=job.choose_dtype(args.dtype, device, small=True),
        pipeline=models.PIPELINE,
        clip=models.CLIP,
        dino=models.DINO,
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
    code, result = edit.run(work, engine, against_truth)
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
    told = [
        ("true box", str(truth)),
        ("IoU", f"{overlap(result.box, truth):.3f}"),
        ("written to", f"{folder}: {_FILES}"),
    ]
    print("\n".join(f"{name:10} {value}" for name, value in [*summary(result), *told]))
    return 0
