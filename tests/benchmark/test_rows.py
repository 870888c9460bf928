"""What counts as success: told from faultless and from faulty edits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmark.painting import Outcome, region_of, untouched
from benchmark.rows import PSNR_LIMIT, Row, background_psnr, half_of, measure
from benchmark.worlds.shapes import ShapesWorld
from benchmark.worlds.task import MeasuredWorld, Task, as_tensor
from benchmark.worlds.things.measured import ThingsWorld
from region_core import Region
from region_core.cost import Cost

WORLD, UNJUDGED = ShapesWorld(), ThingsWorld()
COST = Cost(unet_evaluations=40, clip_images=20)


def asked(kind: str) -> Task:
    """The first task of a kind on two objects or more."""
    return next(t for t in (WORLD.task(kind, 5, i) for i in range(50)) if len(t.case[0].objects) > 1)


def edited(task: Task, box: tuple[int, ...] | None = None) -> Outcome:
    """A faultless edit, in the true box unless another is given."""
    x0, y0, x1, y1 = (int(v) for v in box or task.boxes[0])
    return Outcome(as_tensor(task.draw((x0, y0, x1, y1), 0)), region_of(task, (x0, y0, x1, y1)))


def row(task: Task, outcome: Outcome, world: MeasuredWorld = WORLD) -> Row:
    return measure(outcome, task, world, "demo", COST, 2.0)


@pytest.mark.parametrize("kind", ["replace", "recolour", "remove"])
def test_a_faultless_edit_succeeds_and_an_untouched_picture_does_not(kind: str) -> None:
    task = asked(kind)
    done = row(task, edited(task))
    assert (done.success, done.iou, done.hit, done.false_alarm) == (1.0, 1.0, 1.0, 0.0)
    assert row(task, Outcome(task.picture[0], region_of(task, task.boxes[0]))).success == 0.0


def test_an_edit_that_harms_another_object_fails() -> None:
    task = asked("replace")
    scene, edit = task.case
    outcome = edited(task)
    other = next(o for i, o in enumerate(scene.objects) if i != edit.target)
    x0, y0, x1, y1 = other.box
    outcome.image[:, y0:y1, x0:x1] = as_tensor(scene.background)[:, y0:y1, x0:x1]
    assert row(task, outcome).success == 0.0


def test_half_an_object_is_not_removed() -> None:
    task = asked("remove")
    x0, y0, x1, y1 = task.boxes[0]
    # to the judge half an object is no object; to the eye it is still there
    assert row(task, edited(task, (x0, y0, (x0 + x1) / 2, y1))).success == 0.0


def test_a_repainted_background_need_not_be_the_same_pixel_by_pixel() -> None:
    task = asked("remove")
    image = edited(task).image
    grain = 0.1 * torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
    assert row(task, Outcome((image + grain).clamp(0, 1), region_of(task, task.boxes[0]))).success == 1.0


def test_what_is_added_is_read_in_the_found_box() -> None:
    task = next(t for t in (WORLD.task("add", 5, i) for i in range(50)) if len(t.case[0].objects) == 1)
    x0, _, x1, _ = task.case[0].objects[0].box
    left = 4 if x0 > 128 - x1 else 128 - 34
    outcome = edited(task, (left, 40, left + 30, 70))
    added = row(task, outcome)
    assert added.success == 1.0
    assert added.background_psnr == PSNR_LIMIT  # the new object itself is no damage
    assert added.iou is None
    assert added.hit is None
    assert row(task, Outcome(outcome.image, None)).success == 0.0


def test_no_region_is_right_for_an_absent_object_and_else_a_false_alarm() -> None:
    task = WORLD.task("absent", 5, 0)
    said = row(task, untouched(task))
    assert (said.success, said.recognised, said.false_alarm, said.iou) == (1.0, 1.0, None, None)
    wrong = row(task, Outcome(task.picture[0], region_of(task, (0, 0, 9, 9))))
    assert (wrong.success, wrong.recognised) == (0.0, 0.0)

    there = asked("replace")
    silent = row(there, untouched(there))
    assert (silent.success, silent.recognised, silent.false_alarm) == (0.0, None, 1.0)
    assert (silent.iou, silent.hit) == (0.0, 0.0)


def test_of_two_right_boxes_either_will_do() -> None:
    task = asked("replace")
    two = replace(task, boxes=((0, 0, 5, 5), *task.boxes), masks=())
    assert row(two, Outcome(task.picture[0], region_of(task, task.boxes[0]))).iou == 1.0
    assert row(two, Outcome(task.picture[0], region_of(task, (0, 0, 5, 5)))).iou == 1.0


def test_work_left_out_is_counted() -> None:
    task = asked("replace")
    counted = row(task, Outcome(task.picture[0], region_of(task, task.boxes[0]), times=11))
    assert (counted.unet_evaluations, counted.clip_images, counted.seconds) == (440, 220, 22.0)
    assert counted.total == pytest.approx(11 * COST.total, abs=0.01)


def test_background_is_what_lies_outside_the_box() -> None:
    source = torch.zeros(3, 20, 20)
    image = source.clone()
    image[:, 5:10, 5:10] = 1
    assert background_psnr(image, source, (5, 5, 10, 10)) == PSNR_LIMIT
    image[:, :, 19] = 0.1  # 20 of 375 pixels off by 0.1
    assert background_psnr(image, source, (5, 5, 10, 10)) == pytest.approx(32.73, abs=0.01)
    assert background_psnr(image, source, (0, 0, 20, 20)) == PSNR_LIMIT


def test_what_is_covered_is_told_by_the_outline_where_it_is_known() -> None:
    image = np.zeros((40, 40, 3), np.uint8)
    outline = np.zeros((40, 40), bool)
    outline[10:30, 10:20] = True  # the left half of its box
    task = Task("plain", 0, image, "a", "b", ((10, 10, 30, 30),), masks=(outline,))
    mask = torch.zeros(1, 1, 40, 40)
    mask[..., 10:20, 10:30] = 1  # the upper half
    told = row(task, Outcome(task.picture[0], Region.from_mask(mask)), UNJUDGED)
    assert (told.iou, told.coverage, told.purity) == (0.5, 0.5, 0.5)
    assert told.mask_iou == told.box_mask_iou == pytest.approx(100 / 300)
    boxed = row(replace(task, masks=()), Outcome(task.picture[0], Region.from_mask(mask)), UNJUDGED)
    assert (boxed.coverage, boxed.purity, boxed.mask_iou) == (0.5, 1.0, None)
    missed = row(task, untouched(task), UNJUDGED)
    assert (missed.coverage, missed.purity, missed.mask_iou, missed.iou) == (0, 0, 0, 0)


def test_a_mask_may_be_better_than_its_box() -> None:
    outline = np.tri(40, dtype=bool)
    task = Task("plain", 0, np.zeros((40, 40, 3), np.uint8), "a", "b", ((0, 0, 40, 40),), masks=(outline,))
    told = row(
        task, Outcome(task.picture[0], Region.from_mask(torch.from_numpy(outline)[None, None].float())), UNJUDGED
    )
    assert told.mask_iou == 1.0
    assert told.box_mask_iou == pytest.approx(outline.mean())


def test_of_two_things_the_outline_is_the_one_that_was_met() -> None:
    left, right = np.zeros((20, 40), bool), np.zeros((20, 40), bool)
    left[:, :10], right[:, 30:] = True, True
    boxes = ((0.0, 0.0, 10.0, 20.0), (30.0, 0.0, 40.0, 20.0))
    task = Task("plain", 0, np.zeros((20, 40, 3), np.uint8), "a", "b", boxes, masks=(left, right))
    told = row(task, Outcome(task.picture[0], region_of(task, boxes[1])), UNJUDGED)
    assert (told.iou, told.mask_iou, told.coverage, told.several) == (1.0, 1.0, 1.0, True)


def test_a_photographs_half_is_its_names_whatever_its_folder() -> None:
    names = [f"{number:012d}.jpg" for number in range(200)]
    halves = [half_of(name) for name in names]
    assert halves == [half_of(f"photos/coco/{name}") for name in names]
    assert set(halves) == {"A", "B"}
    assert 70 < halves.count("A") < 130
    # a known one: what was chosen by one half must not move to the other
    assert half_of("n02909870.jpg") == "A"
    assert half_of("") == ""
