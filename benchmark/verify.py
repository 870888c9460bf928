"""With models of your own: are the right regions found, on the photographs that well-known packages ship?"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from PIL import Image

from region_core import find_regions
from region_core.boxes import overlap
from region_core.cost import cost_so_far
from region_core.draw import contact_sheet, draw_boxes
from region_core.encode import encode_picture
from region_core.encoders.loading import Models
from region_core.errors import InputError
from region_core.files import write_json
from region_core.picture_file import load_picture, save_png

from .worlds.photographs.questions import Question, packaged

HIT = 0.5  # IoU from which a region counts as found


@dataclass(frozen=True)
class Answer:
    """What was found for a question, in pixels; `iou` None where nothing is there, `cost` in UNet evaluations."""

    photograph: str
    caption: str
    true_box: tuple[float, ...] | None
    box: tuple[float, ...] | None
    iou: float | None
    cost: float
    seconds: float

    @property
    def right(self) -> bool:
        """Whether the thing was found or, where there is none, nothing was."""
        return self.box is None if self.iou is None else self.iou >= HIT

    @property
    def outcome(self) -> str:
        """In a few words."""
        if self.iou is None:
            return "not there, " + ("and so it said" if self.right else "but a region was found")
        return "not found" if self.box is None else f"IoU {self.iou:.2f}"


def verified(models: Models, folder: Path) -> str:
    """Ask about each photograph that is here, write sheet.png and report.json into `folder`; the summary."""
    questions = list(packaged())
    if not questions:
        raise InputError(
            "verify reads photographs that other packages ship, and none of these is installed here; run: pip install "
            "scikit-image scikit-learn matplotlib gradio."
        )
    answers, images = [], []
    for question in questions:
        answer, image = ask(models, question)
        boxes = f"true {answer.true_box!s:22} found {answer.box!s:22}"
        print(f"{answer.photograph:16} {answer.caption:20} {boxes} {answer.outcome}")
        answers.append(answer)
        images.append(image)
    captions = [f"{one.caption}: {one.outcome}" for one in answers]
    save_png(contact_sheet(images, captions, columns=4, cell=320), folder / "sheet.png")
    write_json(folder / "report.json", {"answers": [{**asdict(one), "right": one.right} for one in answers]})
    return summary(answers)


def ask(models: Models, question: Question) -> tuple[Answer, Image.Image]:
    """The answer to a question, and the photograph with the true box, and the found one standing out."""
    started, before = time.monotonic(), cost_so_far(None, models.dino, models.scorer)
    picture = load_picture(question.file)
    regions = find_regions(
        encode_picture(picture, dino=models.dino, scorer=models.scorer), question.caption, scorer=models.scorer
    )
    cost = (cost_so_far(None, models.dino, models.scorer) - before).total
    box = regions[0].box if regions.found else None
    sides = (picture.width, picture.height) * 2
    true = tuple(round(v * side) for v, side in zip(question.boxes[0], sides, strict=True)) if question.boxes else None
    iou = None if true is None else overlap(box, true)
    seconds = time.monotonic() - started
    answer = Answer(question.file.stem, question.caption, true, box, iou, round(cost, 2), seconds)
    return answer, draw_boxes(picture.rgb, [true] if true else [], box)


def summary(answers: Sequence[Answer]) -> str:
    """How many were right, and what a question cost, in a few lines."""
    there, absent = [one for one in answers if one.iou is not None], [one for one in answers if one.iou is None]
    mean = sum(one.iou or 0 for one in there) / max(len(there), 1)
    lines = [
        f"things that are there  {len(there)}: IoU {mean:.2f}, hit (IoU >= {HIT}) {sum(one.right for one in there)}, "
        f"missed ('no region') {sum(one.box is None for one in there)}",
        f"things that are not    {len(absent)}: recognised {sum(one.right for one in absent)}",
    ]
    if all(one.box is None for one in answers):
        lines.append("Nothing was found in any photograph: these models do not know what the captions name.")
    cost, seconds = (sum(getattr(one, name) for one in answers) / len(answers) for name in ("cost", "seconds"))
    return "\n".join([*lines, f"cost of a question     {cost:.1f} UNet evaluations, {seconds:.1f} s"])
