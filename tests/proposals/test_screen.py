"""The look with CLIP before diffusion: what is covered, what it says, and moved edges."""

import pytest
import torch

from region_core.boxes import iou
from region_core.demo.models import WEIGHTS
from region_core.demo.worlds import held_out
from region_core.encoders import load_clip
from region_core.proposals.screen import Screen, distinct, lattice


@pytest.fixture(scope="module")
def scorer():
    return load_clip(f"local-dir:{WEIGHTS / 'clip'}", device="cpu", dtype=torch.float32)


def picture(scene):
    return torch.from_numpy(scene.image.copy()).permute(2, 0, 1)[None].float() / 255


def test_a_covered_box_takes_the_colour_round_it_and_leaves_the_rest(scorer):
    source = torch.full((1, 3, 128, 128), 0.25)
    source[..., 40:80, 20:60] = 1.0  # an object; the ring round it is 0.25
    without, only = Screen(scorer, source, "a red circle").covered(
        torch.tensor([[20.0, 40.0, 60.0, 80.0], [0.0, 0.0, 128.0, 128.0]])).chunk(2)
    assert torch.allclose(without[0], torch.tensor(0.25))
    assert torch.equal(only[0], source[0])  # the ground, which is the median, is 0.25 as well
    # nothing is left round a box as large as the picture: it takes the mean of the whole
    assert torch.allclose(without[1], source.mean(dim=(2, 3))[0][:, None, None].expand(3, 128, 128))


def test_boxes_are_in_pixels_of_a_picture_that_is_not_square(scorer):
    source = torch.zeros(1, 3, 100, 200)
    source[..., 50:, 150:] = 1.0
    without, only = Screen(scorer, source, "a red circle").covered(
        torch.tensor([[150.0, 50.0, 200.0, 100.0]])).chunk(2)
    assert float(without.max()) < 0.2  # the edge between is soft in the small picture
    side = only.shape[-1]
    assert float(only[..., side // 2 + 2:, 3 * side // 4 + 2:].min()) > 0.9
    assert float(only[..., : side // 2 - 2, :].max()) < 0.1


def test_the_named_object_has_more_evidence_than_the_others(scorer):
    right = total = 0
    for index in range(12):
        scene, edit = held_out(2024, index)
        if len(scene.objects) < 2:
            continue
        boxes = torch.tensor([o.box for o in scene.objects]).float()
        evidence = Screen(scorer, picture(scene), edit.caption).evidence(boxes)
        total += 1
        right += int(evidence.total.argmax()) == edit.target
    assert right >= 0.8 * total, f"{right} of {total}"


def test_of_boxes_round_an_object_the_tight_one_wins(scorer):
    scene, edit = held_out(2024, 3)
    tight = torch.tensor(scene.objects[edit.target].box).float()
    pad = torch.tensor([-30.0, -30.0, 30.0, 30.0])
    boxes = torch.stack([tight, (tight + pad).clamp(0, 128)])
    evidence = Screen(scorer, picture(scene), edit.caption).evidence(boxes).total
    assert evidence[0] > evidence[1]


def test_refining_never_loses_evidence_and_stays_in_the_picture(scorer):
    scene, edit = held_out(2024, 5)
    screen = Screen(scorer, picture(scene), edit.caption)
    x0, y0, x1, y1 = scene.objects[edit.target].box
    off = torch.tensor([[x0 - 12.0, y0 - 4.0, x1 + 4.0, y1 + 12.0]]).clamp(0, 128)
    better = screen.refine(off, (8.0, 4.0, 2.0))
    assert screen.evidence(better).total >= screen.evidence(off).total
    assert bool((better >= 0).all())
    assert bool((better <= 128).all())
    truth = torch.tensor([[x0, y0, x1, y1]]).float()
    assert float(iou(better, truth)) > float(iou(off, truth))


def test_distinct_keeps_the_better_of_two_that_overlap():
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 9], [20, 20, 30, 30]])
    assert distinct(boxes, torch.tensor([0.1, 0.5, 0.3])).tolist() == [1, 2]


def test_the_lattice_reaches_every_border():
    boxes = lattice(64, 128)
    assert len(boxes) == 85
    assert boxes.amin(0)[:2].tolist() == [0, 0]
    assert boxes.amax(0)[2:].tolist() == [128, 64]
