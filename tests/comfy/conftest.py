"""A real ComfyUI in this process, with the pack loaded by its own loader.

ComfyUI is looked for in COMFYUI_DIR, then where the pack is installed, then in ~/comfy/ComfyUI;
without one these tests are skipped.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from .served import Server

PACK = Path(__file__).resolve().parents[2]


def find_comfyui() -> Path | None:
    """The folder of a ComfyUI, or None."""
    named = os.environ.get("COMFYUI_DIR")
    places = [Path(named)] if named else [PACK.parents[1], Path.home() / "comfy" / "ComfyUI"]
    return next(
        (p.resolve() for p in places if (p / "comfy" / "sd.py").is_file() and (p / "execution.py").is_file()), None
    )


def version_of(root: Path) -> tuple[int, ...]:
    """The version of a ComfyUI."""
    text = (root / "comfyui_version.py").read_text(encoding="utf-8")
    return tuple(int(part) for part in re.findall(r"\d+", text.rpartition("=")[2]))


def all_comfyuis() -> list[Path]:
    """That folder and the other versions beside it, such as ComfyUI-0.14.0, from the oldest that the pack runs in."""
    newest = find_comfyui()
    if newest is None:
        return []
    oldest = re.search(r'requires-comfyui = ">=([\d.]+)"', (PACK / "pyproject.toml").read_text(encoding="utf-8"))
    assert oldest is not None
    others = [path for path in sorted(newest.parent.glob("ComfyUI-*")) if (path / "comfyui_version.py").is_file()]
    least = tuple(int(part) for part in oldest[1].split("."))
    return [newest, *(path for path in others if path != newest and version_of(path) >= least)]


VERSIONS = all_comfyuis()


def answer_of(script: str, *given: str) -> dict[str, Any]:
    """What a script says in JSON, as its last line, in a Python of its own with these arguments."""
    command = [sys.executable, "-c", script, *given]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.strip().splitlines()[-1])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Warnings of ComfyUI and its libraries are not this project's."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore"))


class Sink:
    """An output node that keeps what it is given."""

    seen: dict[str, Any] = {}
    RETURN_TYPES = ()
    FUNCTION = "keep"
    OUTPUT_NODE = True
    CATEGORY = "test"

    @classmethod
    def INPUT_TYPES(cls) -> dict:  # noqa: N802
        return {"required": {}, "optional": {f"v{i}": ("*",) for i in range(10)}}

    def keep(self, **values: Any) -> dict:
        type(self).seen = values
        return {"ui": {}}


@dataclass
class Run:
    """What came of a prompt."""

    success: bool
    seen: dict[str, Any]
    messages: list[tuple[str, dict]]
    sent: list[tuple[Any, Any]]
    problems: dict = field(default_factory=dict)

    @property
    def error(self) -> dict:
        """The message of the node that failed."""
        return next(data for event, data in self.messages if event == "execution_error")

    @property
    def cached(self) -> set[str]:
        """Nodes that did not run again."""
        return {node for event, data in self.messages if event == "execution_cached" for node in data["nodes"]}


class Comfy:
    """ComfyUI's modules and a way to run prompts."""

    def __init__(self, root: Path, base: Path) -> None:
        sys.path.insert(0, str(root))  # first, or this repository's nodes/ is found in its place
        importlib.import_module("utils.install_util")  # before a library claims the name `utils`
        import comfy.cli_args

        comfy.cli_args.args.base_directory = str(base)
        import torch

        comfy.cli_args.args.cpu = not torch.cuda.is_available()
        import execution
        import folder_paths
        import server

        import nodes

        self.nodes, self.execution, self.folder_paths = nodes, execution, folder_paths
        self.root, self.base, self.sent = root, base, []
        folder = base / "custom_nodes" / "Learnable Regions-pack"
        folder.parent.mkdir(parents=True)
        folder.symlink_to(PACK, target_is_directory=True)
        before = dict(nodes.NODE_CLASS_MAPPINGS)
        self.path = list(sys.path)
        assert asyncio.run(nodes.load_custom_node(str(folder)))
        self.classes = {k: v for k, v in nodes.NODE_CLASS_MAPPINGS.items() if k not in before}
        assert sys.path == self.path, "the pack changed sys.path"
        name = next(iter(self.classes.values())).__module__
        self.package = name[: name.rindex(".nodes.")]
        nodes.NODE_CLASS_MAPPINGS["TestSink"] = Sink
        self.server = SimpleNamespace(
            client_id="test",
            last_node_id=None,
            last_prompt_id=None,
            sockets_metadata={},
            send_sync=lambda event, data, sid=None: self.sent.append((event, data)),
        )
        assert server is not None
        self.executor = execution.PromptExecutor(self.server, **self._cache())

    def _cache(self) -> dict:
        made = {"cache_type": self.execution.CacheType.CLASSIC}
        if "cache_args" in inspect.signature(self.execution.PromptExecutor.__init__).parameters:
            made["cache_args"] = {"lru": 0, "ram": 0.0, "ram_inactive": 0.0}
        return made

    def part(self, name: str) -> Any:
        """A module of the pack, under the name ComfyUI gave it."""
        return importlib.import_module(f"{self.package}.{name}")

    def run(self, graph: dict) -> Run:
        """Validate and execute a prompt in API format."""
        Sink.seen, self.sent[:] = {}, []
        number = uuid.uuid4().hex
        valid, _error, outputs, problems = asyncio.run(self.execution.validate_prompt(number, graph, None))
        if not valid:
            return Run(False, {}, [], [], problems)
        self.executor.execute(graph, number, {"client_id": "test"}, outputs)
        return Run(self.executor.success, Sink.seen, list(self.executor.status_messages), list(self.sent))

    def forget(self) -> None:
        """Empty the cache of outputs."""
        self.executor.reset()


