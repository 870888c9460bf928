"""Makes the pictures of the help pages, or of some nodes': python -m tests.comfy.help_pictures [FindRegion ...]

Each shows a node as the front end draws it, in English and in Chinese (which wants a font that has it), and beside
it what it makes of what, from a run of the demo.
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw

from region_core.demo.worlds import with_company

from .conftest import PACK, VERSIONS
from .flows import PUBLISHED, as_prompt, find, load
from .pictures import shown
from .seen import Seen, looking_at
from .served import Server

FOLDER = PACK / "nodes" / "web" / "docs" / "pictures"
TILE, GAP = 200, 24
GROUND, ARROW = "#1e1e20", "#ff8a3d"
# node: its output of the demo's run that says most of it, as (node, slot)
SHOWN = {
    "LoadDinoEncoder": ("RegionGenerator", 1),
    "LoadClipScorer": ("RegionInpaintOptimize", 8),
    "RegionGenerator": ("RegionGenerator", 2),
    "ClipRegionLoss": ("RegionInpaintOptimize", 8),
    "RegionInpaintOptimize": ("RegionInpaintOptimize", 0),
    "FindRegion": ("FindRegion", 6),
    "PickRegion": ("PickRegion", 1),
    "RegionCrop": ("RegionCrop", 0),
    "RegionStitch": ("RegionStitch", 0),
    "EditSeveralRegions": ("EditSeveralRegions", 0),
    "LoadLearnedGenerator": ("RegionInpaintOptimize", 4),
    "SaveLearnedGenerator": ("RegionInpaintOptimize", 5),
    "LoadShapesDemo": ("RegionInpaintOptimize", 0),
    "ShapesScene": ("ShapesScene", 3),
    "LoadEditsList": ("EditSeveralRegions", 0),
    "SaveEdits": ("EditSeveralRegions", 0),
    "LoadEditingModels": ("RegionInpaintOptimize", 0),
}


def made(server: Server) -> dict[str, tuple[Image.Image, Image.Image]]:
    """By node, the demo's picture and what has become of it."""
    prompt = as_prompt(load(PUBLISHED))
    scene, models = find(prompt, "ShapesScene"), find(prompt, "LoadShapesDemo")
    prompt["find"] = {
        "class_type": "LearnableRegions_FindRegion",
        "inputs": {"image": [scene, 0], "image_caption": [scene, 1], "dino": [models, 3], "scorer": [models, 4]},
    }
    prompt["pick"] = {"class_type": "LearnableRegions_PickRegion", "inputs": {"regions": ["find", 0], "index": 1}}
    prompt |= crop_and_stitch(scene) | several(prompt, scene, models)
    masks = {("RegionGenerator", 1), ("RegionInpaintOptimize", 8), ("ShapesScene", 3), ("PickRegion", 1)}
    prompt["before"] = {"class_type": "PreviewImage", "inputs": {"images": [find(prompt, "ShapesScene"), 0]}}
    for name, (node, slot) in SHOWN.items():
        kind, socket = ("MaskPreview", "mask") if (node, slot) in masks else ("PreviewImage", "images")
        prompt[name] = {"class_type": kind, "inputs": {socket: [find(prompt, node), slot]}}
    heard = server.run(prompt)
    assert heard.status == "success", heard.problem
    before = shown(server, heard, "before")
    return {name: (before, shown(server, heard, name)) for name in SHOWN}


def crop_and_stitch(scene: str) -> dict:
    """The region cut out, inverted and put back."""
    return {
        "crop": {
            "class_type": "LearnableRegions_RegionCrop",
            "inputs": {"image": [scene, 0], "regions": ["find", 0], "size": 64},
        },
        "invert": {"class_type": "ImageInvert", "inputs": {"image": ["crop", 0]}},
        "stitch": {
            "class_type": "LearnableRegions_RegionStitch",
            "inputs": {"stitch": ["crop", 2], "painted": ["invert", 0]},
        },
    }


def several(prompt: dict, scene: str, models: str) -> dict:
    """Two things of the scene, each turned into another."""
    drawn = prompt[scene]["inputs"]
    names = [one.name for one in with_company(drawn["seed"], drawn["kind"])[0].objects]
    given = dict(zip(("model", "clip", "vae", "dino", "scorer"), ([models, slot] for slot in range(5)), strict=True))
    more = {"negative": prompt[find(prompt, "RegionInpaintOptimize")]["inputs"]["negative"], "image": [scene, 0]}
    lines = f"{names[0]} -> a green square\n{names[1]} -> a white star"
    inputs = {**given, **more, "edits": lines, "seed": 7, "cfg": 3.0}
    return {"several": {"class_type": "LearnableRegions_EditSeveralRegions", "inputs": inputs}}


def look(seen: Seen, kind: str) -> Image.Image:
    """A fresh node as the front end draws it."""
    return Image.open(io.BytesIO(seen.alone(f"LearnableRegions_{kind}").screenshot())).convert("RGB")


def tile(picture: Image.Image) -> Image.Image:
    """A picture as a square."""
    square = Image.new("RGB", (TILE, TILE), GROUND)
    scale = TILE / max(picture.size)
    small = picture.resize((round(picture.width * scale), round(picture.height * scale)), Image.Resampling.LANCZOS)
    square.paste(small, ((TILE - small.width) // 2, (TILE - small.height) // 2))
    return square


def page_picture(node: Image.Image, before: Image.Image, after: Image.Image) -> Image.Image:
    """The node at the left; at the right the two pictures with an arrow from one to the other."""
    high = max(node.height, 2 * TILE + GAP)
    sheet = Image.new("RGB", (node.width + TILE + 3 * GAP, high + 2 * GAP), GROUND)
    sheet.paste(node, (GAP, GAP + (high - node.height) // 2))
    left, top = node.width + 2 * GAP, GAP + (high - 2 * TILE - GAP) // 2
    sheet.paste(tile(before), (left, top))
    sheet.paste(tile(after), (left, top + TILE + GAP))
    x, y = left + TILE // 2, top + TILE + GAP // 2
    ImageDraw.Draw(sheet).polygon([(x - 10, y - 7), (x + 10, y - 7), (x, y + 8)], fill=ARROW)
    return sheet


def main() -> None:
    """Write every picture anew, or those that are named."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        server = Server(VERSIONS[0], PACK, Path(folder) / "base")
        try:
            server.wait()
            pictures = made(server)
            with looking_at(server, Path(folder), (900, 1300)) as seen:
                for language in ("en", "zh"):
                    seen.set("Comfy.Locale", language)
                    seen.draw_with("vue")
                    seen.reload()
                    for kind in sys.argv[1:] or pictures:
                        before, after = pictures[kind]
                        path = FOLDER / f"{kind}.{language}.webp"
                        page_picture(look(seen, kind), before, after).save(path, quality=80, method=6)
                        print(path.name, path.stat().st_size, file=sys.stderr)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
