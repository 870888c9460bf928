"""Makes the pictures beside the workflows from real runs: python -m tests.comfy.pictures

The demo's shows its own run. The others need models that are large, so theirs show the graph as
the front end draws it, and below it what the same graph makes of a picture of shapes.
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image

from region_core.draw import contact_sheet

from .conftest import PACK, VERSIONS
from .flows import API_DEMO, WORKFLOWS, as_prompt, find, load, with_shapes
from .scenes import drawn_scene, painted
from .seen import looking_at
from .served import Heard, Server

SIDE = 768  # template cards are square
DEMO = PACK / "workflows" / "learnable_regions_demo.json"


def shown(server: Server, heard: Heard, node: str) -> Image.Image:
    """The picture that a Preview Image node shows."""
    return Image.open(io.BytesIO(server.picture(heard.outputs[node]["images"][0]))).convert("RGB")


def results(server: Server, path: Path) -> tuple[list[Image.Image], list[str]]:
    """Before, boxes and after of a workflow, run with the shapes models, and their labels."""
    seed = load(API_DEMO)[find(load(API_DEMO), "ShapesScene")]["inputs"]["seed"]
    before, caption, wish, truth = drawn_scene(server, seed)
    if path == DEMO:
        prompt = load(API_DEMO)
    else:
        name = server.upload("painted.png", painted(before, truth, margin=8))
        prompt = with_shapes(as_prompt(load(path)), name, caption, wish)
    edit = find(prompt, "RegionInpaintOptimize")
    for name, end in (("boxes", [edit, 4]), ("candidates", [find(prompt, "RegionGenerator"), 2])):
        prompt[name] = {"class_type": "PreviewImage", "inputs": {"images": end}}
    after = next(node["id"] for node in load(path)["nodes"] if node.get("title", "").startswith("After"))
    heard = server.run(prompt)
    assert heard.status == "success", heard.problem
    pictures = [
        before.convert("RGB"),
        shown(server, heard, "candidates"),
        shown(server, heard, "boxes"),
        shown(server, heard, str(after)),
    ]
    return pictures, [f"before: {caption}", "where it may be", "boxes that were tried", f"after: {wish}"]


def sheet(pictures: list[Image.Image], labels: list[str], square: bool) -> Image.Image:
    """All pictures as a square, or a row of the three that matter most."""
    keep = range(4) if square else (0, 2, 3)
    return contact_sheet(
        [pictures[i] for i in keep],
        [labels[i] for i in keep],
        columns=2 if square else 3,
        cell=SIDE // 2 if square else SIDE // 3,
    ).convert("RGB")


def with_graph(graph: Image.Image, row: Image.Image) -> Image.Image:
    """A square: the graph above, the results below."""
    made = Image.new("RGB", (SIDE, SIDE), (24, 24, 24))
    row = row.resize((SIDE, round(row.height * SIDE / row.width)), Image.Resampling.LANCZOS)
    room = SIDE - row.height
    graph = graph.copy()
    graph.thumbnail((SIDE - 16, room - 16), Image.Resampling.LANCZOS)
    made.paste(graph, ((SIDE - graph.width) // 2, (room - graph.height) // 2))
    made.paste(row, (0, room))
    return made


def main() -> None:
    """Write every .jpg anew."""
    with tempfile.TemporaryDirectory() as folder:
        server = Server(VERSIONS[0], PACK, Path(folder) / "base")
        try:
            server.wait()
            server.touch_models(WORKFLOWS)
            # all runs first: a browser's own event loop leaves no room for a client's
            sheets = {path: sheet(*results(server, path), path == DEMO) for path in WORKFLOWS}
            with looking_at(server, Path(folder), (2400, 1400)) as seen:
                for path, made in sheets.items():
                    if path != DEMO:
                        made = with_graph(seen.graph_picture(path), made)
                    made.save(path.with_suffix(".jpg"), quality=88, optimize=True)
                    print(path.with_suffix(".jpg").name, made.size, file=sys.stderr)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
