"""What a search found, kept in a folder: another region is painted later without searching again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..encode import key_of
from ..errors import InputError
from ..files import remove, write_json
from ..find import Box, Region, Regions
from ..picture import Picture, to_pil
from ..picture_file import save_png

FOLDER, FILE = "regions", "regions.json"
KEPT = 8  # regions, best first


def save_regions(folder: Path, regions: Regions) -> None:
    """Write the best regions' masks, 1.png and so on, as large as the picture, and what is known of them, last."""
    remove(folder / FILE)  # it spoke of other masks
    for place in range(KEPT):
        file = folder / f"{place + 1}.png"
        save_png(mask_image(regions[place].mask), file) if place < len(regions) else remove(file)
    save_png(mask_image(regions.relevance), folder / "relevance.png")
    write_json(folder / FILE, regions_report(regions))


def regions_report(regions: Regions) -> dict[str, Any]:
    """What is told of regions as JSON."""
    return {
        "image_caption": regions.caption,
        "found": regions.found,
        "why": regions.why,
        "notes": list(regions.notes),
        "presence": regions.presence,
        "picture": regions.key,
        "regions": [
            {
                "pick": place,
                **box_report(one.box),
                "evidence": one.evidence,
                "separate": one.separate,
                "mask": f"{place}.png",
            }
            for place, one in enumerate(regions[:KEPT], 1)
        ],
    }


def box_report(box: Box | None) -> dict[str, Any]:
    """A box as reports have it: its corners, and as ComfyUI writes a BOUNDING_BOX."""
    if box is None:
        return {"box": None, "bounding_box": None}
    x0, y0, x1, y1 = box
    return {"box": list(box), "bounding_box": {"x": x0, "y": y0, "width": x1 - x0, "height": y1 - y0}}


def picked(regions: Regions, place: int) -> Regions:
    """The region of a place alone, 1 the best; InputError where there are fewer. Where nothing was found, that."""
    if regions.found and place > len(kept := regions[:KEPT]):
        raise InputError(f"pick is {place}, and there are {len(kept)} regions; choose from 1 to {len(kept)}.")
    return regions.pick(place - 1) if regions.found else regions


def load_regions(folder: Path, picture: Picture, caption: str) -> Regions:
    """The regions of a folder; InputError where there are none, or they are of another picture or caption."""
    try:
        known = json.loads((folder / FILE).read_text(encoding="utf-8"))
        masks = [_mask(folder / one["mask"]) for one in known["regions"]]
        found = tuple(
            replace(Region.from_mask(mask, float(one["evidence"])), separate=bool(one["separate"]))
            for mask, one in zip(masks, known["regions"], strict=True)
        )
        presence = float("nan") if known["presence"] is None else float(known["presence"])
        texts, relevance = (str(known["picture"]), str(known["image_caption"])), _mask(folder / "relevance.png")
        notes = tuple(str(note) for note in known["notes"])
        regions = Regions(found, *texts, relevance, presence, str(known["why"]), notes=notes)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"regions is '{folder}', and no regions can be read there ({error}); give a folder that find or edit wrote."
        ) from None
    regions.check(key_of(picture), caption)
    return regions


def mask_image(mask: Tensor) -> Image.Image:
    """A mask [1, 1, H, W] as a grey picture, white where it is 1."""
    return to_pil(mask.expand(-1, 3, -1, -1)).convert("L")


def _mask(path: Path) -> Tensor:
    with Image.open(path) as image:
        return torch.from_numpy(np.asarray(image.convert("L"), dtype=np.float32) / 255)[None, None]
