"""The `find` command: where in a picture is what a caption names? Nothing is painted."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

from ..checks import check_not_overwritten, text_problem
from ..draw import contact_sheet, draw_boxes, heat_map
from ..edits_list.items import safe_name
from ..errors import InputError
from ..files import as_json, path_of, remove
from ..find import Regions
from ..picture import Picture, to_pil
from ..picture_file import load_picture, save_png
from ..report_text import ranked, stands_out
from ..showing import Showing
from .engine import Engine
from .job import check_pick, choose_models, output_folder
from .options import settings_from
from .saved_regions import FILE, KEPT, mask_image, picked, regions_report, save_regions

FILES = ("mask.png", "heatmap.png", "sheet.png", FILE)


def find(asked: SimpleNamespace, engine: Engine) -> int:
    """The `find` command; returns the exit code."""
    settings, pick = settings_from(asked), asked.pick
    check_pick(pick)
    for number, caption in enumerate(asked.captions, 1):
        if problem := text_problem(f"caption {number}", caption):
            raise InputError(problem)
    path = path_of(asked.picture)
    picture = load_picture(path)
    places = _places(asked, path)
    choice = choose_models(asked, painting=False)
    if picture.note:
        print(picture.note, file=sys.stderr)
    models = engine.load_encoders(choice)
    encoded = engine.encode(models, picture)
    found = []
    for caption, place in zip(asked.captions, places, strict=True):
        regions = engine.find(models, encoded, caption, settings.find)
        picked(regions, pick)  # says so where there are fewer
        if place is not None:
            write_found(place, picture, regions, pick)
        found.append(regions)
        if not asked.json:  # at once: what ends the next one does not take this with it
            print(said(picture, regions, pick))
            if place is not None:
                print(f"  written to {place}: {', '.join(FILES if regions.found else FILES[1:])}")
    if asked.json:
        size = {"image": asked.picture, "width": picture.width, "height": picture.height, "pick": pick}
        told = as_json({**size, "note": picture.note, "captions": [regions_report(one) for one in found]})
        print(json.dumps(json.loads(told), indent=1))  # in ASCII: what a console escapes would be no JSON
    return 0


def _places(asked: SimpleNamespace, path: Path) -> list[Path | None]:
    """Where the files of each caption go: the folder itself, or folders in it; InputError where they cannot."""
    if asked.out is None:
        return [None] * len(asked.captions)
    several = len(asked.captions) > 1 and asked.out.strip()
    folders = [f"{asked.out}/{safe_name(one)}" if several else asked.out for one in asked.captions]
    places = [output_folder(folder, FILES, "out") for folder in folders]
    for place in places:
        check_not_overwritten(path, place, FILES)
    return [*places]


def write_found(folder: Path, picture: Picture, regions: Regions, pick: int) -> None:
    """Write the heat map, the sheet, the regions and, where any was found, the mask of the one in that place."""
    showing, source = Showing(), to_pil(picture.rgb)
    heat = showing(lambda: heat_map(picture.rgb, regions.relevance), source)
    images, captions = [source, heat], ["source", f"{regions.caption}: where it may be"]
    if regions.found:
        mask, boxes = mask_image(regions[pick - 1].mask), [one.box for one in regions[:KEPT]]
        save_png(mask, folder / "mask.png")
        numbers = [str(number) for number in range(1, len(boxes) + 1)]
        best = (boxes[pick - 1], str(pick))
        images += [showing(lambda: draw_boxes(picture.rgb, boxes, *best, labels=numbers), source), mask]
        captions += ["regions, best first", f"mask of region {pick}"]
    else:
        remove(folder / "mask.png")  # of an earlier run
        images.append(showing(lambda: draw_boxes(picture.rgb, [one.box for one in regions.likeliest]), source))
        captions.append("not there: these came nearest")
    save_png(heat, folder / "heatmap.png")
    save_png(showing(lambda: contact_sheet(images, captions, columns=2, cell=384), source), folder / "sheet.png")
    save_regions(folder, regions)


def said(picture: Picture, regions: Regions, pick: int) -> str:
    """What was found for a caption, in lines for a person."""
    if not regions.found:
        return f"{regions.caption}: {regions.why}"
    lines = [f"{regions.caption}: {stands_out(regions)}".rstrip()]
    lines += [f"{'*' if line.startswith(f'{pick}:') else ' '} {line}" for line in ranked(regions[:KEPT], pick)]
    return "\n".join([*lines, *regions.notes])
