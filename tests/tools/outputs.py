"""What the commands leave, as hashes: `python -m tests.tools.outputs [--comfyui FOLDER]`.

Run it before and after a change that ought to change nothing, and compare: a line a file and a line a
command's words, less what is never the same twice (seconds, a run's own number). With `--comfyui` also the
demo graph through a server.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from region_core.demo.worlds import with_company

from ..comfy.flows import API_DEMO, PACK
from ..comfy.served import Server

SHAPES = ["--models", "shapes", "--device", "cpu"]
PAPER = ["--preset", "paper", "--steps", "2"]
PAPER += ["--per_image_iteration", "2", "--point_number", "2", "--max_window_size", "4"]
PRESETS = {
    "fast": [],
    "standard": ["--mask_shape", "object"],
    "quality": ["--steps", "6"],
    "paper": [*PAPER, "--save_path", "learned"],
    "paper again": [*PAPER, "--load_checkpoint_path", "learned"],
}
LISTS = {
    "batch": ["--draw_box"],
    "batch again": ["--draw_box"],  # nothing is left to do
    "shared": [
        *PAPER,
        "--epochs",
        "2",
        "--batch_size",
        "2",
        "--save_path",
        "shared.safetensors",
        "--ckpt_interval",
        "1",
    ],
}
# seconds in a report, a table, a page, on the terminal, and the number of a run
CHANGES = [
    (re.compile(rb'"seconds": [\d.e-]+|"run": "\w+"|"python": "[^"]+"'), b""),
    (re.compile(rb"\b\d+\.\d+ seconds|seconds:? +[\d.]+|seconds</dt><dd>[\d.]+"), b"seconds"),
]


def digest(content: bytes) -> str:
    """SHA-256, in hex, of what is left without `CHANGES`."""
    for pattern, instead in CHANGES:
        content = pattern.sub(instead, content)
    return hashlib.sha256(content).hexdigest()


def digest_of_file(path: Path) -> str:
    """SHA-256 of a file: of a picture or weights as they are, of texts without what changes."""
    content = path.read_bytes()
    if path.name == "summary.csv":
        content = re.sub(rb",[\d.]+(?=,results/)", b",", content)
    if path.suffix == ".safetensors":  # its header is JSON in any order
        length = 8 + int.from_bytes(content[:8], "little")
        content = json.dumps(json.loads(content[8:length]), sort_keys=True).encode() + content[length:]
    return digest(content) if path.suffix in (".json", ".html", ".csv") else hashlib.sha256(content).hexdigest()


def command(folder: Path, name: str, *args: str) -> None:
    """Run one command in `folder`, with its results in a folder `name`; print what came of it."""
    out = name.removesuffix(" again")
    ran = subprocess.run(
        [sys.executable, "-m", "region_core", *args, "--output_dir", out, "--quiet"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(PACK), "PYTHONSAFEPATH": "1"},
        capture_output=True,
        check=False,
    )
    print(f"{digest(ran.stdout + ran.stderr)}  {name}: exit code {ran.returncode}, and its words", flush=True)
    if ran.returncode:
        sys.exit(ran.stderr.decode())
    for file in sorted(path for path in (folder / out).rglob("*") if path.is_file()):
        print(f"{digest_of_file(file)}  {file.relative_to(folder)}")


def of_commands(folder: Path) -> None:
    """The demo, an edit with each preset, a list of pictures."""
    command(folder, "demo", "demo", "--device", "cpu")
    (folder / "in").mkdir()
    wishes = {}
    for seed, kind in ((9, "replace"), (10, "replace"), (11, "add"), (12, "absent")):
        scene, wish = with_company(seed, kind)
        Image.fromarray(scene.image).save(folder / "in" / f"{seed}.png")
        wishes[f"{seed}.png"] = [wish.caption, wish.prompt]
    (folder / "edits.json").write_text(json.dumps(wishes))
    caption, prompt = wishes["10.png"]
    edit = ["edit", *SHAPES, "--image_file_path", "in/10.png", "--image_caption", caption, "--editing_prompt", prompt]
    for preset, more in PRESETS.items():
        chosen = [] if "--preset" in more else ["--preset", preset]
        command(folder, preset, *edit, *chosen, "--draw_box", *more)
    batch = ["batch", *SHAPES, "--image_dir_path", "in", "--json_file", "edits.json"]
    for name, more in LISTS.items():
        command(folder, name, *batch, *([] if "--preset" in more else ["--preset", "fast"]), *more)
    for file in sorted([*folder.glob("*.safetensors"), *folder.glob("learned/*")]):
        print(f"{digest_of_file(file)}  {file.relative_to(folder)}")


def of_server(folder: Path, comfyui: Path) -> None:
    """The demo graph, as a script would send it."""
    server = Server(comfyui, PACK, folder / "base folder")
    try:
        server.wait()
        heard = server.run(json.loads(API_DEMO.read_text(encoding="utf-8")))
        if heard.status != "success":
            sys.exit(str(heard))
        for node, output in sorted(heard.outputs.items()):
            for number, picture in enumerate(output.get("images", [])):
                print(f"{digest(server.picture(picture))}  ComfyUI: node {node}, picture {number}")
            for text in output.get("text", []):
                print(f"{digest(text.encode())}  ComfyUI: node {node}, text")
    finally:
        server.stop()


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--comfyui", type=Path, help="ComfyUI's folder: the demo graph through a server, too")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        of_commands(Path(folder))
        if args.comfyui:
            of_server(Path(folder), args.comfyui)


if __name__ == "__main__":
    main()
