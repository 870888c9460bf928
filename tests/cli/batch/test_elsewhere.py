"""What Windows and macOS do differently, simulated: names, letters' case, long paths, processes by spawn."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path, PureWindowsPath

import numpy as np
import pytest
from PIL import Image

from region_core.checks import is_file_name
from region_core.cli.batch.items import safe_name
from region_core.cli.batch.places import Place

ROOT = Path(__file__).resolve().parents[3]
NAMES = [
    "CON",
    "con.png",
    "aux",
    "AUX.txt",
    "nul.tar.gz",
    "COM1.png",
    "lpt9",
    "a?.png",
    'a"b',
    "a<b>.png",
    "a|b",
    "name. ",
    "name...",
    " .png",
    ".",
    "..",
    "...",
    "a\\b.png",
    "c:x.png",
    "\u7ea2" * 300,
    "x" * 999,
    "\U00020000" * 300,
    "a\tb",
    "\u202egnp.exe",
]


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name[:9]))
def test_any_name_of_an_item_is_a_folder_everywhere(name: str) -> None:
    made = safe_name(name)
    assert is_file_name(made)
    assert PureWindowsPath(made).name == made
    utf_16 = len(made.encode("utf-16-le")) // 2  # what Windows counts
    assert utf_16 <= 107
    place = Place(Path("out"), made, draw_box=True)
    longest = place.folder / f".candidates.png.{'0' * 32}.tmp"
    # of 260 characters 90 are left for the folder
    assert len(str(longest.relative_to("out")).encode("utf-16-le")) // 2 <= 170


def test_names_that_differ_in_case_or_accents_alone_do_not_meet() -> None:
    keys = [
        "Photo.png",
        "photo.png",
        "PHOTO.PNG",
        "cafe\u0301.png",
        "caf\u00e9.png",
        "stra\u00dfe",
        "strasse",
        "\u0130.png",
        "i.png",
        "\ufb01le",
        "file",
    ]
    assert len({safe_name(key).casefold() for key in keys}) == len(keys)


SPAWNED = """
import multiprocessing, sys
from pathlib import Path
from region_core.cli.batch.items import Item
from region_core.cli.batch.loading import load_pictures
from region_core.settings import SearchSettings

if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")
    items = [Item(name, name, Path(sys.argv[1]) / name, "a", "b", "", SearchSettings())
             for name in ("0.png", "1.png", "gone.png")]
    for loaded in load_pictures(items, [0, 1, 2], num_workers=2, pin_mem=False):
        print(loaded.place, "error" if loaded.picture is None else loaded.picture.width)
"""


def test_pictures_are_read_ahead_by_processes_that_are_no_forks(tmp_path: Path) -> None:
    for number in range(2):
        Image.fromarray(np.full((40, 50 + number, 3), 90, np.uint8)).save(tmp_path / f"{number}.png")
    script = tmp_path / "spawned.py"
    script.write_text(f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{SPAWNED}")
    done = subprocess.run([sys.executable, str(script), str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["0", "50", "1", "51", "2", "error"]
