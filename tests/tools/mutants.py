"""Small changes to the core's decisions, each of which some test ought to notice: `python -m tests.tools.mutants`.

cosmic-ray makes the changes (`pip install cosmic-ray`): another operator or comparison, a number one more or one
less, `not`, `and` for `or`, a loop that is never entered. A copy of the tree is changed in one place at a time and the
tests that `FILES` names for it are run; what none of them notices is listed. cosmic-ray's own runner is not used:
it starts a Python for each change, which takes longer to import torch than most tests to run; here they are forks.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import diffusers  # noqa: F401  loaded here once, for every fork
import open_clip  # noqa: F401
import pytest
import torch
import transformers  # noqa: F401
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

ROOT = Path(__file__).resolve().parents[2]
FILES = {  # the fast tests that cover each module of decisions
    "rank.py": ["tests/test_rank.py"],
    "edit.py": ["tests/test_steps.py", "tests/test_painter.py"],
    "encode.py": ["tests/test_steps.py"],
    "boxes.py": ["tests/test_boxes.py"],
    "find/regions.py": ["tests/test_regions.py"],
    "find/relevance.py": ["tests/find/test_relevance.py", "tests/find/test_views.py"],
    "find/propose.py": ["tests/find/test_propose.py", "tests/find/test_shapes.py"],
    "find/texts.py": ["tests/find/test_texts.py"],
    "find/which.py": ["tests/find/test_which.py"],
    "find/find.py": ["tests/test_find.py", "tests/find/test_colours.py", "tests/find/test_prior.py"],
    "requests.py": ["tests/find/test_requests.py"],
    "several.py": ["tests/find/test_several.py"],
    "paint/borders.py": ["tests/paint/test_borders.py"],
    "paint/crop.py": ["tests/paint/test_crop.py"],
    "paint/windows.py": ["tests/paint/test_windows.py"],
    "paint/tint.py": ["tests/paint/test_tint.py"],
    "paper/anchors.py": ["tests/paper/test_anchors.py"],
    "paper/learning.py": ["tests/paper/test_learning.py"],
    "paper/loop.py": ["tests/paper/test_loop.py"],
    "paper/losses.py": ["tests/paper/test_losses.py"],
    "settings/edit.py": ["tests/test_settings.py"],
    "checks.py": ["tests/test_checks.py"],
    "picture.py": ["tests/test_picture.py", "tests/test_picture_refused.py", "tests/test_picture_saved.py"],
    "picture_file.py": ["tests/test_picture_frames.py", "tests/test_picture_refused.py", "tests/test_picture_saved.py"],
}
# Not tried: a shift or a bit for a sum of floats, which every test notices; decorators, which decide nothing
# here; what is inserted for other languages' habits.
_LEFT_OUT = re.compile(
    r"Remove\w*Decorator|Variable|"
    r"ReplaceBinaryOperator_(?!Bit)\w+?_(RShift|LShift|BitOr|BitAnd|BitXor|Mod|Pow)|"
    r"ReplaceBinaryOperator_Bit\w+?_(?!Bit)|ReplaceUnaryOperator_\w+_Invert"
)


def places(source: str) -> dict[tuple[int, int], list[tuple[str, int]]]:
    """(line, column) of each place that decides -> the changes there, as cosmic-ray's operator and occurrence."""
    passed, lines = _decides_nothing(ast.parse(source)), source.splitlines()
    nodes = list(ast_nodes(get_ast(source)))
    found: dict[tuple[int, int], list[tuple[str, int]]] = {}
    for name in operator_names():
        if _LEFT_OUT.search(name) or get_operator(name).arguments():
            continue
        operator = get_operator(name)()
        spots = [start for node in nodes for start, _ in operator.mutation_positions(node)]
        for occurrence, spot in enumerate(spots):
            star = lines[spot[0] - 1][spot[1] :].startswith("*,")  # of parameters by name, which nothing evaluates
            if not star and not any(first <= spot < last for first, last in passed):
                found.setdefault(spot, []).append((name, occurrence))
    return found


def _decides_nothing(tree: ast.AST) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Where annotations and decorators are, which nothing evaluates or which decide nothing, TYPE_CHECKING, and the
    `strict` of a zip, which guards against faults of our own."""
    parts: list[ast.AST | None] = []
    for node in ast.walk(tree):
        parts += [getattr(node, name, None) for name in ("annotation", "returns")]
        parts += getattr(node, "decorator_list", [])
        parts += [node.value] if isinstance(node, ast.keyword) and node.arg == "strict" else []
        parts += [node.test] if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING" else []
    return [
        ((part.lineno, part.col_offset), (part.end_lineno or 0, part.end_col_offset or 0))
        for part in parts
        if isinstance(part, ast.expr)
    ]


def drawn(source: str, count: int, rng: random.Random) -> list[tuple[str, str]]:
    """`count` of a file's places, one change in each: (what was changed, the changed source)."""
    found = sorted(places(source).items())
    made = []
    for (line, column), changes in rng.sample(found, min(count, len(found))):
        name, occurrence = rng.choice(changes)
        changed = mutate_code(source, get_operator(name)(), occurrence)
        assert changed is not None, (line, name)
        before, after = source.splitlines()[line - 1].strip(), changed.splitlines()[line - 1].strip()
        made.append((f"line {line}, {column}: {name.removeprefix('core/')}: {before} -> {after}", changed))
    return made


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
        os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # what others add takes longer than the tests
        known = "ignore:Module already imported:pytest.PytestAssertRewriteWarning"  # in the parent, as it should be
        code = int(pytest.main(["-q", "-x", "-p", "no:cacheprovider", "-W", known, *tests]))
    finally:
        os._exit(code)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", nargs="*", default=list(FILES), help="of region_core")
    parser.add_argument("--each", type=int, default=8, help="changes tried in each file")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=600, help="no new one after this time")
    args = parser.parse_args()
    torch.set_num_threads(1)
    rng, found, tried = random.Random(args.seed), 0, 0
    until = time.monotonic() + 60 * args.minutes
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".git", "*_cache", "__pycache__"))
        for name in args.files:
            file, tests = f"region_core/{name}", FILES[name]
            own = (tree / file).read_text(encoding="utf-8")
            started = time.monotonic()
            if noticed(tree, file, own, tests):
                print(f"{name}: its tests fail as it is", flush=True)
                continue
            seconds = round(3 * (time.monotonic() - started)) + 10  # a change may make them run for ever
            here, kept = 0, found
            for what, source in drawn(own, args.each, rng):
                if time.monotonic() > until:
                    break
                here += 1
                if noticed(tree, file, source, tests, seconds):
                    found += 1
                else:
                    print(f"  not noticed: {name} {what}", flush=True)
            tried += here
            print(f"{name}: {found - kept} of {here}, {time.monotonic() - started:.0f} s", flush=True)
    print(f"{found} of {tried} changes noticed ({100 * found / max(tried, 1):.0f} %), seed {args.seed}")


if __name__ == "__main__":
    main()
