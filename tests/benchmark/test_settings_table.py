"""Does every setting do something? The table knows all of them, and tells what one changed."""

from __future__ import annotations

import pytest

from benchmark.settings_table import OTHER, reads, table
from region_core import PRESETS
from region_core.errors import InputError
from region_core.settings import SETTINGS


def test_every_setting_is_changed_to_another_value_that_may_be() -> None:
    assert set(OTHER) == set(SETTINGS) - {"method", "detections_only"}  # which need another preset, and detections
    for name, value in OTHER.items():
        assert not SETTINGS[name].problem(value), name
        assert any(value != settings.flat()[name] for settings in PRESETS.values()), name


def test_a_setting_is_changed_where_it_is_read() -> None:
    assert not reads("lr", PRESETS["standard"])
    assert reads("lr", PRESETS["paper"])
    assert reads("max_window_size", PRESETS["standard"])
    assert reads("max_window_size", PRESETS["paper"])
    assert reads("seed", PRESETS["paper"])


def test_what_became_different_is_told() -> None:
    lines = list(table(1, 7, "demo", 2, ["fast"], ["steps", "feather", "lr"]))
    assert "| steps | 5: picture, order 1, cost 1 |".replace("picture,", "picture 1,") in lines
    assert any(line.startswith("| feather | 12: picture 1") for line in lines)
    assert "| lr | not read |" in lines


def test_a_setting_or_preset_that_is_none_is_named() -> None:
    for more, words in (((["slow"], []), "slow"), (([], ["colour"]), "names has 'colour'")):
        with pytest.raises(InputError, match=words):
            next(table(1, 7, "demo", 2, *more))
