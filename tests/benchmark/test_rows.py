"""What counts as success: told from faultless and from faulty edits."""

from __future__ import annotations

import pytest
import torch

from benchmark.judge import Judge, load_judge
from benchmark.painting import Outcome, picture_of, whole
from benchmark.rows import PSNR_LIMIT, background_psnr, measure, succeeded
from benchmark.scored_scenes import ideal_edits
from region_core.demo.scenes import Edit, Scene
from region_core.demo.worlds import held_out


@pytest.fixture(scope="module")
def judge() -> Judge:
    return load_judge()


def with_target(kind: str) -> tuple[Scene, Edit, torch.Tensor]:
    """The first scene of two objects or more, its edit, and the true box."""
    for index in range(50):
        scene, edit = held_out(5, index, kind)
        if len(scene.objects) > 1 and edit.target is not None:
            return scene, edit, torch.tensor(scene.objects[edit.target].box).float()
    raise AssertionError("no such scene")


@pytest.mark.parametrize("kind", ["replace", "recolour", "remove"])
def test_a_faultless_edit_succeeds_and_an_untouched_picture_does_not(judge: Judge, kind: str) -> None:
    scene, edit, box = with_target(kind)
    done = Outcome(ideal_edits(scene, edit, box[None])[0], whole(box), 40)
    assert succeeded(done, scene, edit, judge)
    assert not succeeded(Outcome(picture_of(scene)[0], whole(box), 40), scene, edit, judge)


def test_an_edit_that_harms_another_object_fails(judge: Judge) -> None:
    scene, edit, box = with_target("replace")
    picture = ideal_edits(scene, edit, box[None])[0]
    other = next(o for i, o in enumerate(scene.objects) if i != edit.target)
    x0, y0, x1, y1 = other.box
    picture[:, y0:y1, x0:x1] = torch.from_numpy(scene.background[y0:y1, x0:x1] / 255).permute(2, 0, 1)
    assert not succeeded(Outcome(picture, whole(box), 40), scene, edit, judge)


def test_half_an_object_is_not_removed(judge: Judge) -> None:
    scene, edit, box = with_target("remove")
    half = box.clone()
    half[2] = (box[0] + box[2]) / 2
    picture = ideal_edits(scene, edit, half[None])[0]
    # to the judge half an object is no object; to the eye it is still there
    assert not succeeded(Outcome(picture, whole(half), 40), scene, edit, judge)


def test_a_repainted_background_need_not_be_the_same_pixel_by_pixel(judge: Judge) -> None:
    scene, edit, box = with_target("remove")
    picture = ideal_edits(scene, edit, box[None])[0]
    grain = 0.1 * torch.randn(picture.shape, generator=torch.Generator().manual_seed(0))
    assert succeeded(Outcome((picture + grain).clamp(0, 1), whole(box), 40), scene, edit, judge)


def test_what_is_added_is_read_in_the_found_box(judge: Judge) -> None:
    scene, edit = next((s, e) for s, e in (held_out(5, i, "add") for i in range(50))
                       if len(s.objects) == 1)
    x0, y0, x1, _ = scene.objects[0].box
    left = 4 if x0 > 128 - x1 else 128 - 34
    box = torch.tensor([left, 40, left + 30, 70]).float()
    picture = ideal_edits(scene, edit, box[None])[0]
    assert succeeded(Outcome(picture, whole(box), 40), scene, edit, judge)
    assert not succeeded(Outcome(picture, None, 40), scene, edit, judge)
    row = measure(Outcome(picture, whole(box), 40), scene, edit, judge, 3, 1.0)
    assert row.background_psnr == PSNR_LIMIT  # the new object itself is no damage
    assert row.iou is None
    assert row.hit is None


def test_no_region_is_right_for_an_absent_object_and_else_a_false_alarm(judge: Judge) -> None:
    scene, edit = held_out(5, 0, "absent")
    said = measure(Outcome(picture_of(scene)[0], None, 80), scene, edit, judge, 0, 1.0)
    assert (said.success, said.false_alarm, said.iou) == (1.0, None, None)
    wrong = measure(Outcome(picture_of(scene)[0], (0, 0, 9, 9), 80), scene, edit, judge, 0, 1.0)
    assert wrong.success == 0.0

    scene, edit, _ = with_target("replace")
    silent = measure(Outcome(picture_of(scene)[0], None, 80), scene, edit, judge, 0, 1.0)
    assert (silent.success, silent.false_alarm, silent.iou, silent.hit) == (0.0, 1.0, 0.0, 0.0)


def test_work_left_out_is_counted(judge: Judge) -> None:
    scene, edit, box = with_target("replace")
    row = measure(Outcome(picture_of(scene)[0], whole(box), 360, times=11), scene, edit, judge, 0, 2.0)
    assert (row.unet_evaluations, row.seconds) == (3960, 22.0)
    assert row.iou == pytest.approx(1.0)
    assert row.false_alarm == 0.0


def test_background_is_what_lies_outside_the_box() -> None:
    source = torch.zeros(3, 20, 20)
    image = source.clone()
    image[:, 5:10, 5:10] = 1
    assert background_psnr(image, source, (5, 5, 10, 10)) == PSNR_LIMIT
    image[:, :, 19] = 0.1  # 20 of 375 pixels off by 0.1
    assert background_psnr(image, source, (5, 5, 10, 10)) == pytest.approx(32.73, abs=0.01)
    assert background_psnr(image, source, (0, 0, 20, 20)) == PSNR_LIMIT
