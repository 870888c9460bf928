"""Borders are read off edits: a step that is seen, and what is left of the old thing."""

from __future__ import annotations

import pytest
import torch

from benchmark.borders import VARIANTS, enlarged, look, measured, steepest
from benchmark.worlds.shapes import drawn
from benchmark.worlds.task import as_tensor
from region_core.demo.worlds import with_company


def test_the_steepest_line_is_found_where_no_thing_stands() -> None:
    picture, things = torch.zeros(3, 20, 20), torch.zeros(20, 20, dtype=torch.bool)
    picture[:, 5:15, 5:15] = 0.1
    assert steepest(picture, [(5, 5, 15, 15)], things) == pytest.approx(25.5, abs=0.01)
    assert steepest(picture, [(4, 4, 16, 16)], things) == 0
    assert steepest(picture, [(5, 5, 15, 15)], ~things) == 0


def test_half_an_old_thing_is_told() -> None:
    scene, edit = with_company(9)
    source, bare, _ = enlarged(scene, 128)
    assert edit.target is not None
    box = x0, y0, x1, y1 = scene.objects[edit.target].box
    whole, part = torch.zeros(128, 128), torch.zeros(128, 128)
    whole[y0:y1, x0:x1], part[y0:y1, x0 : (x0 + x1) // 2] = 1, 1
    edited = as_tensor(drawn(scene, edit, box))
    told = [look(source, edited, mask, mask, scene, edit, (0, 0, 0), True).remains for mask in (whole, part)]
    assert told[0] == 0
    assert 0.2 < told[1] < 0.8


def test_every_variant_is_painted_and_growth_hides_the_old_thing() -> None:
    text = measured(1, 9, "replace", 128, None)
    assert text.startswith("1 scenes with a region, 0 without")
    assert text.count("\n| ") == 1 + len(VARIANTS)
    grown = next(line for line in text.splitlines() if line.startswith("| grown 10 % |"))
    assert "| 0.00% | 0 |" in grown
