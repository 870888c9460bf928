"""Several edits and another region are counted on the models: one encoding, and a crop an edit."""

from __future__ import annotations

import pytest

from benchmark.several import measured


@pytest.mark.parametrize("world", ["shapes", "things"])
def test_three_edits_cost_one_encoding_and_another_region_none(world: str) -> None:
    first, _, _, *rows = measured(world, 1, 5).splitlines()
    assert first.endswith("bit for bit the source in 1 of 1")
    unet, pictures, _, dino, encodings, decodings, _ = range(1, 8)
    one, three, other = ([cell.strip() for cell in row.strip("| ").split("|")] for row in rows)
    assert (one[unet], one[dino]) == ("0", "1")
    assert [three[at] for at in (unet, dino, encodings, decodings)] == ["120", "1", "3", "3"]
    assert int(three[pictures]) - int(one[pictures]) in range(9, 12)  # three an edit, one where it lies on an earlier
    assert [other[at] for at in (unet, pictures, dino, encodings, decodings)] == ["40", "3", "0", "1", "1"]
