"""Shows every template before and after a run, in both renderers and languages: -m tests.comfy.screenshots FOLDER

The run is with the demo's models in the place of the loaders', on a picture of shapes. `--only WORD` takes the
templates whose name has it. What other models paint is shown before alone, and the app after its run in
test_browser.py. Chinese wants a font that has it.
"""

from __future__ import annotations

import argparse
import io
import itertools
import sys
import tempfile
from pathlib import Path

from ..tools.workflow_painters import PAINTERS
from .conftest import PACK, VERSIONS
from .flows import APP, WORKFLOWS, load
from .scenes import drawn_scene, painted
from .seen import PATIENCE, Seen, looking_at
from .served import Server

SEED, PICTURE = 9, "shapes.png"
SIZE = (2200, 1250)
MARGIN = (70, 80, 30, 30)
_TO_SHAPES = """([slots, picture, texts]) => {
    const nodes = [...app.graph.nodes], set = (node, name, value) => {
        const widget = node.widgets?.find(widget => widget.name === name)
        if (!widget) return
        widget.value = value
        widget.callback?.(value)
    }
    const loaders = nodes.filter(node => node.type in slots)
    if (loaders.length) {
        const shapes = LiteGraph.createNode('LearnableRegions_LoadShapesDemo')
        shapes.pos = [0, Math.max(...app.graph.groups.map(g => g.pos[1] + g.size[1])) + 80]
        app.graph.add(shapes)
        for (const node of loaders) for (const [place, output] of node.outputs.entries())
            for (const id of [...output.links ?? []]) {
                const link = app.graph.links.get(id)
                shapes.connect(slots[node.type][place], app.graph.getNodeById(link.target_id), link.target_slot)
            }
        for (const node of nodes) {
            if (node.type === 'LoadImage') set(node, 'image', picture)
            if (node.type === 'PrimitiveString') set(node, 'value', texts.shift())
            if (node.type === 'LearnableRegions_FindRegion') set(node, 'image_caption', texts[0])
            if (node.type === 'KSampler') {
                set(node, 'cfg', 3)
                set(node, 'sampler_name', 'ddim')
                set(node, 'scheduler', 'ddim_uniform')
            }
        }
    }
    const edit = nodes.find(node => node.type === 'LearnableRegions_RegionInpaintOptimize')
    if (loaders.length && edit) { set(edit, 'preset', 'standard'); set(edit, 'cfg', 3) }
}"""
SLOTS = {
    "CheckpointLoaderSimple": [0, 1, 2],
    "UNETLoader": [0],
    "DualCLIPLoader": [1],
    "VAELoader": [2],
    "LearnableRegions_LoadEditingModels": [0, 1, 2, 3, 4],
    "LearnableRegions_LoadDinoEncoder": [3],
    "LearnableRegions_LoadClipScorer": [4],
}
_SHOWN = """() => app.graph.nodes.filter(n => n.type === 'PreviewImage' || n.type === 'MaskPreview')
    .every(n => n.imgs?.[0]?.naturalWidth > 0)"""


def bring(seen: Seen, path: Path) -> None:
    """Lay a workflow on the canvas; a page that was slow to come back may lay out its last one over it."""
    flow = load(path)
    while True:
        seen.page.evaluate("flow => app.loadGraphData(flow)", flow)
        seen.page.wait_for_timeout(2500)  # widgets come by and by
        if seen.canvas()["kinds"] == sorted(node["type"] for node in flow["nodes"]):
            return


def run(seen: Seen, picture: str, texts: list[str]) -> None:
    """Run what is on the canvas with the demo's models, until every preview shows its picture."""
    seen.page.evaluate(_TO_SHAPES, [SLOTS, picture, texts])
    seen.page.get_by_test_id("queue-button").click()
    seen.page.wait_for_function(_SHOWN, timeout=10 * PATIENCE)
    seen.page.wait_for_timeout(1500)


def main() -> None:
    """Write FOLDER/TEMPLATE, LANGUAGE, RENDERER, before|after.png."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="", metavar="WORD")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = Server(VERSIONS[0], PACK, Path(folder) / "base")
        try:
            server.wait()
            server.touch_models(WORKFLOWS)
            picture, caption, wish, truth = drawn_scene(server, SEED)
            file = io.BytesIO()
            picture.save(file, "PNG")
            server.upload(PICTURE, file.getvalue())
            server.upload(f"masked {PICTURE}", painted(picture, truth, 12))
            with looking_at(server, args.folder, SIZE) as seen:
                for path in (one for one in WORKFLOWS if args.only in one.stem and one != APP):
                    for language, renderer in itertools.product(("en", "zh"), ("classic", "vue")):
                        seen.set("Comfy.Locale", language)
                        seen.draw_with(renderer)
                        seen.reload()
                        bring(seen, path)
                        name = f"{path.stem}, {language}, {renderer}"
                        seen.fit(MARGIN)
                        seen.shoot(f"{name}, before")
                        if path.stem in PAINTERS:
                            continue
                        run(seen, f"masked {PICTURE}" if "Mask" in path.stem else PICTURE, [caption, wish])
                        seen.fit(MARGIN)
                        print(seen.shoot(f"{name}, after"), seen.canvas()["hanging"], file=sys.stderr)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
