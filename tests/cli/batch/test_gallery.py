"""The page of a run, opened from disk in a headless Chromium: 500 edits, and it all works.

Its pictures go to the folder that SCREENSHOTS names, or to pytest's own temporary one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from region_core.demo.worlds import held_out
from region_core.edits_list.items import Item
from region_core.edits_list.page import Row, write_page
from region_core.edits_list.places import Place
from region_core.files import write_json
from region_core.settings import EditSettings

from ...comfy.seen import chromium

COUNT, FAILED, WAITING = 500, 7, 11
CAPTIONS = ("a cat", "树 <b>不</b> 是", "ein Löwe 🦁", "quotes \" and ' and &amp;")


def row(root: Path, number: int) -> Row:
    key = f"folder with spaces/图 {number} 🦊.png"
    item = Item(key, key, root / "none.png", CAPTIONS[number % 4], f"wish {number}", "", EditSettings(seed=number))
    place = Place(root, item.folder)
    if number < FAILED + WAITING:
        return Row(item, place, None, "the model <did> not answer" if number < FAILED else "")
    scene = Image.fromarray(held_out(1, number % 5)[0].image)
    place.folder.mkdir(parents=True)
    place.edited.parent.mkdir(parents=True, exist_ok=True)
    for name in ("before", "region", "after"):
        scene.save(place.folder / f"{name}.jpg")
    scene.save(place.edited)
    report = {
        "verdict": "edited",
        "box": [1, 2, 30, 40],
        "score": number / 100,
        "source_score": 0.5,
        "seed": number,
        "unet_evaluations": 160,
        "seconds": 1.5,
        "picture_size": [128, 128],
    }
    write_json(place.folder / "report.json", report)
    return Row(item, place, report)


def test_what_limits_an_answer_is_on_its_card(tmp_path: Path) -> None:
    done = row(tmp_path, FAILED + WAITING)
    limits = {"note": "The file holds 2 frames", "notes": ["2 steps: most models leave a smear"]}
    write_page(tmp_path, [replace(done, report={**(done.report or {}), **limits})])
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "2 steps: most models leave a smear; The file holds 2 frames" in page
    several = [{"request": "a cup -> a vase", "reason": "", "notes": ["it overlaps"]}, {"request": "b", "reason": ""}]
    write_page(tmp_path, [replace(done, report={**(done.report or {}), "edits": several})])
    assert '<p class="note" dir="auto">a cup -&gt; a vase: it overlaps</p>' in (tmp_path / "index.html").read_text(
        "utf-8"
    )


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The page in a browser, with `problems` that its console told of."""
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright here")
    program = chromium()
    if program is None:
        pytest.skip("no Chromium here: set CHROMIUM to the program")
    root = tmp_path_factory.mktemp("a run 图")
    write_page(root, [row(root, number) for number in range(COUNT)], can_pick=True)
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        shown = browser.new_page(viewport={"width": 1500, "height": 950})
        shown.problems = []
        shown.on("console", lambda message: message.type == "error" and shown.problems.append(message.text))
        shown.on("pageerror", lambda error: shown.problems.append(str(error)))
        shown.goto((root / "index.html").as_uri())
        shown.pictures = Path(os.environ.get("SCREENSHOTS") or root)
        try:
            yield shown
        finally:
            browser.close()


def seen(page: Any) -> list[str]:
    return page.evaluate("() => [...document.querySelectorAll('.card')].filter(c => !c.hidden).map(c => c.id)")


def test_every_edit_has_its_card_and_pictures_come_into_view(page: Any) -> None:
    assert len(seen(page)) == COUNT
    assert "the model <did> not answer" in page.locator("#i0").inner_text()
    assert "树 <b>不</b> 是" in page.locator("#i1").inner_text()
    for number in (FAILED + WAITING, COUNT // 2, COUNT - 1):
        card = page.locator(f"#i{number}")
        card.scroll_into_view_if_needed()
        page.wait_for_function(
            "id => [...document.querySelectorAll(`#${id} img`)].every(i => i.complete && i.naturalWidth === 128)",
            arg=f"i{number}",
        )
        assert card.locator("img").count() == 3
    page.screenshot(path=page.pictures / "gallery.png")
    assert f'--pick "folder with spaces/图 {COUNT - 1} 🦊.png=2"' in card.inner_text()
    assert "--pick" not in page.locator("#i0").inner_text()
    assert page.problems == []


def test_cards_are_filtered_found_and_put_in_order(page: Any) -> None:
    page.get_by_label("failed").check()
    assert len(seen(page)) == FAILED
    page.get_by_label("all").check()
    page.get_by_label("Find a name or text").fill("图 321 ")
    assert seen(page) == ["i321"]
    page.get_by_label("Find a name or text").fill("no such thing")
    assert seen(page) == []
    assert page.get_by_text("Nothing matches.").is_visible()
    page.get_by_label("Find a name or text").fill("")
    page.get_by_label("Order").select_option("down")
    assert seen(page)[:2] == [f"i{COUNT - 1}", f"i{COUNT - 2}"]
    page.get_by_label("Order").select_option("")
    assert seen(page)[0] == "i0"
    assert page.problems == []


def test_an_edit_is_enlarged_and_the_keys_lead_on(page: Any) -> None:
    first = FAILED + WAITING
    page.locator(f"#i{first} a.three").click()
    large = page.get_by_role("dialog")
    large.wait_for()
    assert f"wish {first}" in large.inner_text()
    page.wait_for_function(
        "() => [...document.querySelectorAll('dialog img')].every(i => i.complete && i.naturalWidth > 0)"
    )
    page.screenshot(path=page.pictures / "gallery enlarged.png")
    page.keyboard.press("ArrowRight")
    assert f"wish {first + 1}" in large.inner_text()
    page.keyboard.press("Escape")
    assert not large.is_visible()
    assert page.problems == []
