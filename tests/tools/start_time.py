"""What the pack adds to ComfyUI's start, as ComfyUI itself measures it: `python -m tests.tools.start_time`.

A server is started with the pack as the registry ships it, beside an almost empty one; the seconds that
ComfyUI notes for the import of each are printed, and what the pack says while it is imported.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from pathlib import Path

from ..comfy.flows import PACK
from ..comfy.served import PACK_FOLDER, Server


def import_seconds(comfyui: Path) -> dict[str, float]:
    """Seconds by folder."""
    with tempfile.TemporaryDirectory() as folder:
        server = Server(comfyui, PACK, Path(folder) / "base folder")
        try:
            server.wait()
        finally:
            server.stop()
        log = server.log.read_text(encoding="utf-8", errors="replace")
    return {
        Path(place.strip()).name: float(seconds) for seconds, place in re.findall(r"([\d.]+) seconds[^:]*: (.+)", log)
    }


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--comfyui", type=Path, default=Path.home() / "comfy" / "ComfyUI")
    parser.add_argument("--starts", type=int, default=3)
    args = parser.parse_args()
    for _ in range(args.starts):
        found = import_seconds(args.comfyui)
        print({name: found.get(name) for name in (PACK_FOLDER, "A decoy pack")}, flush=True)


if __name__ == "__main__":
    main()
