"""Makes the pictures beside the workflows: python -m tests.comfy.pictures

The demo's shows its own run. The others need models that are large; theirs are drawn schemes.
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image

from region_core.draw import contact_sheet

from .conftest import PACK, VERSIONS
from .flows import API_DEMO, DEMO, find, load
from .scheme import SCHEMES, SIDE, scheme
from .served import Heard, Server


def shown(server: Server, heard: Heard, node: str) -> Image.Image:
    """The picture that a Preview Image node shows."""
    return Image.open(io.BytesIO(server.picture(heard.outputs[node]["images"][0]))).convert("RGB")


def demo(server: Server) -> Image.Image:
    """Before, candidates, boxes and after of the demo's own run, as a square."""
    prompt = load(API_DEMO)
    ends = {
        "before": [find(prompt, "ShapesScene"), 0],
        "candidates": [find(prompt, "RegionGenerator"), 2],
        "boxes": [find(prompt, "RegionInpaintOptimize"), 4],
        "after": [find(prompt, "RegionInpaintOptimize"), 0],
    }
    prompt |= {name: {"class_type": "PreviewImage", "inputs": {"images": end}} for name, end in ends.items()}
    prompt |= {
        name: {"class_type": "PreviewAny", "inputs": {"source": [ends["before"][0], slot]}}
        for name, slot in (("caption", 1), ("wish", 2))
    }
    heard = server.run(prompt)
    assert heard.status == "success", heard.problem
    labels = (f"before: {heard.text('caption')}", "where it may be", "boxes that were tried")
    return contact_sheet(
        [shown(server, heard, name) for name in ends],
        [*labels, f"after: {heard.text('wish')}"],
        columns=2,
        cell=SIDE // 2,
    ).convert("RGB")


def main() -> None:
    """Write every .jpg anew."""
    with tempfile.TemporaryDirectory() as folder:
        server = Server(VERSIONS[0], PACK, Path(folder) / "base")
        try:
            server.wait()
            made = {DEMO.stem: demo(server)}
        finally:
            server.stop()
    made |= {stem: scheme(*parts) for stem, parts in SCHEMES.items()}
    for stem, picture in made.items():
        picture.save(DEMO.with_name(f"{stem}.jpg"), quality=88, optimize=True)
        print(stem, picture.size, file=sys.stderr)


if __name__ == "__main__":
    main()
