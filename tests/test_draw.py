"""Drawings: boxes where they belong, visible at any size; sheets that hold all; honest curves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from region_core.demo.worlds import held_out
from region_core.draw import considered, contact_sheet, draw_boxes, loss_curve
from region_core.plot import ACCENT, BLUE, _ticks

from .edits import QUICK, edit, scene_picture

GREY = (128, 128, 128)


def near(image: Image.Image, color, tolerance: int = 40) -> np.ndarray:
    """Where the image has about this colour: bool [H,W]."""
    return (np.abs(np.asarray(image).astype(int) - color) < tolerance).all(2)


def extent(hits: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = hits.nonzero()
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def test_the_best_box_is_framed_where_it_lies_and_not_transposed():
    plain = Image.new("RGB", (1000, 600), GREY)
    box = [600, 100, 900, 300]
    out = draw_boxes(plain, torch.tensor([[50, 50, 90, 90]]), box)
    assert extent(near(out, ACCENT)) == pytest.approx(box, abs=3)
    assert out.getpixel((750, 200)) == GREY  # a frame, not a filled box
    assert plain.getcolors() == [(600_000, GREY)]  # the input is left alone


def test_no_box_stands_out_where_none_is_best():
    plain = Image.new("RGB", (1000, 600), GREY)
    out = draw_boxes(plain, [[50, 350, 200, 500], [600, 300, 800, 500]])
    assert not near(out, ACCENT).any()


def test_the_best_box_lies_above_the_others():
    plain = Image.new("RGB", (800, 800), GREY)
    out = draw_boxes(plain, [[100, 100, 500, 500]] * 2, [100, 100, 500, 500])
    assert out.getpixel((103, 300)) == ACCENT


@pytest.mark.parametrize("side", [600, 2400])
def test_lines_grow_with_the_picture(side):
    plain = Image.new("RGB", (side, side), GREY)
    box = [side // 4, side // 4, side // 2, side // 2]
    line = near(draw_boxes(plain, [], box), ACCENT)[side * 3 // 8, : side * 3 // 8].sum()
    assert 0.004 < line / side < 0.012


def test_a_small_picture_is_enlarged_by_a_whole_number():
    out = draw_boxes(Image.new("RGB", (128, 100), GREY), [], [32, 16, 64, 80])
    assert out.size == (512, 400)
    assert extent(near(out, ACCENT)) == pytest.approx([128, 64, 256, 320], abs=3)


def test_other_boxes_are_visible_on_dark_and_on_bright():
    for shade in (0, 255):
        plain = Image.new("RGB", (600, 600), (shade,) * 3)
        out = np.asarray(draw_boxes(plain, [[100, 100, 400, 400]])).astype(int)
        assert np.abs(out[250, 95:110] - shade).max() > 100


@pytest.mark.parametrize("box", [[400, 400, 600, 600], [0, 0, 300, 1000], [0, 0, 1000, 1000], [990, 990, 1000, 1000]])
def test_the_label_is_near_its_box_and_whole(box):
    plain = Image.new("RGB", (1000, 1000), GREY)
    empty, marked = (np.asarray(draw_boxes(plain, [], box, label)) for label in ("", "region, score 0.123"))
    x0, y0, x1, y1 = extent((marked != empty).any(2))
    wide, high = x1 - x0, y1 - y0
    assert wide > 150
    assert 20 < high < 60
    assert x0 in (pytest.approx(box[0], abs=3), pytest.approx(1000 - wide, abs=3))
    assert min(abs(y1 - box[1]), abs(y0 - box[3]), abs(y0 - box[1]), abs(y1 - box[3])) < 6


@pytest.mark.parametrize("box", [[0, 0, 300, 200], [-50, -50, 900, 900], [299, 199, 300, 200]])
def test_boxes_at_or_over_the_border_are_drawn_inside(box):
    out = draw_boxes(torch.full((1, 3, 200, 300), 0.5), [], box)
    assert near(out, ACCENT).any()


def test_no_boxes_leave_the_picture():
    plain = Image.new("RGB", (700, 600), GREY)
    assert draw_boxes(plain, torch.zeros(0, 4)).getcolors() == [(420_000, GREY)]


COLORS = [(220, 20, 20), (20, 160, 20), (20, 20, 220), (200, 180, 20), (160, 20, 180)]


def test_a_sheet_holds_every_image_in_reading_order_with_its_proportions():
    images = [Image.new("RGB", (200, 100), color) for color in COLORS]
    sheet = contact_sheet(images, [""] * len(images), columns=2, cell=100)
    places = [extent(near(sheet, color, 8)) for color in COLORS]
    assert all((x1 - x0, y1 - y0) == (100, 50) for x0, y0, x1, y1 in places)
    assert [p[0] == places[0][0] for p in places] == [True, False, True, False, True]
    assert places[0][1] == places[1][1] < places[2][1] == places[3][1] < places[4][1]
    assert places[4][3] < sheet.height


def test_captions_stand_below_their_image_and_in_its_column():
    images = [Image.new("RGB", (100, 100), color) for color in COLORS[:2]]
    sheet = contact_sheet(images, ["", "a big tree with many flowers in the center of it"], 2, 100)
    left, right = (extent(near(sheet, color, 8)) for color in COLORS[:2])
    ink = np.asarray(sheet.convert("L")) < 120
    below = ink[right[3] :]
    assert below.any()
    columns = below.nonzero()[1]
    assert columns.min() >= right[0] - 1
    assert columns.max() <= right[2] + 1


def test_a_caption_of_one_endless_word_stays_in_its_column():
    images = [Image.new("RGB", (100, 100), color) for color in COLORS[:3]]
    sheet = contact_sheet(images, ["", "x" * 400, ""], 3, 100)
    spot = extent(near(sheet, COLORS[1], 8))
    columns = (np.asarray(sheet.convert("L")) < 120)[spot[3] :].nonzero()[1]
    assert spot[0] <= columns.min()
    assert columns.max() <= spot[2]


def test_a_sheet_takes_tensors_and_shows_paper_through_alpha():
    clear = Image.new("RGBA", (100, 100), (255, 0, 0, 0))
    sheet = contact_sheet([torch.zeros(1, 3, 50, 50), clear], ["", ""], columns=2, cell=64)
    assert sheet.mode == "RGB"
    assert near(sheet, (0, 0, 0), 2).sum() == 64 * 64
    assert not near(sheet, (255, 0, 0)).any()


def records(values, **more):
    return [{"round": n + 1, "loss": value, **more} for n, value in enumerate(values)]


def test_a_falling_loss_falls_from_left_to_right():
    hits = near(loss_curve(records([1.0, 0.8, 0.6, 0.4, 0.2])), BLUE)
    hits[:40] = False  # the legend
    rows, columns = hits.nonzero()
    start = rows[columns < columns.min() + 20].mean()
    end = rows[columns > columns.max() - 20].mean()
    assert columns.max() - columns.min() > 480
    assert end - start > 200


def test_both_curves_show_even_where_they_are_the_same():
    picture = loss_curve(records([0.9, 0.5, 0.4], best=0.4))
    same = loss_curve([{"round": n, "loss": 1 - n / 9, "best": 1 - n / 9} for n in range(9)])
    for image in (picture, same):
        below = Image.fromarray(np.asarray(image)[40:])
        assert near(below, ACCENT).sum() > 300
        assert near(below, BLUE).sum() > 100


def test_a_value_that_is_not_finite_leaves_a_gap():
    values = [0.5] * 21
    whole, broken = (loss_curve(records(row)) for row in (values, [*values[:10], float("nan"), *values[11:]]))
    lost = near(whole, BLUE).any(0).sum() - near(broken, BLUE).any(0).sum()
    assert 30 < lost < 70


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [{"round": 1}],
        records([0.5]),
        records([0.0, 0.0]),
        records([-3, 5e4]),
        records([float("inf"), 0.5]),
        records([float("nan")]),
    ],
)
def test_few_or_odd_records_are_drawn_at_the_same_size(rows):
    assert loss_curve(rows).size == (640, 400)


@pytest.mark.parametrize("values", [(0.113, 0.987), (0.5,), (0.0,), (-2, 7), (1e-3, 1.02e-3)])
def test_ticks_are_round_enclose_the_values_and_are_few(values):
    ticks = _ticks(values, 6)
    assert ticks[0] <= min(values) + 1e-9
    assert ticks[-1] >= max(values) - 1e-9
    assert 2 <= len(ticks) <= 8
    step = ticks[1] - ticks[0]
    mantissa = float(f"{step:e}".split("e")[0])
    assert round(mantissa, 6) in (1, 2, 5)


def test_the_best_regions_are_drawn_and_the_chosen_one_marked(models):
    result = edit(models, scene_picture(held_out(5, 2)[0]), QUICK)
    assert len(result.regions) > 8
    assert result.tried_boxes.tolist() == [list(map(float, region.box)) for region in result.regions]
    drawn = considered(result)
    fewer = considered(replace(result, regions=replace(result.regions, regions=result.regions[:7])))
    assert drawn.tobytes() != fewer.tobytes(), "the eighth is drawn, too"
    best = considered(replace(result, regions=replace(result.regions, regions=result.regions[:8])))
    assert drawn.tobytes() == best.tobytes(), "a picture full of frames shows none"
    none = replace(result, reason="no better")
    assert drawn.tobytes() != considered(none).tobytes(), "what was chosen stands out"
