"""The person's way: ComfyUI's own front end in a headless Chromium.

Screenshots go to the folder that SCREENSHOTS names, or to pytest's own temporary one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import VERSIONS
from .flows import BLUEPRINTS, PACK, WORKFLOWS, load
from .seen import PATIENCE, Seen, looking_at
from .served import Server

pytestmark = pytest.mark.parametrize("server", VERSIONS[:1] or [None], indirect=True)
DEMO = PACK / "workflows" / "learnable_regions_demo.json"


@pytest.fixture(scope="module")
def seen(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    """One browser for all; the models that workflows name lie there, as empty files."""
    server.touch_models(WORKFLOWS)
    folder = os.environ.get("SCREENSHOTS") or tmp_path_factory.mktemp("screenshots")
    with looking_at(server, Path(folder)) as page:
        yield page


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_template_opens_whole(seen: Seen, path: Path) -> None:
    seen.open_templates()
    card = seen.page.get_by_test_id(f"template-workflow-{path.stem}")
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


def test_the_demo_runs_at_the_press_of_run(seen: Seen) -> None:
    seen.open_templates()
    seen.pick_template(DEMO)
    seen.page.get_by_test_id("queue-button").click()
    seen.page.wait_for_function(
        "() => app.graph.nodes.find(n => n.title === 'After')?.imgs?.[0]?.naturalWidth > 0", timeout=2 * PATIENCE
    )
    assert seen.pictures("After") == [[128, 128]]
    assert seen.pictures("Before") == [[128, 128]]
    seen.fit()
    seen.shoot("demo after its run")


def test_the_help_page_of_a_node_shows(seen: Seen) -> None:
    seen.page.evaluate("flow => app.loadGraphData(flow)", load(DEMO))
    seen.fit()
    seen.page.mouse.click(*seen.title_bar("Region Inpaint Optimize"))
    seen.page.get_by_test_id("info-button").click()
    seen.page.get_by_text("Finds the region that the caption names").wait_for()
    seen.shoot("help page")


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