@pytest.fixture(scope="session")
def comfy(tmp_path_factory: pytest.TempPathFactory) -> Comfy:
    """ComfyUI with the pack, once a session."""
    root = find_comfyui()
    if root is None:
        pytest.skip("no ComfyUI here: set COMFYUI_DIR to the folder of one")
    return Comfy(root, tmp_path_factory.mktemp("comfy base"))


@pytest.fixture(scope="session", params=VERSIONS or [None], ids=lambda path: path.name if path else "none")
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A started server, once a version; the tests of one version follow each other."""
    if request.param is None:
        pytest.skip("no ComfyUI here: set COMFYUI_DIR to the folder of one")
    made = Server(request.param, PACK, tmp_path_factory.mktemp("a server") / "base folder")
    try:
        made.wait()
        yield made
    finally:
        made.stop()


NESTED = (
    *("num_regions", "point_number", "per_image_iteration", "lr", "learning", "generator_steps", "anchor_distance"),
    *("loss_alpha", "loss_beta", "loss_gamma", "views", "test_alpha", "test_beta"),
)  # inputs of Region Inpaint Optimize that a preset shows


def demo_graph(seed: int = 3, kind: str = "recolour", **optimize: Any) -> dict:
    """The demo as a prompt; `optimize` sets widgets of Region Inpaint Optimize."""
    widgets = {
        "preset": "fast",
        "seed": 42,
        "steps": 4,
        "cfg": 2.0,
        "sampler_name": "ddim",
        "scheduler": "ddim_uniform",
        "denoise": 1.0,
        "mask_grow_percent": 0.0,
        "mask_feather_percent": 0.0,
        "mask_grow": 0,
        "mask_feather": 0,
        "native_size": 0,
        **{f"preset.{name}" if name in NESTED else name: value for name, value in optimize.items()},
    }
    graph = {
        "demo": {"class_type": "LearnableRegions_LoadShapesDemo", "inputs": {}},
        "scene": {"class_type": "LearnableRegions_ShapesScene", "inputs": {"seed": seed, "kind": kind}},
        "positive": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["demo", 1], "text": ["scene", 2]}},
        "negative": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["demo", 1], "text": ""}},
        "generator": {
            "class_type": "LearnableRegions_RegionGenerator",
            "inputs": {"image": ["scene", 0], "dino": ["demo", 3], "max_window_size": 6},
        },
        "loss": {
            "class_type": "LearnableRegions_ClipRegionLoss",
            "inputs": {"scorer": ["demo", 4], "image_caption": ["scene", 1], "editing_prompt": ["scene", 2]},
        },
        "edit": {
            "class_type": "LearnableRegions_RegionInpaintOptimize",
            "inputs": {
                "model": ["demo", 0],
                "vae": ["demo", 2],
                "positive": ["positive", 0],
                "negative": ["negative", 0],
                "image": ["scene", 0],
                "generator": ["generator", 0],
                "loss": ["loss", 0],
                **widgets,
            },
        },
    }
    sink = {f"v{i}": ["edit", i] for i in range(8)}
    graph["sink"] = {"class_type": "TestSink", "inputs": {**sink, "v8": ["scene", 0], "v9": ["scene", 3]}}
    return graph
