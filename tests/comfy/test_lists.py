"""Lists of edits in a started ComfyUI: one run for each, kept under their names, and gone on with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from region_core.demo.worlds import with_company

from .conftest import Comfy
from .listed import PICTURES, by_lines, counts, graph_of, node_of, put, scene, table, told
from .served import Server


def test_a_folder_is_edited_in_several_runs_and_shown_on_a_page(server: Server) -> None:
    put(server.base / "input" / "shapes", PICTURES)
    graph, out = (
        graph_of("shapes/edits.json", output_folder="edits/first", at_most=3),
        server.base / "output/edits/first",
    )
    graph["names"] = node_of("PreviewAny", source=["list", 6])
    assert "shapes/edits.json" in options(server)
    one = server.run(graph)
    assert one.status == "success", one.problem
    assert told(one, "list") == "3 of 5 edits that are left; run again for the others"
    assert {status: count for status, count in counts(out).items() if status == "waiting"} == {"waiting": 2}
    first = (out / "results").glob("*.png")
    stamps = {path: path.stat().st_mtime_ns for path in first}
    assert len(stamps) == 3
    assert one.outputs["names"]["text"] == ["first.png", "second.png", "third.png"]
    two = server.run(graph)
    assert two.status == "success", two.problem
    assert told(two, "list") == "the last 2 of 5 edits"
    assert all(path.stat().st_mtime_ns == then for path, then in stamps.items()), "what was done was done again"
    rows = table(out)
    assert list(rows) == list(PICTURES)
    assert rows["absent.png"]["status"] == "no region"
    assert sum(row["status"] == "edited" for row in rows.values()) >= 3
    for name, row in rows.items():
        picture, caption, prompt = PICTURES[name]
        assert (row["image_caption"], row["editing_prompt"]) == (caption, prompt)
        after = np.asarray(Image.open(out / row["result"]).convert("RGB"))
        folder = out / "items" / Path(row["result"]).stem
        painted = np.asarray(Image.open(folder / "region.png")) > 0
        assert (after[~painted] == picture[~painted]).all(), "it was saved under another's name, or touched outside"
        assert (after != picture).any() == (row["status"] == "edited")
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        assert report["key"] == name
        assert repr(caption) in report["report"]
        assert not report["report"].startswith("picture 1")
    assert len({row["seed"] for row in rows.values()}) == 5
    page = (out / "index.html").read_text(encoding="utf-8")
    assert all(name in page for name in PICTURES)
    assert [shown["filename"] for shown in two.outputs["save"]["images"]] == [
        Path(rows[name]["result"]).name for name in ("absent.png", "fifth.png")
    ]
    three = server.run(graph)
    assert three.status == "success", three.problem
    assert "save" not in three.outputs
    assert told(three, "list").startswith("nothing is left (")
    anew = server.run(
        {
            **graph,
            "list": node_of(
                "LearnableRegions_LoadEditsList",
                **{**graph["list"]["inputs"], "output_folder": "edits/other", "at_most": 1},
            ),
        }
    )
    assert told(anew, "list") == "1 of 5 edits that are left; run again for the others"
    again = Image.open(
        server.base / "output/edits/other" / table(server.base / "output/edits/other")["first.png"]["result"]
    )
    assert (np.asarray(again) == np.asarray(Image.open(out / rows["first.png"]["result"]))).all()


def options(server: Server) -> list[str]:
    info = server.json("/object_info/LearnableRegions_LoadEditsList")["LearnableRegions_LoadEditsList"]
    kind, *fields = info["input"]["required"]["json_file"]
    return kind if isinstance(kind, list) else fields[0]["options"]


def test_an_edit_whose_text_or_picture_changed_is_done_again(server: Server) -> None:
    folder, out = server.base / "input" / "changing", server.base / "output/changing"
    some = {name: PICTURES[name] for name in ("first.png", "second.png")}
    put(folder, some)
    graph = graph_of("changing/edits.json", output_folder="changing")
    assert server.run(graph).status == "success"
    picture, caption, prompt = some["second.png"]
    put(folder, {**some, "second.png": (picture, caption, f"a white {prompt.split()[-1]}")})
    Image.fromarray(some["first.png"][0]).save(folder / "first.png")  # written again, so perhaps another
    heard = server.run(graph)
    assert told(heard, "list") == "the last 2 of 2 edits"
    assert table(out)["second.png"]["editing_prompt"].startswith("a white ")
    (folder / "second.png").write_bytes((folder / "second.png").read_bytes()[:300])  # its header is whole
    broken = server.run(graph)
    assert broken.status == "success", broken.problem
    assert counts(out)["failed"] == 1
    assert "second.png" in table(out)["second.png"]["error"]


def test_several_edits_of_a_picture_go_to_their_node(server: Server) -> None:
    picture, *_ = scene(3)
    names = [one.name for one in with_company(3, "recolour")[0].objects[:2]]
    lines = [f"{names[0]} -> a white star", f"{names[1]} -> a green square"]
    folder = server.base / "input" / "several"
    put(folder, {"first.png": PICTURES["first.png"]}, **{"two.png": {"edits": lines}})
    more = [Image.fromarray(255 - picture)]
    Image.fromarray(picture).save(folder / "two.png", save_all=True, append_images=more)
    graph = graph_of("several/edits.json", output_folder="several")
    heard = server.run(graph)
    assert "'two.png' has several edits; connect edits to Edit Several Regions" in str(heard.problem)
    by_lines(graph)
    heard = server.run(graph)
    assert heard.status == "success", heard.problem
    last, note = told(heard, "list").split("\n")
    assert last == "the last 2 of 2 edits"
    assert note.startswith("two.png: The file holds 2 frames or pages, and one is edited")
    rows = table(server.base / "output/several")
    assert [row["status"] for row in rows.values()] == ["edited", "edited"]
    report = json.loads(
        next((server.base / "output/several/items").glob("two*/report.json")).read_text(encoding="utf-8")
    )
    assert all(f"-> {line.split(' -> ')[1]!r}" in report["report"] for line in lines)


WRONG = [
    ({"a.png": ["a cat"]}, "it must be two texts"),
    ({"gone.png": ["a cat", "a dog"]}, "gone.png"),
    (
        [{"image": "a.png", "image_caption": "a cat", "editing_prompt": "a dog", "steps": 7}],
        "'a.png' sets steps, which nodes have",
    ),
    ({}, "has no edits in it"),
]


@pytest.mark.parametrize(("content", "words"), WRONG, ids=[words[:20] for _, words in WRONG])
def test_what_is_wrong_with_a_list_is_told_before_anything_runs(comfy: Comfy, content: Any, words: str) -> None:
    folder = comfy.base / "input" / "wrong"
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(PICTURES["first.png"][0]).save(folder / "a.png")
    (folder / "edits.json").write_text(json.dumps(content), encoding="utf-8")
    run = comfy.run(graph_of("wrong/edits.json"))
    assert not run.success
    assert words in str(run.problems["list"]["errors"][0]), run.problems


@pytest.mark.parametrize(
    ("widgets", "words"),
    [
        ({"json_file": "../edits.json"}, "not in ComfyUI's input folder"),
        ({"json_file": "nothing.json"}, "not in ComfyUI's input folder"),
        ({"output_folder": "../out"}, "give a name inside ComfyUI's output folder"),
        ({"output_folder": ""}, "give a name inside ComfyUI's output folder"),
    ],
)
def test_files_lie_in_comfyuis_folders(comfy: Comfy, widgets: dict, words: str) -> None:
    put(comfy.base / "input" / "well", {"first.png": PICTURES["first.png"]})
    run = comfy.run(graph_of(**{"json_file": "well/edits.json", "output_folder": "well", **widgets}))
    assert not run.success
    assert words in str(run.problems["list"]["errors"][0]), run.problems


def test_pictures_of_another_number_than_the_list_are_not_saved(comfy: Comfy) -> None:
    put(comfy.base / "input" / "count", {name: PICTURES[name] for name in ("first.png", "second.png")})
    graph = graph_of("count/edits.json", output_folder="count")
    for name in ("positive", "negative", "generator", "loss", "edit", "demo"):
        del graph[name]
    graph["one"] = {"class_type": "EmptyImage", "inputs": {"width": 128, "height": 128, "batch_size": 3, "color": 0}}
    graph["save"]["inputs"] = {"listed": ["list", 7], "edited": ["one", 0]}
    run = comfy.run(graph)
    assert not run.success
    assert "Save Edits: edited has 3 for 2 edits of the list; give one for each" in run.error["exception_message"]
    assert not (comfy.base / "output" / "count" / "results").exists()


def test_another_painter_by_crop_and_stitch_serves_a_list(server: Server) -> None:
    """Each picture gets its own crops back, also behind one in which nothing was found."""
    names = ("first.png", "absent.png", "second.png")
    put(server.base / "input" / "crops", {name: PICTURES[name] for name in names})
    graph = {name: node for name, node in graph_of("crops/edits.json", output_folder="crops").items() if name == "list"}
    asked = {"image": ["list", 0], "dino": ["demo", 3], "scorer": ["demo", 4], "image_caption": ["list", 1]}
    graph |= {
        "demo": node_of("LearnableRegions_LoadShapesDemo"),
        "find": node_of("LearnableRegions_FindRegion", **asked),
        "crop": node_of("LearnableRegions_RegionCrop", image=["list", 0], regions=["find", 0], size=128),
        "paint": node_of("ImageInvert", image=["crop", 0]),
        "stitch": node_of("LearnableRegions_RegionStitch", stitch=["crop", 2], painted=["paint", 0]),
        "save": node_of("LearnableRegions_SaveEdits", listed=["list", 7], edited=["stitch", 0], report=["find", 7]),
    }
    heard = server.run(graph)
    assert heard.status == "success", heard.problem
    out = server.base / "output" / "crops"
    rows = table(out)
    assert [rows[name]["status"] for name in names] == ["edited", "no region", "edited"]
    for name in names:
        picture = PICTURES[name][0]
        after = np.asarray(Image.open(out / rows[name]["result"]).convert("RGB"))
        changed = (after != picture).any(axis=2)
        assert changed.mean() < 0.6
        if changed.any():  # the middle of the thing, inverted
            x0, y0, x1, y1 = (int(rows[name][side]) for side in ("x0", "y0", "x1", "y1"))
            rows_, columns = slice(y0, y1), slice(x0, x1)
            apart = np.abs(after[rows_, columns].astype(int) - picture[rows_, columns].astype(int)).mean()
            assert apart > 30, apart
