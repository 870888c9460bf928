"""A started ComfyUI of each version, over HTTP and WebSocket, as a script or a browser sees it."""

from __future__ import annotations

import io
import json
import urllib.error
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from PIL import Image, ImageChops

from .conftest import VERSIONS
from .flows import (
    API_DEMO,
    BLUEPRINTS,
    DEMO,
    EDITS,
    OURS,
    PACK,
    PHOTOGRAPH,
    WORKFLOWS,
    as_prompt,
    find,
    load,
    show_text,
    unpacked,
    with_shapes,
)
from .scenes import drawn_scene, painted
from .served import PACK_FOLDER, Heard, Server, template_path


def sockets(info: dict) -> dict:
    """Sockets of a node in /object_info, as the golden file keeps them."""
    inputs = {
        group: {
            key: spec[0] if isinstance(spec[0], str) else "COMBO" for key, spec in info["input"].get(group, {}).items()
        }
        for group in ("required", "optional")
    }
    outputs = [list(pair) for pair in zip(info["output_name"], info["output"], strict=True)]
    return {"inputs": inputs, "outputs": outputs}


def test_all_nodes_are_there_beside_a_decoy(server: Server) -> None:
    infos = server.json("/object_info")
    assert "DecoyNode" in infos, "the decoy did not load, so it proves nothing"
    assert {name: sockets(infos[name]) for name in infos if name.startswith("LearnableRegions_")} == {
        name: {key: own[key] for key in ("inputs", "outputs")} for name, own in OURS.items()
    }
    assert "IMPORT FAILED" not in server.log.read_text()


def test_templates_are_listed_with_their_pictures(server: Server) -> None:
    listed = server.json("/workflow_templates")[PACK_FOLDER]
    assert sorted(listed) == sorted(path.stem for path in WORKFLOWS)  # and not the API form
    for path in WORKFLOWS:
        assert json.loads(server.get(template_path(path.name))) == load(path)
        picture = Image.open(io.BytesIO(server.get(template_path(f"{path.stem}.jpg"))))
        assert picture.format == "JPEG"


def test_blueprints_are_offered(server: Server) -> None:
    try:
        listed = server.json("/global_subgraphs")
    except urllib.error.HTTPError:
        pytest.skip("this ComfyUI knows no blueprints of packs")
    ours = {
        number: entry for number, entry in listed.items() if entry["info"]["node_pack"] == f"custom_nodes.{PACK_FOLDER}"
    }
    assert sorted(entry["name"] for entry in ours.values()) == [path.stem for path in BLUEPRINTS]
    for number, entry in ours.items():
        data = json.loads(server.json(f"/global_subgraphs/{number}")["data"])
        assert data == load(PACK / "subgraphs" / f"{entry['name']}.json")


def test_help_and_translations_are_served(server: Server) -> None:
    texts = server.json("/i18n")
    for name in OURS:
        page = server.get(f"/extensions/{quote(PACK_FOLDER)}/docs/{name}.md").decode()
        assert page.startswith("# ")
        assert server.get(f"/extensions/{quote(PACK_FOLDER)}/docs/{name}/zh.md").decode().startswith("# ")
        for language in ("en", "zh"):
            assert name in texts[language]["nodeDefs"]


class Demo:
    """The demo in API form, with the found box and the true one shown as text."""

    def __init__(self, server: Server) -> None:
        self.server, prompt = server, load(API_DEMO)
        self.edit, self.scene = find(prompt, "RegionInpaintOptimize"), find(prompt, "ShapesScene")
        self.graph = show_text(prompt, found=(self.edit, 2), truth=(self.scene, 4))
        server.forget()  # a browser may have run the same before
        self.first = server.run(self.graph)

    def changed(self, **widgets: Any) -> dict:
        """The same graph with other widgets on Region Inpaint Optimize."""
        graph = json.loads(json.dumps(self.graph))
        graph[self.edit]["inputs"] |= widgets
        return graph

    def pictures(self, heard: Heard) -> list[Image.Image]:
        """All pictures that the graph shows."""
        return [
            Image.open(io.BytesIO(self.server.picture(one)))
            for output in heard.outputs.values()
            for one in output.get("images", [])
        ]


@pytest.fixture(scope="module")
def demo(server: Server) -> Demo:
    return Demo(server)


