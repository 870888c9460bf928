"""The person's way: ComfyUI's own front end in a headless Chromium.

Screenshots go to the folder that SCREENSHOTS names, or to pytest's own temporary one.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .app import open_app, run_app
from .conftest import VERSIONS
from .flows import APP, BLUEPRINTS, DEMO, FINDING, OURS, PACK, SD2, WORKFLOWS, load
from .scenes import drawn_scene
from .seen import PATIENCE, Seen, looking_at
from .served import Server

pytestmark = pytest.mark.parametrize("server", VERSIONS[:1] or [None], indirect=True)


@pytest.fixture(scope="module")
def seen(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    """One browser for all; the models that workflows name lie there, as empty files."""
    server.touch_models(WORKFLOWS)
    folder = os.environ.get("SCREENSHOTS") or tmp_path_factory.mktemp("screenshots")
    with looking_at(server, Path(folder)) as page:
        yield page


@pytest.mark.parametrize("path", [path for path in WORKFLOWS if path != APP], ids=lambda path: path.stem)
def test_a_template_opens_whole(seen: Seen, path: Path) -> None:
    seen.open_templates()
    card = seen.page.get_by_test_id(f"template-workflow-{path.stem}")
    card.scroll_into_view_if_needed()  # pictures are loaded as they come into view
    picture = card.locator("img").first
    picture.wait_for()
    handle = picture.element_handle()
    seen.page.wait_for_function("image => image.complete && image.naturalWidth > 0", arg=handle)
    seen.pick_template(path)
    found = seen.canvas()
    assert found["kinds"] == sorted(node["type"] for node in load(path)["nodes"])
    # the photograph of the verify template is named, and the person puts it there
    names_a_file = any(node["type"] == "LoadImage" for node in load(path)["nodes"])
    for flaw in ("unknown", "wrong", "crowded", "cut"):
        own = {"LoadImage"} if flaw == "wrong" and names_a_file else set()
        assert not set(found[flaw]) - own, flaw
    seen.fit()
    assert seen.shoot(f"template {path.stem}").stat().st_size > 0


@pytest.mark.parametrize("renderer", ["vue", "classic"])
def test_the_demo_runs_at_the_press_of_run(seen: Seen, renderer: str) -> None:
    seen.draw_with(renderer)
    seen.open_templates()
    seen.pick_template(DEMO)
    # another seed for each, or ComfyUI has it already and shows no preview
    seen.page.evaluate(
        "seed => { app.graph.nodes.find(n => n.title === 'Edit Several Regions').widgets"
        ".find(w => w.name === 'seed').value = seed }",
        {"classic": 42, "vue": 43}[renderer],
    )
    seen.page.get_by_test_id("queue-button").click()
    seen.page.wait_for_function(
        "() => app.graph.nodes.find(n => n.title.startsWith('After'))?.imgs?.[0]?.naturalWidth > 0",
        timeout=2 * PATIENCE,
    )
    assert seen.pictures("After") == [[128, 128]]
    seen.fit()
    seen.shoot(f"demo after its run, {renderer}")
    # the live preview has made a node of the classic renderer larger
    found = seen.canvas()
    assert not found["hanging"]
    assert not found["crowded"]


def test_the_help_page_of_a_node_shows(seen: Seen) -> None:
    seen.page.evaluate("flow => app.loadGraphData(flow)", load(FINDING))
    seen.fit()
    seen.page.mouse.click(*seen.title_bar("Region Inpaint Optimize"))
    seen.page.get_by_test_id("info-button").click()
    seen.page.get_by_text("Finds the region that the caption names").wait_for()
    seen.shoot("help page")


def as_saved_before(flow: dict) -> dict:
    """The workflow as it was saved before presets showed their own inputs."""
    edit = next(node for node in flow["nodes"] if node["type"].endswith("RegionInpaintOptimize"))
    edit["widgets_values"] = [
        *("custom", 7, "fixed", 21, 2.5, "euler", "normal", 0.9, 1, 2, 10, 0.005, 0, 4, 1.0, 3, 1, 8, 2.5, 1.5, 0.0),
        *("exact", 64, False, "auto", 11.0, 16.0),
    ]
    names = ("per_image_iteration", "lr", "looks_per_round", "finalists", "drafts", "test_alpha", "screen", "previews")
    edit["inputs"] += [{"name": name, "type": "INT", "widget": {"name": name}, "link": None} for name in names]
    generator = next(node for node in flow["nodes"] if node["type"].endswith("RegionGenerator"))
    generator["widgets_values"] = [9, 12, 42, "fixed"]
    loss = next(node for node in flow["nodes"] if node["type"].endswith("ClipRegionLoss"))
    loss["widgets_values"] = ["", "", 1.0, 1.0, 1.0, 2, 0.0, 1.0]
    return flow


def test_a_workflow_that_was_saved_before_keeps_its_values(seen: Seen) -> None:
    prompt = seen.page.evaluate(
        "async flow => { await app.loadGraphData(flow); return (await app.graphToPrompt()).output }",
        as_saved_before(load(SD2)),
    )
    edit, generator = (
        next(node["inputs"] for node in prompt.values() if node["class_type"].endswith(kind))
        for kind in ("RegionInpaintOptimize", "RegionGenerator")
    )
    kept = {
        **{"preset": "custom", "preset.num_regions": 3, "preset.test_alpha": 2.5, "preset.test_beta": 1.5, "seed": 7},
        **{"steps": 21, "cfg": 2.5, "sampler_name": "euler", "scheduler": "normal", "denoise": 0.9, "mask_grow": 1},
        **{"mask_feather": 2, "native_size": 64, "mask_grow_percent": 11, "mask_feather_percent": 16},
    }
    assert {name: edit[name] for name in kept} == kept
    assert generator["max_window_size"] == 12
    assert all(isinstance(edit[name], list) for name in ("model", "vae", "positive", "image", "generator", "loss"))
    assert set(seen.canvas()["wrong"]) <= {"LoadImage"}  # a person's picture


def test_a_preset_shows_its_own_widgets_in_both_languages(seen: Seen) -> None:
    for language, word in (("en", "lr"), ("zh", "\u5b66\u4e60\u7387")):
        seen.set("Comfy.Locale", language)
        seen.reload()
        shown = seen.page.evaluate("""() => {
            app.graph.clear()
            const node = LiteGraph.createNode('LearnableRegions_RegionInpaintOptimize')
            app.graph.add(node)
            const own = () => node.widgets.filter(w => w.name.startsWith('preset.')).map(w => [w.name, w.label])
            const set = value => { node.widgets.find(w => w.name === 'preset').value = value }
            const found = {}
            for (const preset of ['quality', 'paper', 'custom', 'standard']) { set(preset); found[preset] = own() }
            return found
        }""")
        assert shown["quality"] == shown["standard"] == []
        assert len(shown["custom"]) == 3
        assert ["preset.lr", word] in shown["paper"]
    seen.set("Comfy.Locale", "en")
    seen.reload()


_HELP = """() => {
    const page = document.querySelector('.node-help-content'), picture = page.querySelector('img')
    return {
        wide: [...page.querySelectorAll('*')].filter(e => e.scrollWidth > page.clientWidth + 1).map(e => e.tagName),
        picture: picture?.complete && picture.naturalWidth, text: page.innerText,
    }
}"""


@pytest.mark.parametrize("language", ["zh", "en"])
def test_help_fits_its_panel_and_shows_the_node(seen: Seen, language: str) -> None:
    seen.set("Comfy.Locale", language)
    seen.draw_with("vue")
    seen.reload()
    for name in OURS:
        seen.alone(name)
        seen.page.locator("[data-node-id]").first.click(position={"x": 130, "y": 15})
        seen.page.get_by_test_id("info-button").click()
        title = load(PACK / "locales" / language / "nodeDefs.json")[name]["display_name"]
        seen.page.locator(".node-help-content h1").filter(has_text=title).wait_for()
        seen.page.wait_for_function(f"() => ({_HELP})().picture > 0")
        found = seen.page.evaluate(_HELP)
        assert not found["wide"], (name, found["wide"])
        assert ("\u8f93" in found["text"]) == (language == "zh"), name  # a letter of "input" and "output"
        seen.shoot(f"help {name} {language}")


@pytest.mark.parametrize("path", BLUEPRINTS, ids=lambda path: path.stem)
def test_a_blueprint_is_offered_and_opens_whole(seen: Seen, path: Path) -> None:
    seen.page.evaluate("() => app.graph.clear()")
    seen.page.get_by_role("button", name="Node Library").first.click()
    seen.page.get_by_placeholder("Search...").first.fill(path.stem)
    seen.page.get_by_text(path.stem).first.click()
    seen.page.mouse.move(1000, 500)
    seen.page.mouse.click(1000, 500)
    seen.page.wait_for_function("() => app.graph.nodes.length === 1")
    outer, inside = seen.page.evaluate("""() => {
        const node = app.graph.nodes[0]
        return [node.inputs.map(i => i.name), node.subgraph.nodes.map(n => n.type).sort()]
    }""")
    seen.shoot(f"blueprint {path.stem}")
    flow = load(path)
    assert outer == [slot["name"] for slot in flow["nodes"][0]["inputs"]]
    assert inside == sorted(n["type"] for n in flow["definitions"]["subgraphs"][0]["nodes"])


# the blueprint with the demo's models, a scene before it and a Preview Image after it
_WIRED = """() => {
    const edit = app.graph.nodes[0]
    const add = (kind, pos) => {
        const node = LiteGraph.createNode(kind)
        node.pos = pos
        app.graph.add(node)
        return node
    }
    const place = name => edit.inputs.findIndex(input => input.name === name)
    const scene = add('LearnableRegions_ShapesScene', [edit.pos[0] - 400, edit.pos[1]])
    scene.widgets.find(widget => widget.name === 'seed').value = 9
    const after = add('PreviewImage', [edit.pos[0] + 600, edit.pos[1]])
    after.title = 'After'
    for (const [slot, name] of ['image', 'image_caption', 'editing_prompt'].entries()) {
        scene.connect(slot, edit, place(name))
    }
    edit.connect(0, after, 0)
    const set = (name, value) => { edit.widgets.find(widget => widget.name === name).value = value }
    set('models', 'demo: shapes, nothing to download')
    set('cfg', 3)
    set('steps', 6)
    return edit.widgets.map(widget => widget.name)
}"""


@pytest.mark.parametrize("path", BLUEPRINTS, ids=lambda path: path.stem)
def test_a_blueprint_runs_with_the_demo_models(seen: Seen, path: Path) -> None:
    seen.draw_with("vue")
    if len(seen.canvas()["kinds"]) != 1:
        pytest.skip("the blueprint is not there: see the test before")
    widgets = seen.page.evaluate(_WIRED)
    assert {"steps", "cfg", "negative", "mask_grow_percent", "models", "preset"} <= set(widgets)
    seen.page.get_by_test_id("queue-button").click()
    seen.page.wait_for_function(
        "() => app.graph.nodes.find(n => n.title.startsWith('After'))?.imgs?.[0]?.naturalWidth > 0",
        timeout=2 * PATIENCE,
    )
    assert seen.pictures("After") == [[128, 128]]
    seen.fit()
    seen.shoot(f"blueprint {path.stem} after its run")


def test_the_app_is_among_the_apps_and_edits_without_a_graph(seen: Seen, server: Server) -> None:
    with ThreadPoolExecutor() as beside:  # the browser has this thread's event loop
        picture, caption, wish, _ = beside.submit(drawn_scene, server, 9).result()
    file = io.BytesIO()
    picture.save(file, "PNG")
    seen.reload()
    labels = open_app(seen)
    assert [label.split(" \u00b7 ")[0] for label in labels] == [
        *("Picture", "What is there", "What should be there", "Which region, 1 the best", "Models", "Seed")
    ]
    assert not seen.page.locator("#graph-canvas").is_visible()
    sizes = run_app(seen, server.upload("shapes of the app.png", file.getvalue()), caption, wish)
    seen.shoot("app after its run")
    assert [2 * 128 + 8, 128] in sizes, "before and after in one view"
    assert [128, 128] in sizes
