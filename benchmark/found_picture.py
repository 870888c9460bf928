"""One photograph, where its caption is seen and what was found, with the real models of the world `photographs`."""

from __future__ import annotations

from pathlib import Path

from region_core.draw import contact_sheet, draw_boxes, heat_map
from region_core.encode import encode_picture
from region_core.find import find_regions
from region_core.picture import to_pil
from region_core.picture_file import load_picture, save_png

from .worlds.photographs.models import load_real_models

DIM = 0.25  # what is left of the picture outside the mask


def draw_found(photograph: Path, caption: str, dino_folder: Path, out: Path) -> str:
    """Write the sheet of a photograph and a caption as a PNG file; what was found, in a line."""
    models = load_real_models(dino_folder)
    picture = load_picture(photograph)
    encoded = encode_picture(picture, dino=models.dino, scorer=models.scorer)
    regions = find_regions(encoded, caption, scorer=models.scorer)
    images = [draw_boxes(picture.rgb, [], regions[0].box if regions.found else None, caption)]
    images.append(heat_map(picture.rgb, regions.relevance))
    if regions.found:
        mask = regions[0].mask
        images.append(to_pil(picture.rgb * (DIM + (1 - DIM) * mask)))
    captions = [f"{caption}: the region", "where it is seen", "its mask"][: len(images)]
    save_png(contact_sheet(images, captions, columns=3, cell=480), out)
    return f"{caption}: {regions[0].box if regions.found else regions.why}, written to {out}"
