"""A list of edits in ComfyUI's folders, the graph that edits it, and what came of it."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from region_core.demo.worlds import with_company

from .served import Heard


def scene(seed: int, kind: str = "recolour") -> tuple[np.ndarray, str, str]:
    """A picture of shapes, its caption and its prompt."""
    drawn, edit = with_company(seed, kind)
    return drawn.image, edit.caption, edit.prompt


def put(folder: Path, pictures: dict[str, tuple[np.ndarray, str, str]], **more: Any) -> None:
    """Pictures and their list, as a person puts them into the input folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (picture, *_) in pictures.items():
        Image.fromarray(picture).save(folder / name)
    texts: dict[str, Any] = {name: [caption, prompt] for name, (_, caption, prompt) in pictures.items()}
    (folder / "edits.json").write_text(json.dumps(texts | more), encoding="utf-8")


def graph_of(json_file: str, **widgets: Any) -> dict:
    """Load, edit with the demo's models, save."""
    regions = {"image": ["list", 0], "dino": ["demo", 3]}
    texts = {"image_caption": ["list", 1], "editing_prompt": ["list", 2]}
    optimize = {"model": ["demo", 0], "vae": ["demo", 2], "image": ["list", 0], "generator": ["generator", 0]}
    optimize |= {"positive": ["positive", 0], "negative": ["negative", 0], "loss": ["loss", 0], "seed": ["list", 5]}
    return {
        "list": node_of("LearnableRegions_LoadEditsList", json_file=json_file, **widgets),
        "demo": node_of("LearnableRegions_LoadShapesDemo"),
        "positive": node_of("CLIPTextEncode", clip=["demo", 1], text=["list", 2]),
        "negative": node_of("CLIPTextEncode", clip=["demo", 1], text=["list", 3]),
        "generator": node_of("LearnableRegions_RegionGenerator", **regions),
        "loss": node_of("LearnableRegions_ClipRegionLoss", scorer=["demo", 4], **texts),
        "edit": node_of("LearnableRegions_RegionInpaintOptimize", **optimize, preset="fast", steps=4, cfg=3.0),
        "save": node_of(
            "LearnableRegions_SaveEdits", listed=["list", 7], edited=["edit", 0], mask=["edit", 1], report=["edit", 6]
        ),
    }


def node_of(kind: str, **inputs: Any) -> dict:
    return {"class_type": kind, "inputs": inputs}


def by_lines(graph: dict) -> None:
    """Edit Several Regions in the place of the search and the edit."""
    models = dict(zip(("model", "clip", "vae", "dino", "scorer"), (["demo", slot] for slot in range(5)), strict=True))
    inputs = {**models, "negative": ["negative", 0], "image": ["list", 0], "edits": ["list", 4], "seed": ["list", 5]}
    graph["edit"] = node_of("LearnableRegions_EditSeveralRegions", **inputs, steps=4, cfg=3.0)
    graph["save"]["inputs"]["report"] = ["edit", 3]
    for name in ("positive", "generator", "loss"):
        del graph[name]


def told(heard: Heard, node: str) -> str:
    return heard.outputs[node]["text"][0]


def table(folder: Path) -> dict[str, dict[str, str]]:
    """summary.csv by name."""
    text = (folder / "summary.csv").read_text(encoding="utf-8-sig")
    return {row["key"]: row for row in csv.DictReader(text.splitlines())}


PICTURES = {
    "first.png": scene(3),
    "second.png": scene(4),
    "third.png": scene(5),
    "absent.png": scene(6, "absent"),
    "fifth.png": scene(7, "replace"),
}


def counts(folder: Path) -> dict[str, int]:
    found = [row["status"] for row in table(folder).values()]
    return {status: found.count(status) for status in found}