def overlap(a: dict, b: dict) -> float:
    """Intersection over union of two boxes."""
    wide = min(a["x"] + a["width"], b["x"] + b["width"]) - max(a["x"], b["x"])
    high = min(a["y"] + a["height"], b["y"] + b["height"]) - max(a["y"], b["y"])
    both = max(wide, 0) * max(high, 0)
    return both / (a["width"] * a["height"] + b["width"] * b["height"] - both)


def test_demo_edits_the_object_that_was_named(demo: Demo) -> None:
    heard = demo.first
    assert heard.status == "success", heard.problem
    found, truth = heard.text("found"), heard.text("truth")
    assert overlap(found, truth) >= 0.5, (found, truth)
    assert len(demo.pictures(heard)) == 4


def test_demo_tells_how_far_it_is(demo: Demo) -> None:
    heard = demo.first
    _, values, totals = zip(*(one for one in heard.progress if one[0] == demo.edit and one[1]), strict=True)
    assert list(values) == sorted(values)
    assert len(set(totals)) == 1
    assert values[-1] == totals[-1]
    assert len(set(values)) >= 3  # proposals, the halves of the edit; previews where it is unsure
    frames = [Image.open(io.BytesIO(frame)) for frame in heard.frames]
    assert len(frames) >= 3
    assert all(frame.format == "JPEG" and min(frame.size) > 100 for frame in frames)


def test_a_second_run_is_cached_and_a_seed_reruns_what_hangs_on_it(demo: Demo) -> None:
    assert demo.first.status == "success"
    again = demo.server.run(demo.graph)
    assert again.status == "success"
    assert again.cached == set(demo.graph)
    assert not again.executed

    reseeded = demo.server.run(demo.changed(seed=1))
    assert reseeded.status == "success"
    behind = {
        key
        for key, node in demo.graph.items()
        if any(isinstance(value, list) and value[0] == demo.edit for value in node["inputs"].values())
    }
    assert set(reseeded.executed) == {demo.edit, *behind}


def test_cancel_stops_it_and_the_next_prompt_works(demo: Demo) -> None:
    server = demo.server
    stopped = server.run(demo.changed(seed=2), on_frame=lambda n: server.interrupt())
    assert stopped.status == "interrupted"
    _, done, total = stopped.progress[-1]
    assert done < total
    after = server.run(demo.changed(seed=3))
    assert after.status == "success", after.problem
    assert len(demo.pictures(after)) == 4


def test_a_bad_widget_is_told_before_anything_runs(demo: Demo) -> None:
    heard = demo.server.run(demo.changed(**{"preset": "paper", "preset.learning": "magic"}))
    assert set(heard.refused) == {demo.edit}
    assert "'magic' not in" in json.dumps(heard.refused)
    assert demo.edit not in heard.executed  # what does not hang on it, the picture before, ran


@pytest.mark.parametrize("server", VERSIONS[:1] or [None], indirect=True)
def test_the_first_minute_edits_what_its_line_says(server: Server) -> None:
    prompt = as_prompt(load(DEMO))
    edit, scene = find(prompt, "EditSeveralRegions"), find(prompt, "ShapesScene")
    caption, wish = (text.strip() for text in prompt[edit]["inputs"]["edits"].split("->"))
    heard = server.run(show_text(prompt, box=(edit, 2), truth=(scene, 4), caption=(scene, 1), wish=(scene, 2)))
    assert heard.status == "success", heard.problem
    assert (caption, wish) == (heard.text("caption"), heard.text("wish"))
    assert overlap(heard.text("box"), heard.text("truth")) >= 0.5
    (saved,) = heard.outputs[find(prompt, "SaveImage")]["images"]
    assert saved["type"] == "output"


@pytest.mark.parametrize("server", VERSIONS[:1] or [None], indirect=True)
def test_a_photographs_mask_is_saved(server: Server) -> None:
    picture, caption, wish, truth = drawn_scene(server, 9)
    file = io.BytesIO()
    picture.save(file, "PNG")
    prompt = with_shapes(as_prompt(load(PHOTOGRAPH)), server.upload("shapes.png", file.getvalue()), caption, wish)
    heard = server.run(prompt)
    assert heard.status == "success", heard.problem
    (saved,) = heard.outputs[find(prompt, "SaveImage")]["images"]
    mask = Image.open(io.BytesIO(server.picture(saved))).convert("L")
    left, top, right, bottom = mask.getbbox() or (0, 0, 0, 0)
    assert overlap({"x": left, "y": top, "width": right - left, "height": bottom - top}, truth) >= 0.5


METHOD = [path for path in WORKFLOWS if path.stem.startswith("Published")]
OTHERS = [path for path in EDITS if path not in METHOD]


