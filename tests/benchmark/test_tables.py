"""Means, paired intervals and tables on made-up rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from benchmark.painting import Outcome, region_of, untouched
from benchmark.pictures import picture_file, shown, with_region, write_sheets
from benchmark.rows import Row
from benchmark.tables import by_kind, compare, comparisons, interval, means, report, table
from benchmark.worlds.shapes import ShapesWorld
from region_core.cost import Cost
from region_core.picture_file import save_png


def cost(evaluations: float, clip: float = 0) -> dict[str, float]:
    return Cost(unet_evaluations=evaluations, clip_images=clip).as_dict()


ROW = Row(
    scene=0,
    kind="replace",
    clip="demo",
    box=[0, 0, 8, 8],
    iou=0.5,
    hit=1.0,
    recognised=None,
    false_alarm=0.0,
    success=1.0,
    background_psnr=40.0,
    cost=cost(40),
    seconds=1.0,
)


def rows(ious: list[float], **same) -> list[Row]:
    return [replace(ROW, scene=i, iou=v, hit=float(v >= 0.5), **same) for i, v in enumerate(ious)]


def test_means_leave_out_what_does_not_apply() -> None:
    got = means([*rows([0.2, 0.6]), replace(ROW, kind="absent", iou=None, hit=None, false_alarm=None, success=0.0)])
    assert got["iou"] == pytest.approx(0.4)
    assert got["hit"] == 0.5
    assert got["success"] == pytest.approx(2 / 3)
    assert means([])["iou"] is None


def test_intervals_cover_the_mean_as_often_as_they_say() -> None:
    rng = np.random.default_rng(3)
    inside = 0
    for _ in range(200):
        low, high = interval(rng.standard_normal(40).tolist())
        inside += low <= 0 <= high
    assert 0.88 <= inside / 200 <= 0.99


def test_methods_are_compared_on_the_scenes_that_both_have() -> None:
    ours = rows([0.9] * 20)
    theirs = rows([0.5] * 20)[:12]
    c = compare({"a": ours, "b": theirs}, "a", "b", "iou")
    assert c is not None
    assert c.scenes == 12
    assert c.difference == pytest.approx(0.4)
    assert c.interval == pytest.approx((0.4, 0.4))
    assert compare({"a": ours, "b": [replace(r, scene=r.scene + 50) for r in theirs]}, "a", "b", "iou") is None
    assert compare({"a": ours, "b": [replace(r, iou=None) for r in theirs]}, "a", "b", "iou") is None


def test_pairing_sees_what_the_spread_between_scenes_hides() -> None:
    spread = [0.02 * i for i in range(40)]
    better = rows([v + 0.05 for v in spread])
    c = compare({"a": better, "b": rows(spread)}, "a", "b", "iou")
    assert c is not None
    assert c.interval[0] > 0.04


def test_only_differences_beyond_chance_are_bold() -> None:
    mixed = [0.2, 0.8] * 10
    text = comparisons({"a": rows([0.9] * 20), "b": rows([0.1] * 20), "c": rows(mixed)})
    b = next(line for line in text.splitlines() if line.startswith("| b "))
    assert "**+0.800 (+0.800 to +0.800)**" in b
    same = comparisons({"a": rows(mixed), "c": rows(mixed[::-1])})
    assert "**" not in same
    few = comparisons({"a": rows([0.9] * 3), "b": rows([0.1] * 3)})
    assert "**" not in few
    assert comparisons({"a": rows([0.9])}) == ""


def test_the_table_shows_every_part_of_the_cost_and_the_whole() -> None:
    text = table({"a": rows([0.5] * 4, cost=cost(200, 100))})
    assert "| a | 4 | 0.50 | 1.00 | 0.00 | 1.00 | 40.0 | 200 | 100 | 205.2 | 1.0 |" in text
    assert "absent recognised" not in text  # nothing was absent


def test_kinds_stand_side_by_side() -> None:
    absent = [replace(r, kind="absent", box=None, iou=None, hit=None, recognised=1.0) for r in rows([0.1] * 5)]
    text = by_kind({"a": [*rows([0.25, 0.75]), *absent]}, ["replace", "absent"])
    assert "| a | 0.50 / 0.50 | said 1.00 |" in text
    assert "| scenes, at most | 2 | 5 |" in text


def test_the_report_keeps_clips_apart() -> None:
    bent = [replace(r, clip="bent:x") for r in rows([0.1] * 5)]
    text = report(
        {"a": [*rows([0.9] * 5), *bent], "b": rows([0.2] * 5)},
        "shapes",
        7,
        {"b": "a note on b", "c": "none of this run"},
    )
    first, second = text.split("## CLIP bent:x")
    assert "## CLIP demo" in first
    assert "| a | 5 | 0.90 |" in first
    assert "| a | 5 | 0.10 |" in second
    assert "`b`: a note on b." in text
    assert "none of this run" not in text


def test_photographs_are_told_by_half_and_by_group() -> None:
    names = [f"{number}.jpg" for number in range(24)]
    found = [
        replace(r, kind="tiny", source=name, several=i % 3 == 0)
        for i, (r, name) in enumerate(zip(rows([0.9] * 24), names, strict=True))
    ]
    other = [replace(r, kind="subject", scene=99, source=names[0]) for r in rows([0.1])]
    text = report(
        {"a": [*found, *other]}, "photographs", 0, {}, {"One": ("subject", "no-subject"), "Scenes": ("tiny",)}
    )
    first, second = text.split("## CLIP demo, half B")
    assert "## CLIP demo, half A" in first
    counts = {half: sum(row.half == half for row in found) for half in "AB"}
    assert f"| a | {counts['A']} | 0.90" in first
    assert f"| a | {counts['B']} | 0.90" in second
    assert text.count("### Scenes") == 2
    assert text.count("### One") == 1  # its one photograph lies in one half


def test_things_alone_of_their_kind_are_told_apart() -> None:
    some = [replace(r, source="a.jpg", several=r.scene > 1) for r in rows([0.8, 0.8, 0.2])]
    assert "| a | 0.60 / 0.67 | 0.80 / 1.00 | 0.20 / 0.00 |" in by_kind({"a": some}, ["replace"])


def test_sheets_show_wins_and_failures_apart(tmp_path) -> None:
    mixed = [replace(r, success=float(r.scene == 0)) for r in rows([0.5] * 3)]
    task = ShapesWorld().task("replace", 9, 0)
    for row in mixed[:2]:  # of the third no picture was kept
        save_png(shown(task, untouched(task)), picture_file(tmp_path, "map:0.5", row.clip, row.kind, row.scene))
    files = write_sheets({"map:0.5": mixed}, tmp_path)
    assert [f.name for f in files] == ["map-0.5_wins_0.png", "map-0.5_failures_0.png"]
    assert all(f.is_file() for f in files)


def test_a_row_is_shown_as_picture_map_region_and_edit() -> None:
    task = ShapesWorld().task("replace", 9, 0)
    alone = shown(task, untouched(task))
    assert alone.width == 2 * alone.height
    region, heat = region_of(task, (10, 20, 60, 70)), torch.rand(1, 1, 8, 8)
    assert shown(task, Outcome(task.picture[0], region, heat)).width == 3 * alone.height
    assert shown(task, Outcome(1 - task.picture[0], region, heat)).width == 4 * alone.height


def test_boxes_lie_where_they_are() -> None:
    task = ShapesWorld().task("replace", 9, 0)
    picture = with_region(task, Outcome(task.picture[0], region_of(task, (10, 20, 60, 70))))
    assert picture.getpixel((10, 40)) == (255, 92, 40)
    x0, y0, x1, y1 = (int(v) for v in task.boxes[0])
    green = with_region(task, untouched(task))
    assert green.getpixel((x0, (y0 + y1) // 2)) == green.getpixel((x1 - 1, (y0 + y1) // 2)) == (60, 200, 90)
    assert green.getpixel((x0 - 1, y0)) == Image.fromarray(task.image).getpixel((x0 - 1, y0))
