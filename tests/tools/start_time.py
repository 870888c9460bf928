"""What the pack adds to ComfyUI's start, as ComfyUI itself measures it: `python -m tests.tools.start_time`.

A server is started with the pack as the registry ships it, beside an almost empty one; the seconds that
ComfyUI notes for the import of each are printed, and the difference; exit code 1 where the least of several
starts, the one that other work on the machine held up least, is above `MOST`.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from pathlib import Path

from ..comfy.flows import PACK
from ..comfy.served import PACK_FOLDER, Server

MOST = 0.3  # seconds that the pack may add to a start
EMPTY = "A decoy pack"


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
    added = []
    for _ in range(args.starts):
        found = import_seconds(args.comfyui)
        added.append(found[PACK_FOLDER] - found[EMPTY])
        print(f"{PACK_FOLDER} {found[PACK_FOLDER]} s, {EMPTY} {found[EMPTY]} s: {added[-1]:.1f} s more", flush=True)
    least = round(min(added), 2)  # ComfyUI notes tenths
    print(f"{least} s at the least, at most {MOST} s are allowed: {'too slow' if least > MOST else 'fine'}")
    raise SystemExit(least > MOST)


if __name__ == "__main__":
    main()
