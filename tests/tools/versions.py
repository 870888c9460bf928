"""The same tests in several environments: `python -m tests.tools.versions --venv FOLDER ...`.

`--make FOLDER` first makes an environment with the floors of requirements.txt (and of torch, which the
requirements leave to the person's ComfyUI), each at exactly that version.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TORCH = ("torch==2.6.0", "torchvision==0.21.0")  # the least that is supported
TESTS = (
    "tests/painting",
    "tests/encoders",
    "tests/test_weights.py",
    "tests/test_memory.py",
    "tests/test_pieces.py",
    "tests/test_resize.py",
    "tests/test_images.py",
    "tests/test_images_refused.py",
    "tests/test_images_saved.py",
    "tests/test_edit.py",
    "tests/test_edit_previews.py",
    "tests/test_edit_settings.py",
    "tests/test_noise_samples.py",
)
LIBRARIES = (
    "torch",
    "torchvision",
    "diffusers",
    "transformers",
    "open_clip_torch",
    "numpy",
    "pillow",
    "huggingface_hub",
)
TELL = (
    "import platform; from importlib.metadata import version; "
    f"print('python', platform.python_version(), *(f'{{n}} {{version(n)}}' for n in {LIBRARIES}))"
)


def floors() -> list[str]:
    """requirements.txt with each floor as the version."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").split()
    return [*TORCH, *(re.sub(">=", "==", line) for line in lines if ">=" in line)]


def python_in(folder: Path) -> Path:
    """An environment's Python."""
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def make(folder: Path) -> None:
    """An environment of the floors and what the tests need."""
    venv.create(folder, with_pip=True)
    subprocess.run(
        [python_in(folder), "-m", "pip", "install", "-q", *floors(), "pytest", "psutil", "hypothesis"], check=True
    )


def tried(folder: Path, tests: list[str]) -> tuple[str, str]:
    """(versions, pytest's last line) of an environment."""
    python = str(python_in(folder))
    said = subprocess.run([python, "-c", TELL], capture_output=True, text=True, check=True).stdout.strip()
    run = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return said, run.stdout.strip().splitlines()[-1]


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--venv", type=Path, nargs="*", default=[Path(sys.prefix)])
    parser.add_argument("--make", type=Path)
    parser.add_argument("--tests", nargs="*", default=list(TESTS))
    args = parser.parse_args()
    if args.make:
        make(args.make)
        args.venv.append(args.make)
    for folder in args.venv:
        print(*tried(folder, args.tests), sep="\n  ")


if __name__ == "__main__":
    main()
