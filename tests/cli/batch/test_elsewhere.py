"""What Windows and macOS do differently, simulated: names, letters' case, long paths."""

from __future__ import annotations

from pathlib import Path, PureWindowsPath

import pytest

from region_core.checks import is_file_name
from region_core.edits_list.items import safe_name
from region_core.edits_list.places import Place

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
