"""Lists of edits in ComfyUI of which something is odd: an edit that always fails, sizes, masks, files that change."""

from __future__ import annotations

import json
from typing import Any

import torch
from PIL import Image

from .conftest import Comfy
from .listed import PICTURES, by_lines, counts, graph_of, node_of, put, table, told
from .parts import take
from .served import Server


def test_an_edit_that_always_fails_does_not_keep_back_the_others(server: Server) -> None:
    names = ("first.png", "small.png", "second.png")
    small = (PICTURES["third.png"][0][::3, ::3], *PICTURES["third.png"][1:])  # half of it is too small for the search
    put(server.base / "input" / "fails", {name: {**PICTURES, "small.png": small}[name] for name in names})
    graph = graph_of("fails/edits.json", output_folder="fails")
    graph["half"] = node_of("ImageScaleBy", image=["list", 0], upscale_method="nearest-exact", scale_by=0.5)
    for name in ("generator", "edit"):
        graph[name]["inputs"]["image"] = ["half", 0]
    heard = [server.run(graph) for _ in range(5)]
    assert [one.status for one in heard] == ["error", "success", "error", "success", "error"]
    assert "22 x 22 pixels" in str(heard[0].problem)
    assert told(heard[1], "list").startswith("1 of 3 edits that are left, again, for nothing came of them before")
    done = {name: row["status"] for name, row in table(server.base / "output" / "fails").items()}
    assert done == {"first.png": "edited", "small.png": "waiting", "second.png": "edited"}


def saving(comfy: Comfy, name: str, **names: Any) -> dict:
    """Load and save alone, of one picture."""
    put(comfy.base / "input" / name, {"first.png": PICTURES["first.png"]})
    graph = graph_of(f"{name}/edits.json", output_folder=name)
    return {"list": graph["list"], "save": node_of("LearnableRegions_SaveEdits", listed=["list", 7], **names)}


def test_a_picture_of_another_size_whose_mask_is_empty_is_not_edited(comfy: Comfy) -> None:
    graph = saving(comfy, "larger", edited=["larger", 0])
    graph["larger"] = node_of("ImageScaleBy", image=["list", 0], upscale_method="bicubic", scale_by=2.0)
    for value, status in ((0.0, "no region"), (1.0, "edited")):
        take(comfy, graph, "save.mask", torch.full((1, 256, 256), value))
        graph["list"]["inputs"]["output_folder"] = f"larger/{value}"
        assert comfy.run(graph).success
        out = comfy.base / "output" / "larger" / str(value)
        assert table(out)["first.png"]["status"] == status
        (saved,) = (out / "results").glob("*.png")
        assert Image.open(saved).size == (256, 256)


def test_a_mask_without_a_batch_is_one_mask(comfy: Comfy) -> None:
    graph = saving(comfy, "flat", edited=["other", 0])
    graph["other"] = node_of("ImageInvert", image=["list", 0])
    mask = torch.zeros(128, 128)
    mask[10:50, 20:70] = 1
    take(comfy, graph, "save.mask", mask)
    run = comfy.run(graph)
    assert run.success, run.messages
    row = table(comfy.base / "output" / "flat")["first.png"]
    assert [int(row[side]) for side in ("x0", "y0", "x1", "y1")] == [20, 10, 70, 50]


def test_a_picture_that_changes_while_it_is_edited_is_edited_again(comfy: Comfy) -> None:
    graph = saving(comfy, "meanwhile", edited=["other", 0])
    file = comfy.base / "input" / "meanwhile" / "first.png"

    class Slow:
        """An edit, during which somebody saves the picture anew."""

        RETURN_TYPES, FUNCTION, CATEGORY = ("IMAGE",), "edit", "test"

        @classmethod
        def INPUT_TYPES(cls) -> dict:  # noqa: N802
            return {"required": {"image": ("IMAGE",)}}

        def edit(self, image: torch.Tensor) -> tuple[torch.Tensor]:
            Image.fromarray(PICTURES["second.png"][0]).save(file)
            return (1 - image,)

    comfy.nodes.NODE_CLASS_MAPPINGS["Slow"] = Slow
    graph["other"] = node_of("Slow", image=["list", 0])
    assert comfy.run(graph).success
    assert counts(comfy.base / "output" / "meanwhile") == {"waiting": 1}, "it passes as the new picture's"


def test_a_caption_that_cannot_be_a_line_fails_alone(server: Server) -> None:
    put(server.base / "input" / "lines", {name: PICTURES[name] for name in ("first.png", "second.png")})
    file = server.base / "input" / "lines" / "edits.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    content["first.png"][0] += " | a plate"
    file.write_text(json.dumps(content), encoding="utf-8")
    graph = graph_of("lines/edits.json", output_folder="lines")
    by_lines(graph)
    heard = server.run(graph)
    assert heard.status == "success", heard.problem
    rows = table(server.base / "output" / "lines")
    assert [row["status"] for row in rows.values()] == ["failed", "edited"]
    assert "'a plate' says not which of several is meant" in rows["first.png"]["error"]
