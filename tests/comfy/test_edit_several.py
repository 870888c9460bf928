"""Edit Several Regions on the demo's models, and its lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from .conftest import Comfy
from .flows import SEVERAL, as_prompt, find, load
from .parts import demo_parts, take

KIND = "LearnableRegions_EditSeveralRegions"


def graph_of(edits: str, **widgets: Any) -> dict:
    graph: dict = {
        "demo": {"class_type": "LearnableRegions_LoadShapesDemo", "inputs": {}},
        "scene": {"class_type": "LearnableRegions_ShapesScene", "inputs": {"seed": 3, "kind": "recolour"}},
        "negative": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["demo", 1], "text": ""}},
    }
    models = dict(zip(("model", "clip", "vae", "dino", "scorer"), (["demo", slot] for slot in range(5)), strict=True))
    inputs = {**models, "negative": ["negative", 0], "image": ["scene", 0], "edits": edits, "steps": 8, "cfg": 3.0}
    graph["edit"] = {"class_type": KIND, "inputs": {**inputs, "seed": 7, **widgets}}
    graph["sink"] = {"class_type": "TestSink", "inputs": {f"v{i}": ["edit", i] for i in range(5)}}
    graph["sink"]["inputs"]["v8"] = ["scene", 0]
    return graph


def things(comfy: Comfy) -> list[Any]:
    """The objects of the scene, with names and boxes."""
    scene, _ = comfy.part("region_core.demo.worlds").with_company(3, "recolour")
    return list(scene.objects)


def lines_for(comfy: Comfy) -> str:
    first, second = things(comfy)[:2]
    return f"{first.name} -> a white {first.name.split()[-1]}\n\n{second.name} -> a green square"


def at(box: dict, thing: Any) -> float:
    """IoU of a BOUNDING_BOX and a thing."""
    x0, y0, x1, y1 = thing.box
    x2, y2 = box["x"] + box["width"], box["y"] + box["height"]
    across, down = min(x1, x2) - max(x0, box["x"]), min(y1, y2) - max(y0, box["y"])
    both = max(across, 0) * max(down, 0)
    return both / ((x1 - x0) * (y1 - y0) + box["width"] * box["height"] - both)


def test_each_line_is_an_edit_and_all_else_stays(comfy: Comfy) -> None:
    run = comfy.run(graph_of(lines_for(comfy)))
    assert run.success, (run.messages, run.problems)
    edited, mask, boxes, report, found, source = (run.seen[f"v{i}"] for i in (0, 1, 2, 3, 4, 8))
    assert found is True
    assert edited.shape == source.shape
    assert mask.shape == source.shape[:3]
    assert torch.equal(edited[mask == 0], source[mask == 0])
    assert "2 of 2 edits" in report
    ((one, other),) = boxes
    assert [at(box, thing) > 0.5 for box, thing in zip((one, other), things(comfy), strict=False)] == [True, True]
    for box in (one, other):
        x, y = box["x"] + box["width"] // 2, box["y"] + box["height"] // 2
        assert mask[0, y, x] == 1
        assert not torch.equal(edited[0, y, x], source[0, y, x])
    comfy.forget()
    again = comfy.run(graph_of(lines_for(comfy)))
    assert torch.equal(again.seen["v0"], edited)
    assert not torch.equal(comfy.run(graph_of(lines_for(comfy), seed=8)).seen["v0"], edited)


def test_the_picture_is_encoded_once_and_each_prompt_is_its_own(comfy: Comfy) -> None:
    comfy.forget()
    comfy.part("nodes.steps").forget()
    parts, texts = demo_parts(comfy), []
    graph = graph_of(lines_for(comfy))

    class Listening:
        def tokenize(self, text: str) -> Any:
            texts.append(text)
            return parts["clip"].tokenize(text)

        def encode_from_tokens_scheduled(self, tokens: Any) -> Any:
            return parts["clip"].encode_from_tokens_scheduled(tokens)

    take(comfy, graph, "edit.clip", Listening())
    for name in ("dino", "scorer"):
        take(comfy, graph, f"edit.{name}", parts[name])
    before = parts["dino"].images_encoded
    assert comfy.run(graph).success
    assert parts["dino"].images_encoded == before + 1
    assert texts == [line.split(" -> ")[1] for line in lines_for(comfy).split("\n\n")]


def test_each_step_is_shown_beside_its_region(comfy: Comfy, monkeypatch: pytest.MonkeyPatch) -> None:
    import comfy.utils as utils
    import latent_preview

    method = latent_preview.LatentPreviewMethod.Latent2RGB
    monkeypatch.setattr(latent_preview.args, "preview_method", method)
    monkeypatch.setattr(latent_preview, "default_preview_method", method)
    shown: list[Any] = []
    before = utils.PROGRESS_BAR_HOOK
    utils.set_progress_bar_global_hook(lambda _value, _total, preview, **_more: shown.append(preview))
    comfy.forget()
    try:
        assert comfy.run(graph_of(lines_for(comfy))).success
    finally:
        utils.set_progress_bar_global_hook(before)
    steps = [one[1] for one in shown if one is not None and one[1].width > 1.5 * one[1].height]
    assert len(steps) >= 4, "the picture with a region, and what is painted, beside each other"
    left = [one.crop((0, 0, one.width // 2, one.height)).tobytes() for one in (steps[0], steps[-1])]
    assert left[0] != left[1], "each edit's own region"


def test_what_is_not_there_is_told_and_the_rest_is_done(comfy: Comfy) -> None:
    (thing, *_), names = things(comfy), {one.name for one in things(comfy)}
    absent = next(
        f"a {c} {s}" for c in ("red", "blue", "green") for s in ("star", "circle") if f"{c} {s}" not in str(names)
    )
    lines = f"{absent} -> a white square\n{thing.name} -> a white star"
    run = comfy.run(graph_of(lines))
    assert run.success, run.messages
    assert "1 of 2 edits" in run.seen["v3"]
    assert f"1: {absent!r} -> 'a white square': left out: nothing in the picture answers to" in run.seen["v3"]
    assert set(run.seen["v2"]) == {"x", "y", "width", "height"}
    scene = run.seen["v8"]
    alone = graph_of(f"{absent} -> a white square")
    bare = torch.cat([scene, scene])
    take(comfy, alone, "edit.image", torch.cat([bare, torch.full_like(bare[..., :1], 0.3)], dim=3))
    nothing = comfy.run(alone)
    assert nothing.success, nothing.messages
    assert nothing.seen["v4"] is False
    assert nothing.seen["v2"] == [[{"x": 0, "y": 0, "width": 128, "height": 128}]] * 2
    assert not nothing.seen["v1"].any()
    assert torch.equal(nothing.seen["v0"][..., :3], bare)
    assert bool((nothing.seen["v0"][..., 3] == 0.3).all())


def test_the_template_makes_all_of_its_edits(comfy: Comfy) -> None:
    prompt = as_prompt(load(SEVERAL))
    edit = find(prompt, "EditSeveralRegions")
    lines = prompt[edit]["inputs"]["edits"].splitlines()
    kinds = ("LoadShapesDemo", "ShapesScene", "CLIPTextEncode")
    only = {key: prompt[key] for key in (edit, *(find(prompt, kind) for kind in kinds))}
    only["sink"] = {"class_type": "TestSink", "inputs": {"v3": [edit, 3]}}
    run = comfy.run(only)
    assert run.success, (run.messages, run.problems)
    assert f"{len(lines)} of {len(lines)} edits" in run.seen["v3"], run.seen["v3"]
    assert len(lines) == 3


LINES = [
    ("", "there is no edit; write what is there -> what should be there, one edit a line"),
    ("a star -> a moon\n\na cup", "line 3: 'a cup' is no edit; write what is there -> what should be there"),
    ("a star | middle -> a moon", "line 1: 'middle' says not which of several is meant"),
    ("a star -> a star", "line 1: image_caption and editing_prompt are both 'a star'"),
]


@pytest.mark.parametrize(("lines", "words"), LINES)
def test_lines_are_checked_before_anything_runs(comfy: Comfy, lines: str, words: str) -> None:
    run = comfy.run(graph_of(lines))
    assert not run.success
    assert words in str(run.problems["edit"]["errors"][0]["details"]), run.problems
    linked = graph_of("")
    take(comfy, linked, "edit.edits", lines)
    message = comfy.run(linked).error["exception_message"].strip()
    assert message.startswith(f"Edit Several Regions: {words}"), message


def test_no_clip_is_one_sentence(comfy: Comfy) -> None:
    for wrong, words in ((None, "got nothing for clip: connect a CLIP"), (7, "clip is 7, not a CLIP; connect a CLIP")):
        graph = graph_of(lines_for(comfy))
        take(comfy, graph, "edit.clip", wrong)
        message = comfy.run(graph).error["exception_message"].strip()
        assert message.startswith(f"Edit Several Regions: {words}"), message


def test_lines_of_the_node_and_of_the_command_line_make_the_same(comfy: Comfy, tmp_path: Path) -> None:
    lines = lines_for(comfy)
    run = comfy.run(graph_of(lines))
    edited, mask, ((*boxes,),), source = (run.seen[f"v{i}"] for i in (0, 1, 2, 8))
    Image.fromarray((255 * source[0]).round().byte().numpy()).save(tmp_path / "scene.png")
    asked = ["--models", "shapes", "--quiet", "--steps", "8", "--guidance_scale", "3", "--seed", "7"]
    for line in lines.split("\n\n"):
        asked += ["--edit", line]
    where = ["--image_file_path", str(tmp_path / "scene.png"), "--output_dir", str(tmp_path / "out")]
    assert comfy.part("region_core.cli.main").main(["edit", *where, *asked]) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert [one["bounding_box"] for one in report["edits"]] == boxes
    for name, ours in (("region.png", mask[0]), ("edited.png", edited[0])):
        with Image.open(tmp_path / "out" / name) as image:
            theirs = torch.from_numpy(np.array(image)).float() / 255
        assert float((theirs - ours).abs().max()) < 0.003, name  # rounded to 8 bits, of two samplers