@pytest.mark.parametrize("server", VERSIONS[:1] or [None], indirect=True)
@pytest.mark.parametrize("path", OTHERS, ids=lambda path: path.stem)
def test_workflows_run_with_the_shapes_models_in_their_loaders(server: Server, path: Path) -> None:
    scene = find(load(API_DEMO), "ShapesScene")
    picture, caption, wish, truth = drawn_scene(server, load(API_DEMO)[scene]["inputs"]["seed"])
    name = server.upload("painted.png", painted(picture, truth, margin=8))
    prompt = with_shapes(as_prompt(load(path)), name, caption, wish)
    edit = find(prompt, "RegionInpaintOptimize")
    heard = server.run(show_text(prompt, found=(edit, 2)))
    assert heard.status == "success", heard.problem
    assert overlap(heard.text("found"), truth) >= 0.3
    result = next(node["id"] for node in load(path)["nodes"] if node.get("title", "").startswith("After"))
    after = Image.open(io.BytesIO(server.picture(heard.outputs[str(result)]["images"][0])))
    assert after.size == picture.size
    changed = ImageChops.difference(after.convert("RGB"), picture.convert("RGB")).getbbox()
    box = heard.text("found")
    assert changed is not None
    grown = 0.26 * (box["width"] * box["height"]) ** 0.5 + 2  # and the fade beyond
    assert changed[0] >= box["x"] - grown
    assert changed[1] >= box["y"] - grown
    assert changed[2] <= box["x"] + box["width"] + grown
    assert changed[3] <= box["y"] + box["height"] + grown


@pytest.mark.parametrize("server", VERSIONS[:1] or [None], indirect=True)
@pytest.mark.parametrize("path", METHOD, ids=lambda path: path.stem)
def test_the_published_method_learns_saves_and_goes_on(server: Server, path: Path) -> None:
    scene = find(load(API_DEMO), "ShapesScene")
    picture, caption, wish, truth = drawn_scene(server, load(API_DEMO)[scene]["inputs"]["seed"])
    name = server.upload("painted.png", painted(picture, truth, margin=8))
    prompt = with_shapes(as_prompt(load(path)), name, caption, wish)
    first = server.run(prompt)
    assert first.status == "success", first.problem
    saved = Path(first.outputs[find(prompt, "SaveLearnedGenerator")]["text"][0])
    titles = {node["title"]: str(node["id"]) for node in load(path)["nodes"] if "title" in node}
    report = first.text(next(key for title, key in titles.items() if title.startswith("Report")))
    assert "2 of the published method" in report
    curve = next(key for title, key in titles.items() if title.startswith("Loss"))
    assert first.outputs[curve]["images"]

    load_again = next(node for node in load(path)["nodes"] if node["type"].endswith("LoadLearnedGenerator"))
    assert load_again["mode"] == 2
    prompt["load"] = {"class_type": load_again["type"], "inputs": {"learned_name": saved.name}}
    prompt[find(prompt, "RegionGenerator")]["inputs"]["learned"] = ["load", 0]
    second = server.run(prompt)
    assert second.status == "success", second.problem
    assert Path(second.outputs[find(prompt, "SaveLearnedGenerator")]["text"][0]) != saved


@pytest.mark.parametrize("path", BLUEPRINTS, ids=lambda path: path.stem)
def test_a_blueprint_runs_with_the_demo_models_by_one_switch(server: Server, path: Path) -> None:
    scene = load(API_DEMO)[find(load(API_DEMO), "ShapesScene")]
    _, _, _, truth = drawn_scene(server, scene["inputs"]["seed"])
    texts = {"image": ["scene", 0], "image_caption": ["scene", 1], "editing_prompt": ["scene", 2]}
    inner, ends = unpacked(load(path), **texts, seed=42, cfg=3.0, models="demo: shapes, nothing to download")
    inner["scene"] = scene
    inner["after"] = {"class_type": "PreviewImage", "inputs": {"images": ends["edited"]}}
    ends = {name: tuple(end) for name, end in ends.items() if name in ("report", "found")}
    heard = server.run(show_text(inner, box=(find(inner, "RegionInpaintOptimize"), 2), **ends))
    assert heard.status == "success", heard.problem
    assert overlap(heard.text("box"), truth) >= 0.5
    assert "edited" in heard.text("report")
    assert heard.outputs["after"]["images"]
    assert str(heard.text("found")) == "True"
