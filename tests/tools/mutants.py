"""Small changes to the code, each of which some test ought to notice: `python -m tests.tools.mutants`.

A copy of the tree is changed in one place at a time (a comparison turned, a number moved by one, `and` for
`or`, a sign, a branch taken always or never) and the tests of that file are run; what none of them notices
is listed.
"""

from __future__ import annotations

import argparse
import ast
import copy
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import diffusers  # noqa: F401  loaded here once, for every fork
import open_clip  # noqa: F401
import pytest
import torch
import transformers  # noqa: F401

ROOT = Path(__file__).resolve().parents[2]
FILES = {
    "region_core/boxes.py": ["tests/test_boxes.py"],
    "region_core/weights.py": ["tests/test_weights.py"],
    "region_core/texts.py": ["tests/test_pieces.py"],
    "region_core/resize.py": ["tests/test_resize.py"],
    "region_core/memory.py": ["tests/test_memory.py"],
    "region_core/images.py": ["tests/test_images.py", "tests/test_images_refused.py", "tests/test_images_saved.py"],
    "region_core/painting/inpaint.py": [
        f"tests/painting/test_{name}.py" for name in ("inpaint", "latents", "crop_masks")
    ],
    "region_core/painting/borders.py": ["tests/painting/test_borders.py"],
    "region_core/ranking.py": ["tests/test_search.py"],
    "region_core/search.py": ["tests/test_search.py", "tests/test_edit_previews.py"],
    "region_core/published.py": ["tests/test_edit.py", "tests/test_noise_samples.py"],
    "region_core/proposals/anchors.py": ["tests/proposals/test_anchors.py"],
    "region_core/proposals/masks.py": ["tests/proposals/test_masks.py", "tests/proposals/test_probes.py"],
    "region_core/proposals/probes.py": ["tests/proposals/test_probes.py"],
    "region_core/proposals/relevance.py": ["tests/proposals/test_relevance.py"],
    "region_core/generator/checkpoint.py": ["tests/generator/test_checkpoint.py"],
    "region_core/generator/learning.py": ["tests/generator/test_learning.py"],
    "region_core/generator/losses.py": ["tests/generator/test_losses.py"],
    "region_core/generator/network.py": ["tests/generator/test_network.py", "tests/generator/test_checkpoint.py"],
    "region_core/generator/trainer.py": ["tests/generator/test_trainer.py"],
    "region_core/checks.py": ["tests/cli/test_job.py", "tests/cli/test_texts.py", "tests/test_weights.py"],
}
_TURNED = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_SIGNS = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult}


def mutants(source: str) -> Iterator[tuple[str, str]]:
    """(what was changed, the changed source) for each place that can be."""
    tree = ast.parse(source)
    for place, node in enumerate(ast.walk(tree)):
        for change in _changes(node):
            made = copy.deepcopy(tree)
            twin = next(other for at, other in enumerate(ast.walk(made)) if at == place)
            before = ast.unparse(twin)
            if change(twin):
                yield (
                    f"line {getattr(node, 'lineno', 0)}: {before} -> {ast.unparse(twin)}",
                    ast.unparse(ast.fix_missing_locations(made)),
                )


def _changes(node: ast.AST) -> Iterator:
    if isinstance(node, ast.Compare) and type(node.ops[0]) in _TURNED:
        yield lambda twin: twin.ops.__setitem__(0, _TURNED[type(twin.ops[0])]()) or True
    elif isinstance(node, ast.BoolOp):
        yield lambda twin: setattr(twin, "op", ast.Or() if isinstance(twin.op, ast.And) else ast.And()) or True
    elif (
        isinstance(node, ast.BinOp)
        and type(node.op) in _SIGNS
        and not isinstance(node.left, ast.Constant | ast.JoinedStr)
    ):
        yield lambda twin: setattr(twin, "op", _SIGNS[type(twin.op)]()) or True
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
        yield lambda twin: setattr(twin, "value", twin.value + 1) or True
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield lambda twin: setattr(twin, "op", ast.UAdd()) or True
    elif isinstance(node, ast.If | ast.IfExp):
        yield lambda twin: setattr(twin, "test", ast.Constant(True)) or True
        yield lambda twin: setattr(twin, "test", ast.Constant(False)) or True


def noticed(tree: Path, file: str, source: str, tests: list[str], seconds: int = 600) -> bool:
    """Whether a test fails with `source` in the place of a file, or does not come to an end.

    The tests run in a fork, which has torch and the other large libraries already.
    """
    path = tree / file
    own = path.read_text(encoding="utf-8")
    path.write_text(source, encoding="utf-8")
    try:
        child = os.fork()
        if child == 0:
            _run(tree, tests, seconds)
        return os.waitpid(child, 0)[1] != 0
    finally:
        path.write_text(own, encoding="utf-8")


def _run(tree: Path, tests: list[str], seconds: int) -> None:
    """Run tests in this process and end it with their exit code."""
    code = 1
    try:
        signal.alarm(seconds)
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        os.chdir(tree)
        sys.path[:] = [str(tree), *(place for place in sys.path if place not in ("", str(ROOT)))]
        ours = ("region_core", "benchmark", "tests")
        for name in [name for name in sys.modules if name.split(".")[0] in ours]:
            del sys.modules[name]
        sys.dont_write_bytecode = True
        known = "ignore:Module already imported:pytest.PytestAssertRewriteWarning"  # in the parent, as it should be
        code = int(pytest.main(["-q", "-x", "-p", "no:cacheprovider", "-W", known, *tests]))
    finally:
        os._exit(code)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", nargs="*", default=list(FILES))
    parser.add_argument("--each", type=int, default=25, help="changes tried in each file")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=600, help="no new one after this time")
    args = parser.parse_args()
    torch.set_num_threads(1)
    rng, found, tried = random.Random(args.seed), 0, 0
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".git", "*_cache", "__pycache__"))
        drawn = []
        for file in args.files:
            every = list(mutants((tree / file).read_text(encoding="utf-8")))
            chosen = rng.sample(every, min(args.each, len(every)))
            drawn += [(file, *one) for one in chosen]
        rng.shuffle(drawn)  # whenever time is up, what was tried is of all files
        until, sound = time.monotonic() + 60 * args.minutes, {}
        for file, what, source in drawn:
            if time.monotonic() > until:
                break
            if file not in sound:
                sound[file] = not noticed(tree, file, (tree / file).read_text(encoding="utf-8"), FILES[file])
                if not sound[file]:
                    print(f"{file}: its tests fail as it is", flush=True)
            if not sound[file]:
                continue
            tried += 1
            if noticed(tree, file, source, FILES[file]):
                found += 1
            else:
                print(f"not noticed: {file}: {what}", flush=True)
    print(f"{found} of {tried} changes noticed ({100 * found / max(tried, 1):.0f} %)")


if __name__ == "__main__":
    main()
