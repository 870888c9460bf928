"""Shows every template before and after a run, in both renderers and languages: -m tests.comfy.screenshots FOLDER

A table says of each what is wrong: nodes that are missing, red, cut, over each other or out of their frame, and
errors in the console that an empty page has not; the exit status is 1 where there is any. The run is with the demo's
models in the place of the loaders', on a picture of shapes. `--only WORD` takes the templates whose name has it. What
other models paint is shown before alone, and the app after its run in test_browser.py. Chinese wants a font that has
it.
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
    if (loaders.length && edit) {
        const paper = edit.widgets.find(widget => widget.name === 'preset').value === 'paper'
        const few = {'preset.per_image_iteration': 2, 'preset.point_number': 3, steps: 4}
        const given = {cfg: 3, ...(paper ? few : {preset: 'standard'})}
        for (const name in given) set(edit, name, given[name])
    }
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
_SHOWN = """() => app.graph.nodes.filter(n => ['PreviewImage', 'MaskPreview', 'SaveImage'].includes(n.type))
    .every(n => n.imgs?.[0]?.naturalWidth > 0) || app.lastExecutionError"""
_LAID_OVER = """() => {
    const nodes = [...document.querySelectorAll('[data-node-id]')].map(e => [e.innerText.split('\\n')[0],
        e.getBoundingClientRect()]).filter(([, box]) => box.width)
    return nodes.flatMap(([name, a], i) => nodes.slice(i + 1).filter(([, b]) => a.left < b.right - 1
        && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1).map(([other]) => [name, other]))
}"""  # the "vue" renderer's nodes can be larger than their graph says


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
    seen.page.wait_for_function(_SHOWN, timeout=4 * PATIENCE)
    seen.page.wait_for_timeout(1500)


def flaws(seen: Seen, heard: list[str], known: set[str], before: bool) -> list[str]:
    """What is wrong with the page as it is, in words; forgets what the console said."""
    found = seen.canvas()
    # a person's picture is named, and the person puts it there
    found["wrong"] = [kind for kind in found["wrong"] if kind != "LoadImage"]
    if not before:  # a live preview takes room from its node in the classic renderer
        found["cut"] = []
    found["laid over"] = seen.page.evaluate(_LAID_OVER)
    found["console"] = [text for text in heard if text not in known]
    heard.clear()
    names = ("unknown", "wrong", "crowded", "hanging", "cut", "laid over", "console")
    return [f"{name}: {found[name]}" for name in names if found[name]]


def look(seen: Seen, heard: list[str], paths: list[Path], truth: tuple[str, str]) -> dict[tuple[str, str], list[str]]:
    """Screenshots of all templates, and what is wrong by template and by the way it is shown."""
    found: dict[tuple[str, str], list[str]] = {}
    for language, renderer in itertools.product(("en", "zh"), ("classic", "vue")):
        seen.set("Comfy.Locale", language)
        seen.draw_with(renderer)
        seen.reload()
        seen.page.evaluate("() => app.graph.clear()")
        seen.page.wait_for_timeout(1000)
        known = set(heard)
        heard.clear()
        for path in paths:
            way, name = f"{language} {renderer}", f"{path.stem}, {language}, {renderer}"
            bring(seen, path)
            if path == APP:
                seen.page.keyboard.press("Escape")  # of the front end's own tour
            seen.fit(MARGIN)
            seen.shoot(f"{name}, before")
            wrong = found[path.stem, way] = flaws(seen, heard, known, before=True)
            if path.stem not in PAINTERS and path != APP:
                run(seen, f"masked {PICTURE}" if "Mask" in path.stem else PICTURE, list(truth))
                seen.fit(MARGIN)
                seen.shoot(f"{name}, after")
                wrong += [f"after: {flaw}" for flaw in flaws(seen, heard, known, before=False)]
            print(name, wrong or "ok", file=sys.stderr, flush=True)
    return found


def main() -> int:
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
            heard: list[str] = []
            with looking_at(server, args.folder, SIZE) as seen:
                seen.page.on("console", lambda said: heard.append(said.text) if said.type == "error" else None)
                seen.page.on("pageerror", lambda error: heard.append(str(error)))
                paths = [path for path in WORKFLOWS if args.only in path.stem]
                found = look(seen, heard, paths, (caption, wish))
        finally:
            server.stop()
    for (name, way), wrong in sorted(found.items()):
        print(f"{name} | {way} | {'; '.join(wrong) or 'ok'}")
    return any(found.values())


if __name__ == "__main__":
    sys.exit(main())
