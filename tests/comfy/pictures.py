"""Makes the pictures beside the workflows: python -m tests.comfy.pictures [--only WORD]

Those of the demo's models show their own run, the app's the app itself. The others need models that are large; theirs
are drawn schemes, but for the photograph's, which smaller models found.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from pathlib import Path

from PIL import Image

from region_core.draw import contact_sheet

from .app import open_app, run_app
from .conftest import PACK, VERSIONS
from .flows import APP, DEMO, FINDING, PHOTOGRAPH, PUBLISHED, SEVERAL, as_prompt, find, load, show_text
from .scenes import drawn_scene
from .scheme import SCHEMES, SIDE, scheme
from .seen import looking_at
from .served import Heard, Server


def shown(server: Server, heard: Heard, node: str) -> Image.Image:
    """The picture that a Preview Image node shows."""
    return Image.open(io.BytesIO(server.picture(heard.outputs[node]["images"][0]))).convert("RGB")


# of each workflow that is run: what its picture shows, as (what stands below, node, output)
RUN = {
    DEMO: [
        ("before: {caption}", "ShapesScene", 0),
        ("where it was edited", "EditSeveralRegions", 1),
        ("after: {wish}", "EditSeveralRegions", 0),
    ],
    FINDING: [
        ("where is {caption}?", "ShapesScene", 0),
        ("regions by their numbers", "FindRegion", 6),
        ("mask of the first", "PickRegion", 1),
        ("painted: {wish}", "RegionInpaintOptimize", 0),
    ],
    SEVERAL: [
        ("before", "ShapesScene", 0),
        ("where it was edited", "EditSeveralRegions", 1),
        ("after, in one run", "EditSeveralRegions", 0),
    ],
    PUBLISHED: [
        ("before: {caption}", "ShapesScene", 0),
        ("windows, and the chosen one", "RegionInpaintOptimize", 4),
        ("the loss over the rounds", "RegionInpaintOptimize", 5),
        ("after: {wish}", "RegionInpaintOptimize", 0),
    ],
}
MASKS = {("EditSeveralRegions", 1), ("RegionInpaintOptimize", 8), ("PickRegion", 1)}


def of_run(server: Server, path: Path) -> Image.Image:
    """What a run of a workflow with the demo's models shows, as a square."""
    prompt = as_prompt(load(path))
    scene = find(prompt, "ShapesScene")
    for place, (_, node, slot) in enumerate(RUN[path]):
        kind, socket = ("MaskPreview", "mask") if (node, slot) in MASKS else ("PreviewImage", "images")
        prompt[f"picture {place}"] = {"class_type": kind, "inputs": {socket: [find(prompt, node), slot]}}
    heard = server.run(show_text(prompt, caption=(scene, 1), wish=(scene, 2)))
    assert heard.status == "success", heard.problem
    texts = {name: heard.text(name) for name in ("caption", "wish")}
    return contact_sheet(
        [shown(server, heard, f"picture {place}") for place in range(len(RUN[path]))],
        [label.format(**texts) for label, _, _ in RUN[path]],
        columns=2,
        cell=SIDE // 2,
    ).convert("RGB")


def photograph() -> Image.Image:
    """The README's picture of what was found, in a square."""
    with Image.open(PACK / "docs" / "found.jpg") as strip:
        third = strip.width // 3
        tiles = [strip.crop((place * third, 0, (place + 1) * third, strip.height)) for place in range(3)]
    made = Image.new("RGB", (SIDE, SIDE), "white")
    height = round(tiles[0].height * SIDE / 2 / third)
    for tile, at in zip(tiles, ((0, 0), (1, 0), (0.5, 1)), strict=True):
        small = tile.resize((SIDE // 2, height), Image.Resampling.LANCZOS)
        made.paste(small, (round(at[0] * SIDE / 2), (SIDE - 2 * height) // 2 + round(at[1] * height)))
    return made


def of_app(server: Server, folder: Path) -> Image.Image:
    """The app after its run with the demo's models."""
    picture, caption, wish, _ = drawn_scene(server, 9)
    file = io.BytesIO()
    picture.resize((512, 512)).save(file, "PNG")
    with looking_at(server, folder, (1200, 1200)) as seen:
        open_app(seen)
        run_app(seen, server.upload("shapes of the app.png", file.getvalue()), caption, wish)
        shot = seen.shoot("app")
    with Image.open(shot) as image:
        return image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def main() -> None:
    """Write the .jpg of every workflow whose name has the word anew."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", metavar="WORD")
    word = parser.parse_args().only
    made = {stem: scheme(*parts) for stem, parts in SCHEMES.items() if word in stem}
    if word in PHOTOGRAPH.stem:
        made[PHOTOGRAPH.stem] = photograph()
    runs = [path for path in RUN if word in path.stem]
    if runs or word in APP.stem:
        with tempfile.TemporaryDirectory() as folder:
            server = Server(VERSIONS[0], PACK, Path(folder) / "base")
            try:
                server.wait()
                server.touch_models([APP])
                if word in APP.stem:
                    made[APP.stem] = of_app(server, Path(folder))
                made |= {path.stem: of_run(server, path) for path in runs}
            finally:
                server.stop()
    for stem, picture in made.items():
        picture.save(DEMO.with_name(f"{stem}.jpg"), quality=88, optimize=True)
        print(stem, picture.size, file=sys.stderr)


if __name__ == "__main__":
    main()
