"""The app among the templates, as a person uses it: opened from the browser's App tab, filled in, run."""

from __future__ import annotations

from .flows import APP, load
from .seen import PATIENCE, Seen

_FILL = """([picture, caption, wish, models]) => {
    const set = (kind, name, value, place = 0) => {
        const widget = app.graph.nodes.filter(n => n.type === kind)[place].widgets.find(w => w.name === name)
        widget.value = value
        widget.callback?.(value)
    }
    set('LoadImage', 'image', picture)
    set('PrimitiveString', 'value', caption)
    set('PrimitiveString', 'value', wish, 1)
    set('LearnableRegions_LoadEditingModels', 'models', models)
    set('LearnableRegions_RegionInpaintOptimize', 'cfg', 3)
}"""
_PICTURES = """() => [...document.querySelectorAll('img')].filter(image => /type=(temp|output)/.test(image.src))
    .map(image => [image.naturalWidth, image.naturalHeight])"""


def open_app(seen: Seen) -> list[str]:
    """Pick it among the apps; names of the widgets that it shows."""
    seen.open_templates()
    page = seen.page
    page.get_by_role("dialog").get_by_role("button", name="App", exact=True).first.click()
    page.get_by_test_id(f"template-workflow-{APP.stem}").click()
    page.get_by_role("button", name="Skip").click()  # of the front end's own tour
    labels = page.get_by_test_id("builder-widget-label")
    labels.nth(len(load(APP)["extra"]["linearData"]["inputs"]) - 1).wait_for()
    return labels.all_inner_texts()


def run_app(seen: Seen, picture: str, caption: str, wish: str) -> list[list[int]]:
    """Fill it in with the demo's models and press Run; sizes of the pictures that it then shows."""
    seen.page.evaluate(_FILL, [picture, caption, wish, "demo: shapes, nothing to download"])
    seen.page.get_by_test_id("linear-run-button").get_by_role("button", name="Run", exact=True).click()
    shown = len(load(APP)["extra"]["linearData"]["outputs"])
    seen.page.wait_for_function(
        f"count => ({_PICTURES})().filter(([width]) => width > 0).length >= count", arg=shown, timeout=2 * PATIENCE
    )
    # previews come before the result, which is the scene before and after with a line between
    seen.page.wait_for_function(
        f"wide => ({_PICTURES})().some(([width]) => width === wide)", arg=2 * 128 + 8, timeout=2 * PATIENCE
    )
    return seen.page.evaluate(_PICTURES)
