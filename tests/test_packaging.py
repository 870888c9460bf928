"""What the registry and ComfyUI's manager read agrees with itself."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import region_core

ROOT = Path(__file__).resolve().parents[1]


def block(name: str) -> str:
    """A table of pyproject.toml as text; Python 3.10 has no tomllib."""
    text = (ROOT / "pyproject.toml").read_text()
    found = re.search(rf"^\[{re.escape(name)}\]\n(.*?)(?=^\[|\Z)", text, re.M | re.S)
    assert found
    return found[1]


def test_dependencies_are_the_requirements_and_only_floors() -> None:
    wanted = (ROOT / "requirements.txt").read_text().split()
    listed = re.search(r"dependencies = \[(.*?)\]", block("project"), re.S)
    assert listed
    assert re.findall(r'"([^"]+)"', listed[1]) == wanted
    for line in wanted:  # no floor for torch, or pip replaces one that fits the machine's GPU
        assert line in ("torch", "torchvision") or re.fullmatch(r"(?!torch\b)[a-z_0-9]+>=[\d.]+", line), line


def test_diffusers_is_the_command_lines_alone_and_asked_for_in_the_same_words() -> None:
    """In an environment with transformers 4 it brings version 5, and with it another hub."""
    asked = re.search(r'paint = \["([^"]+)"\]', block("project.optional-dependencies"))
    assert asked
    assert asked[1] in (ROOT / "tests" / "requirements.txt").read_text().split()
    assert f'pip install "{asked[1]}"' in (ROOT / "region_core" / "paint" / "diffusers_loading.py").read_text()
    importing = [
        file.relative_to(ROOT).as_posix()
        for folder in ("region_core", "nodes")
        for file in (ROOT / folder).rglob("*.py")
        if re.search(r"^\s*(from|import) diffusers", file.read_text(encoding="utf-8"), re.M)
    ]
    assert sorted(importing) == ["region_core/paint/diffusers_loading.py", "region_core/paint/diffusers_painter.py"]


def test_what_is_imported_is_declared() -> None:
    wanted = {re.split(r"[>=]", line)[0] for line in (ROOT / "requirements.txt").read_text().split()}
    wanted |= {"diffusers", "timm"}  # of the command line alone; open_clip_torch brings timm
    called = {"PIL": "pillow", "open_clip": "open_clip_torch"}
    standard = sys.stdlib_module_names
    ours = {
        "comfy",
        "comfy_api",
        "comfy_execution",
        "folder_paths",
        "latent_preview",
        "node_helpers",
        "server",
    }  # ComfyUI brings them
    for file in [*(ROOT / "region_core").rglob("*.py"), *(ROOT / "nodes").rglob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else ([node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else [])
            )
            for top in {name.split(".")[0] for name in names} - standard - ours:
                assert called.get(top, top) in wanted, (file.name, top)


def test_the_registrys_own_check_finds_nothing(tmp_path: Path) -> None:
    beside = Path(sys.executable).with_name("comfy")
    program = str(beside) if beside.is_file() else shutil.which("comfy")
    if program is None:
        pytest.skip("no comfy command here: pip install comfy-cli")
    done = subprocess.run(
        [program, "--skip-prompt", "node", "validate"],
        cwd=ROOT,
        text=True,
        capture_output=True,
        timeout=300,
        check=False,
        env={**os.environ, "HOME": str(tmp_path)},
    )  # it keeps notes at home
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All validation checks passed" in done.stdout + done.stderr


def test_the_version_is_said_once() -> None:
    assert f'version = "{region_core.__version__}"' in block("project")
    assert re.fullmatch(r"\d+\.\d+\.\d+", region_core.__version__)


def test_the_registry_finds_what_it_needs() -> None:
    comfy = block("tool.comfy")
    for name in ("PublisherId", "DisplayName", "requires-comfyui"):
        assert re.search(rf'^{name} = ".+"', comfy, re.M), name
    assert (ROOT / "LICENSE").read_text().startswith("MIT License")


def test_tests_stay_out_of_the_package() -> None:
    ignored = (ROOT / ".comfyignore").read_text().split()
    assert {"tests/", ".ci/", "benchmark/"} <= set(ignored)
