"""What loading the pack and an edit leave of ComfyUI and of what all packs share: as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import PACK, answer_of, find_comfyui

WHOLE = """
import asyncio, argparse, importlib, io, json, sys, types
from pathlib import Path

root, base, pack = sys.argv[1:4]
del sys.argv[1:]
# the tests under another name: `nodes` is ComfyUI's here
for name, folder in (("whole", "tests"), ("whole.comfy", "tests/comfy"), ("whole.tools", "tests/tools")):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [f"{pack}/{folder}"]
conftest, parts, world = (importlib.import_module(f"whole.{name}")
                          for name in ("comfy.conftest", "comfy.parts", "tools.world"))
sys.path.insert(0, root)
import utils.install_util
import comfy.cli_args
comfy.cli_args.args.base_directory, comfy.cli_args.args.cpu = base, True
import comfy.samplers, comfy.sample, comfy.model_management, comfy.model_patcher, comfy.sd, comfy.supported_models
import execution, folder_paths, latent_preview, server, nodes
# what libraries do when they are first imported or used is theirs
import diffusers.utils.logging, transformers.utils.logging, open_clip, scipy.special, PIL.Image, tqdm
PIL.Image.init()
list(tqdm.tqdm([1], file=io.StringIO()))
empty = Path(base) / "an empty pack"
empty.mkdir(parents=True)
(empty / "__init__.py").write_text("NODE_CLASS_MAPPINGS = {}")
assert asyncio.run(nodes.load_custom_node(str(empty)))

def inside(value):
    if isinstance(value, type):
        return {name: inside(one) if isinstance(one, (dict, list, set, types.FunctionType)) else id(one)
                for name, one in vars(value).items() if not name.startswith("_abc")}
    if isinstance(value, argparse.Namespace):
        return dict(vars(value))
    if isinstance(value, types.FunctionType):
        return id(value), id(value.__code__), repr(value.__defaults__)
    if isinstance(value, dict):
        return {repr(key): id(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [id(one) for one in value]
    return value if isinstance(value, (int, float, str, bool, type(None))) else id(value)

OTHERS = ("comfy", "comfy_api", "comfy_execution", "nodes", "execution", "folder_paths", "latent_preview", "server")
modules = {name: module for name, module in sys.modules.items() if name.split(".")[0] in OTHERS}

def state():
    return {f"{name}.{key}": inside(value) for name, module in modules.items()
            for key, value in list(vars(module).items()) if key != "__builtins__"}

def registered():
    kinds = {name: (list(one[0]), set(one[1])) for name, one in folder_paths.folder_names_and_paths.items()}
    return kinds, dict(nodes.NODE_CLASS_MAPPINGS), dict(nodes.NODE_DISPLAY_NAME_MAPPINGS)

were, was, shared = registered(), state(), world.shared_state()
comfy_ui = conftest.Comfy(Path(root), Path(base))
sys.path.remove(root)  # the fixture's
loaded = world.difference(shared, world.shared_state())
run = comfy_ui.run(parts.tiny_graph(comfy_ui))
assert run.success, run.messages
now, are, left = state(), registered(), world.difference(shared, world.shared_state())
print(json.dumps({
    "modules": sorted(modules),
    "changed": sorted(name for name in {*was, *now} if name not in was or was[name] != now.get(name)),
    "shared": repr({**loaded, **left}) if loaded or left else "",
    "folders": sorted(set(are[0]) - set(were[0])),
    "nodes": sorted((set(are[1]) | set(are[2])) - set(were[1]) - set(were[2]) - {"TestSink"}),
    "replaced": [name for before, after in zip(were, are) for name in before if before[name] != after.get(name)],
    "command line": sorted(name for name in sys.modules if ".region_core.cli" in name),
    "core": f"{comfy_ui.package}.region_core.edit" in sys.modules}), file=sys.__stdout__)
"""
# what loading any pack and running any prompt changes
THEIRS = {
    "comfy.model_management.current_loaded_models",
    "comfy_execution.caching.NODE_CLASS_CONTAINS_UNIQUE_ID",
    "comfy_execution.graph_utils.GraphBuilder",
    "comfy_execution.progress.global_progress_registry",
    "execution.GraphBuilder",
    "folder_paths.filename_list_cache",
    "nodes.EXTENSION_WEB_DIRS",
    "nodes.LOADED_MODULE_DIRS",
}
# what the pack adds to on purpose: only that, see below
OURS = {"folder_paths.folder_names_and_paths", "nodes.NODE_CLASS_MAPPINGS", "nodes.NODE_DISPLAY_NAME_MAPPINGS"}


def test_comfyui_and_what_all_packs_share_stay_as_they_were(tmp_path: Path) -> None:
    root = find_comfyui()
    if root is None:
        pytest.skip("no ComfyUI here: set COMFYUI_DIR to the folder of one")
    found = answer_of(WHOLE, str(root), str(tmp_path), str(PACK))
    asked = {"comfy.samplers", "comfy.sample", "comfy.model_management", "comfy.model_patcher", "nodes", "execution"}
    assert {*asked, "folder_paths", "latent_preview"} <= set(found["modules"])
    assert set(found["changed"]) - THEIRS - OURS == set()
    assert found["replaced"] == []
    assert found["shared"] == ""
    assert found["folders"] == ["dino", "learnable_regions", "open_clip"]
    assert all(name.startswith("LearnableRegions_") for name in found["nodes"])
    assert len(found["nodes"]) == 17
    assert found["core"]
    assert found["command line"] == [], "the nodes imported the command line"
