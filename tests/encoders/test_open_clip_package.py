"""open_clip is found although another package of its name comes first on the path."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOAD = """
from region_core.demo.models import CLIP
from region_core.encoders import load_clip
print(tuple(load_clip(*CLIP).encode_text("a red circle").shape))
"""


TIMM = """
import sys
from region_core.encoders import load_dino
from region_core.errors import InputError
try:
    load_dino(sys.argv[1])
except InputError as error:
    print(error)
"""


def test_a_timm_that_cannot_be_imported_is_told(tmp_path: Path) -> None:
    (tmp_path / "timm").mkdir()
    (tmp_path / "timm" / "__init__.py").write_text("raise RuntimeError('what a stranger lacks')")
    (tmp_path / "config.json").write_text('{"architecture": "vit_tiny_patch16_224"}')
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", TIMM, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "timm cannot be imported (what a stranger lacks); run: pip install" in done.stdout


@pytest.mark.parametrize("code", ["def create_model(): pass", "raise AttributeError('what a stranger lacks')"])
def test_a_strangers_open_clip_is_passed_by(tmp_path: Path, code: str) -> None:
    (tmp_path / "open_clip").mkdir()
    (tmp_path / "open_clip" / "__init__.py").write_text(code)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LOAD],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "(1, 128)\n"
    assert done.stderr == ""
