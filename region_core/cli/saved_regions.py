"""What a search found, kept in a folder: another region is painted later without searching again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..encode import picture_key
from ..errors import InputError
from ..files import write_json
from ..find.regions import Region, Regions
from ..picture import Picture, save_png, to_pil

FOLDER, FILE = "regions", "regions.json"
KEPT = 8  # regions, best first


def save_regions(folder: Path, regions: Regions) -> None:
    """Write the best regions' masks, 1.png and so on, as large as the picture, and what is known of them, last."""
    for place, region in enumerate(regions[:KEPT], 1):
        save_png(mask_image(region.mask), folder / f"{place}.png")
    save_png(mask_image(regions.relevance), folder / "relevance.png")
    write_json(folder / FILE, regions_report(regions))


def regions_report(regions: Regions) -> dict[str, Any]:
    """What is told of regions as JSON."""
    return {
        "image_caption": regions.caption,
        "found": regions.found,
        "why": regions.why,
        "presence": regions.presence,
        "picture": regions.key,
        "regions": [
            {"place": place, "box": list(one.box), "share": one.area, "evidence": one.evidence, "mask": f"{place}.png"}
            for place, one in enumerate(regions[:KEPT], 1)
        ],
    }


def load_regions(folder: Path, picture: Picture, caption: str) -> Regions:
    """The regions of a folder; InputError where there are none, or they are of another picture or caption."""
    try:
        known = json.loads((folder / FILE).read_text(encoding="utf-8"))
        masks = [_mask(folder / one["mask"]) for one in known["regions"]]
        found = tuple(
            Region.from_mask(mask, float(one["evidence"])) for mask, one in zip(masks, known["regions"], strict=True)
        )
        regions = Regions(
            found,
            str(known["picture"]),
            str(known["image_caption"]),
            _mask(folder / "relevance.png"),
            float("nan") if known["presence"] is None else float(known["presence"]),
            str(known["why"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"regions is '{folder}', and no regions can be read there ({error}); give the folder that find or edit wrote."
        ) from None
    regions.check(picture_key(picture.rgb), caption)
    return regions


def mask_image(mask: Tensor) -> Image.Image:
    """A mask [1, 1, H, W] as a grey picture, white where it is 1."""
    return to_pil(mask.expand(-1, 3, -1, -1)).convert("L")


def _mask(path: Path) -> Tensor:
    with Image.open(path) as image:
        return torch.from_numpy(np.asarray(image.convert("L"), dtype=np.float32) / 255)[None, None]
