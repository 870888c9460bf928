"""Borders of edits: is a seam seen, and does anything of the old thing remain? On shapes, truth known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from region_core import Region, find_regions, paint_regions
from region_core.boxes import boxes_to_masks
from region_core.demo.models import load_shapes_models, shapes_settings
from region_core.demo.scenes import COLORS, SHAPES, Edit, Scene, called
from region_core.demo.worlds import held_out
from region_core.draw import contact_sheet
from region_core.encoders.loading import Models
from region_core.paint.borders import Borders
from region_core.paint.diffusers_painter import DiffusersPainter
from region_core.paint.windows import cut, window_for
from region_core.picture import picture_from, to_pil
from region_core.picture_file import save_png
from region_core.settings import PaintSettings

from .judge import load_judge, succeeded
from .worlds.shapes import drawn
from .worlds.task import as_tensor

DEFAULT = PaintSettings()
_GROWN = {"grow_percent": DEFAULT.grow_percent, "feather_percent": DEFAULT.feather_percent}
# what of the settings is changed, and whether the edit takes on the tint round it
VARIANTS: dict[str, tuple[dict[str, float], bool]] = {
    "as found": ({"grow_percent": 0.0, "feather_percent": 0.0}, False),
    "grown 10 %": ({"grow_percent": 10.0, "feather_percent": 0.0}, False),
    f"grown {DEFAULT.grow_percent:g} %, faded {DEFAULT.feather_percent:g} %": (_GROWN, False),
    "the same with the tint of what is round it (the default)": (_GROWN, True),
}
OTHERS = [called(color, shape) for color in COLORS for shape in SHAPES]
AGAINST = 5  # of the other texts, those that answer most
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


def caption_in_rim(
    pictures: Sequence[Tensor], region: Region, edit: Edit, settings: PaintSettings, models: Models
) -> list[float]:
    """How much the rim, from the region to where the fade ends, answers to the caption against other texts, in cosines;
    in each picture [3, H, W]. CLIP's places are read in a window round it."""
    scorer, (height, width) = models.scorer, region.size
    side, touched = scorer.image_size, Borders.round(region.box, settings).touched(region.box, height, width)
    window = window_for(touched, height, width, side)
    cuts = torch.cat([cut(picture[None], window, side) for picture in pictures])
    seen = scorer.places(cuts, models.dino(cuts).features)
    assert seen is not None
    outer, inner = boxes_to_masks(torch.tensor([touched, region.box]).float(), height, width)
    grid = int(seen[1].shape[-2]), int(seen[1].shape[-1])
    rim = F.adaptive_avg_pool2d(cut((outer - inner)[None].float(), window, side), grid)[0, 0]
    places = F.normalize(seen[1], dim=1).permute(0, 2, 3, 1)
    others = scorer.encode_texts([name for name in OTHERS if name != edit.caption])
    answer = (places @ scorer.encode_text(edit.caption).T)[..., 0]
    answer = answer - (places @ others.T).topk(AGAINST, dim=-1).values.mean(dim=-1)
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
    return F.max_pool2d(mask[None].float(), size, 1, size // 2)[0] > 0


def _lines(mask: Tensor) -> list[tuple[int, ...]]:
    """The boxes, a pixel apart, between which a mask [H, W] falls from 1 to 0."""
    ends = []
    for part in (mask > 0, mask == 1):
        rows, columns = part.any(dim=1).nonzero()[:, 0], part.any(dim=0).nonzero()[:, 0]
        ends.append(torch.stack([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]).float())
    outer, inner = ends
    count = int((outer - inner).abs().max()) + 1
    return [tuple(torch.lerp(outer, inner, float(n)).round().int().tolist()) for n in torch.linspace(0, 1, count)]


def measured(scenes: int, seed: int, kind: str, side: int, sheet: Path | None) -> str:
    """The `borders` command: its table; `sheet` is where the pictures go."""
    models, judge, settings = load_shapes_models(), load_judge(), shapes_settings("standard")
    found: dict[str, list[Border]] = {name: [] for name in VARIANTS}
    pictures: list[Image.Image] = []
    missed = 0
    for number in tqdm(range(scenes), unit="scene"):
        scene, edit = held_out(seed, number, kind)
        source = enlarged(scene, side)[0]
        regions = find_regions(
            source[None], edit.caption, dino=models.dino, scorer=models.scorer, settings=settings.find
        )
        if not len(regions):
            missed += 1
            continue
        region = Region.from_box(regions[0].box, side, side)
        made = [
            _painted(source, region, edit, models, settings.paint, variant, number) for variant in VARIANTS.values()
        ]
        assert edit.target is not None
        ideal = _at(drawn(scene, edit, scene.objects[edit.target].box), side)
        rims = caption_in_rim([source, ideal, *(one[0] for one in made)], region, edit, settings.paint, models)
        for name, (edited, mask, painted), after in zip(VARIANTS, made, rims[2:], strict=True):
            small = F.interpolate(edited[None], size=(128, 128), mode="area")[0]
            told = succeeded(small, tuple(v * 128 / side for v in region.box), scene, edit, judge)
            found[name].append(look(source, edited, painted, mask, scene, edit, (rims[0], after, rims[1]), told))
        pictures += map(to_pil, [source, *(one[0] for one in made)])
    if sheet and pictures:
        captions = ["source", *VARIANTS] * (len(pictures) // (1 + len(VARIANTS)))
        save_png(contact_sheet(pictures, captions, columns=1 + len(VARIANTS)), sheet)
    return report(found, missed)


def _painted(
    source: Tensor,
    region: Region,
    edit: Edit,
    models: Models,
    settings: PaintSettings,
    variant: tuple[dict[str, float], bool],
    seed: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """The edited picture [3, H, W], how much of the edit shows [H, W], and where the model painted [H, W], 0 or 1."""
    borders, tint = variant
    own = replace(settings, **borders)  # type: ignore[arg-type]
    painter = DiffusersPainter(models.pipe, edit.prompt)
    made = paint_regions(picture_from(source), [region], painter, seed=seed, settings=own, tint=tint)[0]
    picture, mask = made.stitched()
    grown = Borders.round(region.box, own).grown(region.mask[0, 0] > 0.5)
    return picture[0], mask[0, 0], grown.float()


def report(found: dict[str, list[Border]], missed: int = 0) -> str:
    """The means as Markdown."""
    count = len(next(iter(found.values())))
    if not count:
        return f"no scene with a region, {missed} without"
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
