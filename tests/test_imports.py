"""Imports point one way: __init__ -> nodes -> region_core, benchmark -> region_core, and nowhere in a circle.

The imports are read from the source, those inside functions and those for typing alone included.
"""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("region_core", "nodes", "benchmark")


def module_of(file: Path) -> str:
    """A file's dotted name from the root of the repository, "" for the pack's own __init__.py."""
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_of(file): file for part in PARTS for file in sorted((ROOT / part).rglob("*.py"))}
FILES[""] = ROOT / "__init__.py"


def imported(name: str, source: str, *, package: bool) -> set[str]:
    """The modules of this repository that a module imports."""
    here = name.split(".") if package else name.split(".")[:-1]
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name in FILES}
        elif isinstance(node, ast.ImportFrom):
            above = here[: len(here) - node.level + 1] if node.level else []
            base = ".".join([*above, *(node.module.split(".") if node.module else [])]).strip(".")
            for alias in node.names:
                whole = f"{base}.{alias.name}".strip(".")
                found.add(whole if whole in FILES else base)
    return {one for one in found if one in FILES and one and one != name}


def graph() -> dict[str, set[str]]:
    """What each module of the repository imports."""
    return {
        name: imported(name, file.read_text(encoding="utf-8"), package=file.name == "__init__.py")
        for name, file in FILES.items()
    }


def circle(arrows: dict[str, set[str]]) -> list[str]:
    """The modules of a circle, each imported by the one before it; empty where there is none."""
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def test_no_circle() -> None:
    assert not circle(graph())


@pytest.mark.parametrize(
    ("part", "never"), [("region_core", ("benchmark", "nodes")), ("nodes", ("benchmark",)), ("benchmark", ("nodes",))]
)
def test_imports_point_one_way(part: str, never: tuple[str, ...]) -> None:
    wrong = [
        (name, other)
        for name, others in graph().items()
        if name.split(".")[0] == part
        for other in others
        if other.split(".")[0] in never
    ]
    assert not wrong


def test_the_core_does_not_know_comfyui() -> None:
    foreign = {"comfy", "comfy_api", "folder_paths", "node_helpers", "execution", "server"}
    for name, file in FILES.items():
        if not name.startswith("region_core"):
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom) and not node.level
                else []
            )
            assert not {one.split(".")[0] for one in names} & foreign, name


def test_a_circle_would_be_found() -> None:
    """The reading itself: relative, absolute, in a function, for typing."""
    source = (
        "from __future__ import annotations\nfrom typing import TYPE_CHECKING\n"
        "from . import checks\nif TYPE_CHECKING:\n    from .edit import Edits\n"
        "def f():\n    from ..nodes import common\n    import benchmark.rows\n"
    )
    found = imported("region_core.boxes", source, package=False)
    assert found == {"region_core.checks", "region_core.edit", "nodes.common", "benchmark.rows"}
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}})
    assert not circle({"a": {"b", "c"}, "b": {"c"}, "c": set()})
