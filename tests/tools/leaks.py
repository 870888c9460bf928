"""Many edits in one process: `python -m tests.tools.leaks --edits 50 [--comfyui FOLDER]`.

Memory, open files and threads after the fifth edit and after the last, and the most in between; exit code 1
where the last has more than the fifth and what `LIMITS` allows, or the most more than `BETWEEN` does.
"""

from __future__ import annotations

import argparse
import gc
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import torch

from .tiny import PAPER, PROMPT, edit

WARM = 5  # edits until all that is kept for good is there
# the most after the last edit that is called flat, from what was there after the fifth: an allocator keeps a
# little more now and then, and nothing else may
LIMITS: dict[str, Callable[[float], float]] = {
    "MiB": lambda fifth: fifth * 1.02 + 8,
    "files": lambda fifth: fifth,
    "threads": lambda fifth: fifth,
    "tensors": lambda fifth: fifth,
}

# the most in between: while it works an allocator may hold more for a moment
BETWEEN = {**LIMITS, "MiB": lambda fifth: max(fifth * 1.1, LIMITS["MiB"](fifth))}


def counted() -> dict[str, float]:
    """What this process holds now."""
    gc.collect()
    process = psutil.Process()
    return {
        "MiB": process.memory_info().rss / 2**20,
        "files": process.num_fds() if hasattr(process, "num_fds") else process.num_handles(),  # on Windows
        "threads": threading.active_count(),
        "tensors": sum(issubclass(type(one), torch.Tensor) for one in gc.get_objects()),
    }


def core_edit(models: str) -> Callable[[int], Any]:
    """An edit by the core: with models of random weights, or the embedded ones."""
    from region_core.demo.scenes import make_scene

    if models == "tiny":
        return lambda n: edit(make_scene(n).image, PAPER)
    from region_core.demo.models import load_shapes_models, shapes_settings
    from region_core.paint.diffusers_painter import DiffusersPainter

    loaded = load_shapes_models()
    settings = shapes_settings("fast").with_values(steps=2)
    return lambda n: edit(
        make_scene(n).image,
        settings,
        models=(loaded.dino, loaded.scorer),
        painter=DiffusersPainter(loaded.pipe, PROMPT),
    )


def comfy_edit(root: Path, base: Path) -> Callable[[int], Any]:
    """An edit by the nodes, in ComfyUI's own executor."""
    import os

    os.environ["COMFYUI_DIR"] = str(root)
    from ..comfy.conftest import Comfy
    from ..comfy.parts import tiny_graph

    comfy = Comfy(root, base)
    steps = comfy.part("nodes.steps")  # what they remember on purpose, 50 edits would not fill

    def run(n: int) -> None:
        graph = tiny_graph(comfy)
        graph["scene"]["inputs"]["seed"] = n
        assert comfy.run(graph).success
        steps.forget()

    return run


def watch(one_edit: Callable[[int], Any], edits: int) -> dict[str, tuple[float, float, float]]:
    """(after the fifth, after the last, the most in between) of each count."""
    rows = []
    for number in range(edits):
        one_edit(number)
        rows.append(counted())
    after = rows[WARM - 1 :]
    return {name: (after[0][name], after[-1][name], max(row[name] for row in after)) for name in rows[0]}


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edits", type=int, default=50)
    parser.add_argument("--models", choices=("tiny", "shapes"), default="shapes")
    parser.add_argument("--comfyui", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        one_edit = comfy_edit(args.comfyui, Path(folder)) if args.comfyui else core_edit(args.models)
        found = watch(one_edit, args.edits)
    flat = all(
        last <= LIMITS[name](fifth) and most <= BETWEEN[name](fifth) for name, (fifth, last, most) in found.items()
    )
    print(f"{args.edits} edits: {'flat' if flat else 'NOT flat'}; after the fifth, after the last, the most")
    for name, values in found.items():
        print(f"  {name:8}" + "".join(f"{value:10.0f}" for value in values))
    raise SystemExit(not flat)


if __name__ == "__main__":
    main()
