"""The same tests in several environments and ComfyUIs: `python -m tests.tools.versions FOLDER`.

FOLDER gets an environment a name: `floors` with each floor of requirements.txt (and of torch, which the requirements
leave to the person's ComfyUI) at exactly that version, `newest` with the newest that pip finds. In each the core's
tests run, and with `--comfyui` those of the nodes in each of these ComfyUIs' processes. Prints a line a run as soon
as it is done, with pytest's sum and what failed; exit code 1 if anything did.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TORCH = ("torch==2.6.0", "torchvision==0.21.0")  # the least that is supported
# a server and a browser want the frontend of their own ComfyUI, and one environment has one
IN_PROCESS = ("tests/comfy", "--ignore", "tests/comfy/test_server.py", "--ignore", "tests/comfy/test_browser.py")
CORE = ("tests", "--ignore", "tests/comfy", "--ignore", "tests/benchmark")  # the benchmark does not ship
FOR_TESTS = ("pytest", "psutil", "hypothesis", "scikit-image", "ruff", "playwright")
LIBRARIES = ("torch", "torchvision", "diffusers", "transformers", "open_clip_torch", "safetensors")
LIBRARIES += ("huggingface_hub", "numpy", "scipy", "pillow", "jinja2", "click", "filelock", "tqdm")
TELL = (
    "import platform; from importlib.metadata import version; "
    f"print('Python ' + platform.python_version(), *(f'{{n}} {{version(n)}}' for n in {LIBRARIES}), sep=', ')"
)


def requirements(environment: str) -> list[str]:
    """What pip is asked for: requirements.txt, of `floors` with each floor as the version."""
    lines = [*(ROOT / "requirements.txt").read_text(encoding="utf-8").split(), "diffusers>=0.32"]
    if environment == "newest":
        return lines
    return [*TORCH, *(line.replace(">=", "==") for line in lines if ">=" in line)]


def run(*command: str | Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """A command's output; what it says of its own failure is shown."""
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environ}, stdout=subprocess.PIPE, text=True, check=False
    )


def made(folder: Path, environment: str, python: str) -> Path:
    """The Python of an environment, which is made if it is not there, with what the tests need."""
    home = folder / environment
    own = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not own.is_file():
        run(python, "-m", "venv", home).check_returncode()
    asked = requirements(environment)
    held = home / "held.txt"  # no ComfyUI may bring another torch, or more than a floor
    held.write_text("\n".join(line for line in asked if "==" in line), encoding="utf-8")
    pip = (own, "-m", "pip", "install", "-q", "-c", held)
    run(*pip, *(["-U"] if environment == "newest" else []), *asked, *FOR_TESTS).check_returncode()
    return own


def for_comfyui(python: Path, comfyui: Path) -> None:
    """What a ComfyUI needs, at its own pins, but no other torch and no more than a floor."""
    home = python.parents[1]
    lines = (comfyui / "requirements.txt").read_text(encoding="utf-8").splitlines()
    wanted = home / "comfyui.txt"
    wanted.write_text(
        "\n".join(line for line in lines if not re.match(r"(torch(vision|audio)?|#.*)?\s*$", line)), encoding="utf-8"
    )
    pip = (python, "-m", "pip", "install", "-q", "-c", home / "held.txt")
    run(*pip, "-r", wanted).check_returncode()
    run(*pip, "--no-deps", "torchaudio").check_returncode()


def tried(python: Path, tests: tuple[str, ...], **environ: str) -> tuple[bool, str]:
    """(whether all passed, what to say of it) of tests in an environment."""
    done = run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rfE", *tests, **environ)
    lines = done.stdout.strip().splitlines()
    failed = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    return done.returncode == 0, "\n    ".join([*(line.strip("= ") for line in lines[-1:]), *failed])


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the environments are made, and found again")
    parser.add_argument("--environments", nargs="*", choices=("floors", "newest"), default=("floors", "newest"))
    parser.add_argument("--python", default=sys.executable, help="the Python to make them with")
    parser.add_argument("--comfyui", type=Path, nargs="*", default=[], help="folders of ComfyUIs")
    parser.add_argument("--no-core", action="store_true", help="the ComfyUIs alone")
    args = parser.parse_args()
    sound = True
    for environment in args.environments:
        python = made(args.folder.resolve(), environment, args.python)
        for comfyui in [None] * (not args.no_core) + args.comfyui:
            if comfyui is None:
                good, said = tried(python, CORE)
            else:
                for_comfyui(python, comfyui)
                good, said = tried(python, IN_PROCESS, COMFYUI_DIR=str(comfyui.resolve()))
            sound &= good
            print(f"{environment}, {comfyui.name if comfyui else 'core'}: {said}", flush=True)
            print(f"  with {run(python, '-c', TELL).stdout.strip()}", flush=True)
    raise SystemExit(not sound)


if __name__ == "__main__":
    main()
