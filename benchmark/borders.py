"""Borders of edits: is a seam seen, and does anything of the old thing remain? On shapes, truth known."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from region_core.boxes import boxes_to_masks
from region_core.demo.models import load_shapes_models, shapes_settings
from region_core.demo.scenes import Edit, Scene
from region_core.demo.worlds import held_out
from region_core.draw import contact_sheet
from region_core.encoders.loading import Models
from region_core.find.find_region import find_region
from region_core.find.texts import contrast, rivals
from region_core.paint.borders import Borders
from region_core.paint.canvas import Canvas
from region_core.paint.windows import box_masks, crop, windows_for
from region_core.picture import save_png, to_pil
from region_core.settings import SearchSettings

from .judge import load_judge, succeeded
from .painting import inpainter_of
from .worlds.shapes import drawn
from .worlds.task import as_tensor

DEFAULT = Borders.of(SearchSettings())
VARIANTS = {
    "as found (the node's once)": Borders(),
    "4 pixels (the demo's once)": Borders(grow=4),
    "grown 10 %": Borders(10),
    f"grown {DEFAULT.grow_percent:g} %, faded {DEFAULT.feather_percent:g} % (the default)": DEFAULT,
}
INK = 12 / 255  # a pixel farther than this from the bare background is a thing's
NEW = 40 / 255  # and one that a painted thing is: the painter's own backgrounds are that far off
SEEN = 2.0  # grey levels of 255 by which a line must be steeper than the source's to be seen
_MEANS = ("edit", "source", "remains", "before", "after", "faultless")
REMAINS = 0.005  # share of the thing's pixels from which remains are counted


@dataclass(frozen=True)
class Border:
    """One edit: the steepest line along the border, in grey levels of 255, in the edit and in the source
    there; how much of the old thing is left, as a share of its pixels; how much the rim answers to the caption
    before, after and in a faultless edit, by CLIP; did the judge see what was asked."""

    edit: float
    source: float
    remains: float
    before: float
    after: float
    faultless: float
    success: bool


def steepest(picture: Tensor, boxes: list[tuple[int, ...]], things: Tensor) -> float:
    """Of the lines along nested boxes (x0, y0, x1, y1), half open: the largest median step from just inside
    to just outside, in grey levels; picture [3, H, W], where `things` [H, W] is no step is counted."""
    height, width = picture.shape[-2:]
    right, down = picture.diff(dim=2).abs().mean(dim=0), picture.diff(dim=1).abs().mean(dim=0)
    right[things[:, 1:] | things[:, :-1]] = torch.nan
    down[things[1:] | things[:-1]] = torch.nan
    medians = [0.0]
    for x0, y0, x1, y1 in boxes:
        steps = [right[y0:y1, x - 1] for x in (x0, x1) if 0 < x < width]
        steps += [down[y - 1, x0:x1] for y in (y0, y1) if 0 < y < height]
        medians.append(float(torch.cat([*steps, right.new_full((1,), torch.nan)]).nanmedian().nan_to_num(0)))
    return 255 * max(medians)


def enlarged(scene: Scene, side: int) -> tuple[Tensor, Tensor, Tensor]:
    """(picture [3, s, s], bare background [3, s, s], where anything stands [s, s])."""
    picture, bare = (_at(one, side) for one in (scene.image, scene.background))
    return picture, bare, (picture - bare).abs().amax(dim=0) > INK


def _at(image: np.ndarray, side: int) -> Tensor:
    return as_tensor(np.array(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC)))


def caption_in_rim(pictures: list[Tensor], found: Tensor, touched: Tensor, caption: str, models: Models) -> list[float]:
    """How much the rim between two boxes [1, 4], whose places CLIP sees in a window round it, answers to a caption
    against other texts, in cosines; in each picture [3, H, W]."""
    height, width = pictures[0].shape[-2:]
    scorer, side = models.scorer, models.scorer.image_size
    window = windows_for(touched, height, width, side)
    cuts = torch.cat([crop(picture[None], window, side) for picture in pictures])
    seen = scorer.places(cuts, models.dino(cuts).features)
    assert seen is not None
    rim = box_masks(touched, window, height, width, side) - box_masks(found, window, height, width, side)
    rows, columns = seen[1].shape[-2:]
    rim = torch.nn.functional.adaptive_avg_pool2d(rim, (rows, columns))[0, 0]
    unit = torch.nn.functional.normalize(seen[1], dim=1).permute(0, 2, 3, 1)
    answer = contrast(unit.flatten(0, 2), scorer.encode_text(caption).float(), rivals(scorer)).reshape(unit.shape[:3])
    return [float(value) for value in (answer * rim).sum(dim=(1, 2)) / rim.sum()]


def look(
    source: Tensor,
    edited: Tensor,
    painted: Tensor,
    mask: Tensor,
    scene: Scene,
    edit: Edit,
    rim: tuple[float, float, float],
    judged: bool,
) -> Border:
    """The numbers of one edit; `painted` [H, W] is 1 where the model painted, `mask` [H, W] how much shows; `rim` are
    those of the caption in it."""
    assert edit.target is not None
    scale = source.shape[-1] / scene.image.shape[0]
    own = torch.zeros_like(mask, dtype=torch.bool)
    x0, y0, x1, y1 = (round(v * scale) for v in scene.objects[edit.target].box)
    own[y0:y1, x0:x1] = True
    _, bare, ink = enlarged(scene, source.shape[-1])
    new = (edited - bare).abs().amax(dim=0) > NEW
    things = _wide(ink | new, 2 * round(2 * scale) + 1)
    old = ink & own
    return Border(
        steepest(edited, _lines(mask), things),
        steepest(source, _lines(mask), things),
        # what was not painted shows it, and so does the fade over what was
        float((old * (1 - mask * painted)).sum() / old.sum()),
        *rim,
        judged,
    )


def _wide(mask: Tensor, size: int) -> Tensor:
    return torch.nn.functional.max_pool2d(mask[None].float(), size, 1, size // 2)[0] > 0


def _lines(mask: Tensor) -> list[tuple[int, ...]]:
    """The boxes, a pixel apart, between which a mask [H, W] falls from 1 to 0."""
    ends = []
    for part in (mask > 0, mask == 1):
        rows, columns = part.any(dim=1).nonzero()[:, 0], part.any(dim=0).nonzero()[:, 0]
        ends.append(torch.stack([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]).float())
    outer, inner = ends
    count = int((outer - inner).abs().max()) + 1
    return [tuple(torch.lerp(outer, inner, float(n)).round().int().tolist()) for n in torch.linspace(0, 1, count)]


def main(args: argparse.Namespace) -> int:
    """The `borders` command: args.scenes, .seed, .kind, .side, .sheet."""
    models, judge, settings = load_shapes_models(), load_judge(), shapes_settings("standard")
    found: dict[str, list[Border]] = {name: [] for name in VARIANTS}
    pictures: list[Image.Image] = []
    missed = 0
    for number in tqdm(range(args.scenes), unit="scene"):
        scene, edit = held_out(args.seed, number, args.kind)
        source = enlarged(scene, args.side)[0]
        box = find_region(source[None], edit.caption, edit.prompt, models.dino, models.scorer, settings)
        if box is None:
            missed += 1
            continue
        boxes, edits, more = torch.tensor([box]).float(), [], []
        for borders in VARIANTS.values():
            canvas = Canvas(source[None], inpainter_of(models, edit), seed=number, borders=borders)
            work = canvas.begin(boxes, settings.steps)
            work = canvas.advance(work, settings.steps, settings.guidance_scale)
            edited, mask = canvas.full(work, 0)
            small = torch.nn.functional.interpolate(edited, size=(128, 128), mode="area")[0]
            told = succeeded(small, tuple(v * 128 / args.side for v in box), scene, edit, judge)
            edits.append(edited[0])
            more.append((boxes_to_masks(work.painted, args.side, args.side)[0, 0], mask[0, 0], told))
        touched = DEFAULT.touched(boxes, args.side, args.side)
        assert edit.target is not None
        ideal = _at(drawn(scene, edit, scene.objects[edit.target].box), args.side)
        rims = caption_in_rim([source, ideal, *edits], boxes, touched, edit.caption, models)
        for name, edited, (painted, mask, told), after in zip(VARIANTS, edits, more, rims[2:], strict=True):
            found[name].append(look(source, edited, painted, mask, scene, edit, (rims[0], after, rims[1]), told))
        pictures += map(to_pil, [source, *edits])
    if args.sheet:
        captions = ["source", *VARIANTS] * (len(pictures) // (1 + len(VARIANTS)))
        save_png(contact_sheet(pictures, captions, columns=1 + len(VARIANTS)), Path(args.sheet))
    print(report(found, missed))
    return 0


def report(found: dict[str, list[Border]], missed: int = 0) -> str:
    """The means as Markdown."""
    count = len(next(iter(found.values())))
    lines = [
        f"{count} scenes with a region, {missed} without\n",
        "| border | step across it | the source's there | edits with a seam | what is left of the old thing "
        "| edits with remains | the caption in the rim, before / after / drawn faultlessly | success |",
        "|" + "---|" * 8,
    ]
    for name, some in found.items():
        step, source, remains, *rim = (np.mean([getattr(b, field) for b in some]) for field in _MEANS)
        seams = sum(b.edit > b.source + SEEN for b in some)
        left = sum(b.remains > REMAINS for b in some)
        success = sum(b.success for b in some)
        caption = " / ".join(f"{value:.3f}" for value in rim)
        lines.append(
            f"| {name} | {step:.2f} | {source:.2f} | {seams} | {remains:.2%} | {left} | {caption} | {success} |"
        )
    return "\n".join(lines)
