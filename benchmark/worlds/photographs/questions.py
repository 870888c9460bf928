"""What is asked of photographs in a folder, and where the right answer is.

The folder has, each if it is there, `subjects.json` (photographs of one subject, with boxes), `more.json` (more of
them, whose boxes are in `more_boxes.json` beside it or in our own `boxes.json`) and `coco.json` (scenes, all things
boxed and outlined). What packages ship (`packaged.json`) is asked too where they are installed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from region_core.errors import InputError, with_article

from ..task import Box

HOME = Path(__file__).parent
Polygon = list[float]  # x, y, x, y, ...

# kinds of scenes: the largest thing asked for takes less than this of the picture
SIZES = {"tiny": 0.01, "small": 0.03, "middle": 0.1, "large": 1.01}
SMALLEST = 0.005  # of the picture
MOST = 3  # things of one name that are asked for
ABSENT = {"no-subject": 1, "no-thing": 3}  # questions of a photograph about what is not there
KINDS = ("subject", "further", "no-subject", "packaged", *SIZES, "no-thing")
FIRST_ARTEFACT = 2666196  # an abacus: of ImageNet's classes by number, those before it are animals
# The stand-in for CLIP does not know these, or takes others for them.
UNKNOWN = {
    *("person", "giraffe", "fire hydrant", "surfboard", "scissors", "carrot"),
    *("suitcase", "snowboard", "toothbrush", "fork", "knife", "donut"),
}


@dataclass(frozen=True)
class Question:
    """A caption asked of a photograph. `boxes` are in shares of its width and height (x0, y0, x1, y1), none where it is
    not there; `outlines` hold, for each box, its thing's polygons in shares, where they are known."""

    kind: str
    file: Path
    caption: str
    boxes: tuple[Box, ...] = ()
    outlines: tuple[tuple[Polygon, ...], ...] = ()


def read_questions(folder: Path) -> list[Question]:
    """All questions of a folder; InputError where it holds no photographs, or a file is not as it should be."""
    if not folder.is_dir():
        raise InputError(f"photographs is '{folder}', which is no folder; name one with subjects.json or coco.json.")
    subjects, more, scenes = (_entries(folder / name) for name in ("subjects.json", "more.json", "coco.json"))
    if not (subjects or more or scenes):
        raise InputError(f"photographs is '{folder}', which holds no subjects.json, more.json or coco.json.")
    try:
        return [*_subjects(folder, subjects, more), *packaged(), *_scenes(folder, scenes)]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"photographs is '{folder}', whose lists are not as they should be ({error!r}).") from error


def digest(questions: Sequence[Question]) -> str:
    """What tells one set of questions from another: figures of different ones do not belong together."""
    told = [(q.kind, q.file.name, q.caption, q.boxes) for q in questions]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]


def _entries(file: Path) -> list[dict[str, Any]]:
    try:
        return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []
    except ValueError as error:
        raise InputError(f"'{file}' is no JSON ({error}).") from None


def _subjects(folder: Path, subjects: list[dict], more: list[dict]) -> Iterator[Question]:
    labels = json.loads((HOME / "boxes.json").read_text(encoding="utf-8"))
    labels |= {Path(one["file"]).name: one.get("boxes_in_shares") for one in _entries(folder / "more_boxes.json")}
    boxed = [("subject", one, one["boxes_in_shares"]) for one in subjects]
    boxed += [("further", one, boxes) for one in more if (boxes := labels.get(Path(one["file"]).name))]
    for kind, one, boxes in boxed:
        yield Question(kind, folder / one["file"], one["caption"], tuple(_box(box) for box in boxes))
    for one in (*subjects, *more):
        # an animal is asked for where there is none, and anything else where there is an animal: that is not there
        far = [other["caption"] for other in (*subjects, *more) if _is_animal(other) != _is_animal(one)]
        for caption in _some(far, ABSENT["no-subject"], one["file"]):
            yield Question("no-subject", folder / one["file"], caption)


def _is_animal(one: dict[str, Any]) -> bool:
    return int(one["imagenet"][1:]) < FIRST_ARTEFACT


def _scenes(folder: Path, scenes: list[dict]) -> Iterator[Question]:
    names = sorted({thing["name"] for one in scenes for thing in one["things"]} - UNKNOWN)
    for one in scenes:
        file, sides = folder / one["file"], (one["width"], one["height"])
        there = Counter(thing["name"] for thing in one["things"])
        for name, count in there.items():
            things = [thing for thing in one["things"] if thing["name"] == name]
            if name in UNKNOWN or count > MOST or any(thing["crowd"] for thing in things):
                continue
            boxes = tuple(_box([v / sides[i % 2] for i, v in enumerate(thing["box"])]) for thing in things)
            largest = max((x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in boxes)
            if largest < SMALLEST:
                continue
            kind = next(kind for kind, limit in SIZES.items() if largest < limit)
            outlines = tuple(
                tuple([v / sides[i % 2] for i, v in enumerate(polygon)] for polygon in thing["outline"])
                for thing in things
            )
            yield Question(kind, file, with_article(name), boxes, outlines)
        for name in _some([name for name in names if name not in there], ABSENT["no-thing"], one["file"]):
            yield Question("no-thing", file, with_article(name))


def packaged() -> Iterator[Question]:
    """What is asked of the photographs that packages ship, of those that are installed here."""
    for one in json.loads((HOME / "packaged.json").read_text(encoding="utf-8")):
        spec = importlib.util.find_spec(one["package"])  # the package itself is not imported
        if spec is None or not spec.submodule_search_locations:
            continue
        file = Path(spec.submodule_search_locations[0]) / one["path"]
        if not file.is_file():
            continue
        from PIL import Image

        with Image.open(file) as opened:
            sides = opened.size
        for caption, box in one["questions"]:
            boxes = () if box is None else (_box([v / sides[i % 2] for i, v in enumerate(box)]),)
            yield Question("packaged", file, caption, boxes)


def _box(values: Sequence[float]) -> Box:
    x0, y0, x1, y1 = (min(max(float(v), 0.0), 1.0) for v in values)
    if x1 <= x0 or y1 <= y0:
        raise ValueError(f"a box {list(values)} that is empty")
    return x0, y0, x1, y1


def _some(captions: Sequence[str], count: int, of: str) -> list[str]:
    """`count` of the captions, the same for the same photograph whatever else is asked."""

    def drawn(caption: str) -> str:
        return hashlib.sha256(f"{Path(of).name} {caption}".encode()).hexdigest()

    return sorted(dict.fromkeys(captions), key=drawn)[:count]
