"""ComfyUI as a person has it before them: a headless Chromium with its front end."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from .flows import load
from .served import PACK_FOLDER, Server

_READY = """() => window.app?.graph && window.LiteGraph
    && Object.keys(LiteGraph.registered_node_types).some(name => name.startsWith('LearnableRegions_'))"""
_SEEN = """() => {
    const nodes = app.graph.nodes
    const box = n => [n.pos[0], n.pos[1] - 30, n.pos[0] + n.size[0], n.pos[1] + n.size[1]]
    const meet = (a, b) => a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3]
    return {
        kinds: nodes.map(n => n.type).sort(),
        unknown: nodes.filter(n => !(n.type in LiteGraph.registered_node_types)).map(n => n.type),
        wrong: nodes.filter(n => n.has_errors).map(n => n.type),
        crowded: nodes.flatMap((a, i) => nodes.slice(i + 1).filter(b => meet(box(a), box(b)))
            .map(b => [a.title, b.title])),
        hanging: app.graph.groups.flatMap(g => nodes.filter(n => {
            const [x0, y0, x1, y1] = box(n), [x, y, w, h] = g.boundingRect
            return (x0 + x1) / 2 > x && (x0 + x1) / 2 < x + w && y0 > y && y0 < y + h
                && !(x0 >= x && x1 <= x + w && y1 <= y + h)
        }).map(n => n.title)),
        cut: nodes.filter(n => n.size[0] < n.computeSize()[0] || n.size[1] < n.computeSize()[1])
            .map(n => n.title),
    }
}"""
_FIT = """margin => {
    const boxes = [...app.graph.groups, ...app.graph.nodes].map(g => g.boundingRect)
    const x0 = Math.min(...boxes.map(b => b[0])), y0 = Math.min(...boxes.map(b => b[1]))
    const x1 = Math.max(...boxes.map(b => b[0] + b[2])), y1 = Math.max(...boxes.map(b => b[1] + b[3]))
    const view = app.canvas.ds, [left, top, right, bottom] = margin
    view.scale = Math.min((innerWidth - left - right) / (x1 - x0),
                          (innerHeight - top - bottom) / (y1 - y0))
    view.offset = [left / view.scale - x0, top / view.scale - y0]
    app.canvas.setDirty(true, true)
    return [left, top, left + (x1 - x0) * view.scale, top + (y1 - y0) * view.scale]
}"""
_ALONE = """kind => {
    app.graph.clear()
    const node = LiteGraph.createNode(kind)
    node.pos = [300, 250]
    app.graph.add(node)
}"""
_UNMOVED = "() => { app.canvas.ds.scale = 1; app.canvas.ds.offset = [0, 0]; app.canvas.setDirty(true, true) }"
PATIENCE = 60_000  # milliseconds; a wait ends when the thing is there


def chromium() -> str | None:
    """A Chromium or Chrome: CHROMIUM names it, or it lies on the path."""
    return os.environ.get("CHROMIUM") or next(
        (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
    )


class Seen:
    """A page with the front end, and what is on its canvas."""

    def __init__(self, page: Any, url: str, folder: Path) -> None:
        self.page, self.folder = page, folder
        self.url = url
        page.set_default_timeout(PATIENCE)
        self.reload()

    def reload(self) -> None:
        """Open the front end anew, as a language wants it."""
        self.page.goto(self.url, wait_until="domcontentloaded")
        self.page.wait_for_function(_READY)
        self.page.wait_for_load_state("networkidle")  # the last workflow is laid out again by then

    def set(self, name: str, value: Any) -> None:
        """Change one of the front end's settings."""
        self.page.evaluate("([name, value]) => app.extensionManager.setting.set(name, value)", [name, value])

    def open_templates(self) -> None:
        """The template browser, at this pack's page."""
        self.page.get_by_role("button", name="Templates").first.click()
        self.page.get_by_role("dialog").get_by_text(PACK_FOLDER).first.click()

    def pick_template(self, path: Path) -> None:
        """Click a template and wait until it is on the canvas."""
        kinds = sorted(node["type"] for node in load(path)["nodes"])
        self.page.get_by_test_id(f"template-workflow-{path.stem}").click()
        self.page.wait_for_function(
            "kinds => JSON.stringify(app.graph.nodes.map(n => n.type).sort()) === kinds",
            arg=json.dumps(kinds, separators=(",", ":")),
        )
        self.page.get_by_test_id("template-workflows-content").wait_for(state="hidden")

    def draw_with(self, renderer: str) -> None:
        """Draw nodes with the "classic" renderer, or with the "vue" one, from now on."""
        self.set("Comfy.VueNodes.Enabled", renderer == "vue")

    def alone(self, kind: str) -> Any:
        """Put a fresh node of a kind on an empty canvas; its element, of the "vue" renderer."""
        from playwright.sync_api import TimeoutError as TooLong

        for wait in (5_000, 10_000, 15_000, PATIENCE):
            self.page.evaluate(_ALONE, kind)
            self.page.evaluate(_UNMOVED)
            title = self.page.evaluate("() => app.graph.nodes[0].title")
            node = self.page.locator("[data-node-id]").filter(has_text=title).first
            try:
                node.wait_for(timeout=wait)
            except TooLong:
                if wait == PATIENCE:
                    raise
                continue
            self.page.wait_for_timeout(1000)  # its widgets come by and by, and after a reload the view as it was
            # a page that was slow to come back may have laid out its last workflow only now
            if self.page.evaluate("kind => app.graph.nodes.map(n => n.type).join() === kind", kind):
                break
        self.page.evaluate(_UNMOVED)
        self.page.wait_for_timeout(300)
        return node

    def canvas(self) -> dict:
        """Kinds of nodes on the canvas, and what is wrong with them."""
        return self.page.evaluate(_SEEN)

    def fit(self, margin: tuple[int, int, int, int] = (80, 90, 40, 40)) -> list[float]:
        """Bring the whole graph into view, between margins left, top, right, bottom; its box."""
        box = self.page.evaluate(_FIT, list(margin))
        self.page.wait_for_timeout(500)  # a few frames
        return box

    def title_bar(self, title: str) -> list[float]:
        """Where on the page a node's title is."""
        return self.page.evaluate(
            "title => { const n = app.graph.nodes.find(n => n.title === title), d = app.canvas.ds;"
            "return [(n.pos[0] + 150 + d.offset[0]) * d.scale,"
            "        (n.pos[1] - 15 + d.offset[1]) * d.scale] }",
            title,
        )

    def shoot(self, name: str) -> Path:
        """What the page shows now, as a picture of that name among the screenshots."""
        path = self.folder / f"{name}.png"
        self.page.screenshot(path=path)
        return path

    def pictures(self, title: str) -> list[list[int]]:
        """Sizes of the pictures that a node of this title, in English, shows."""
        return self.page.evaluate(
            "title => (app.graph.nodes.find(n => n.title.split(' \u00b7 ')[0] === title)?.imgs ?? [])"
            ".map(i => [i.naturalWidth, i.naturalHeight])",
            title,
        )


@contextmanager
def looking_at(server: Server, folder: Path, size: tuple[int, int] = (1600, 1000)) -> Iterator[Seen]:
    """A fresh browser at a server; skips where there is none. Its screenshots go to `folder`."""
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright here")
    program = chromium()
    if program is None:
        pytest.skip("no Chromium here: set CHROMIUM to the program")
    folder.mkdir(parents=True, exist_ok=True)
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu", "--mute-audio"]
        )
        try:
            yield Seen(browser.new_page(viewport={"width": size[0], "height": size[1]}), server.url, folder)
        finally:
            browser.close()
