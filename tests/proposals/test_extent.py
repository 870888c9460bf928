"""A box is fitted to the thing in it by DINO's features, or left as it was."""

import pytest
import torch

from benchmark.painting import picture_of
from region_core.boxes import iou
from region_core.demo.models import load_shapes_models
from region_core.demo.worlds import held_out
from region_core.encoders import PatchFeatures
from region_core.proposals.extent import fit_boxes


def features_of(*things: tuple[int, int, int, int], rows: int = 16, columns: int = 16) -> PatchFeatures:
    """Ground with one direction, each thing (cells x0, y0, x1, y1) with one of its own."""
    maps = torch.zeros(8, rows, columns)
    maps[0] = 1.0
    for number, (x0, y0, x1, y1) in enumerate(things, 1):
        maps[:, y0:y1, x0:x1] = 0.0
        maps[number, y0:y1, x0:x1] = 1.0
    return PatchFeatures(maps[None], torch.ones(1, rows, columns))


THING = (4, 5, 9, 11)  # cells of 8 pixels
TRUE = [32.0, 40.0, 72.0, 88.0]


@pytest.mark.parametrize("box", [[24, 32, 88, 96], [40, 48, 72, 88], [28, 30, 66, 84], TRUE],
                         ids=["too large", "too small", "shifted", "right"])
def test_a_box_takes_the_size_of_the_thing_in_it(box):
    fitted = fit_boxes(torch.tensor([box]).float(), features_of(THING), 128, 128)
    assert fitted.tolist() == [TRUE]


def test_other_things_of_the_same_kind_are_not_taken_in():
    again = features_of(THING)
    again.features[0, :, 12:15, 12:15] = again.features[0, :, 6:7, 6:7]
    fitted = fit_boxes(torch.tensor([[28.0, 36.0, 80.0, 96.0]]), again, 128, 128)
    assert fitted.tolist() == [TRUE]


@pytest.mark.parametrize("box", [[88, 8, 120, 40], [0, 0, 128, 128], [40, 48, 47, 55], [1, 1, 3, 3]],
                         ids=["nothing in it", "the whole picture", "a detail", "less than a cell"])
def test_a_box_without_a_thing_of_its_own_stays(box):
    before = torch.tensor([box]).float()
    assert torch.equal(fit_boxes(before, features_of(THING), 128, 128), before)


def test_pixels_of_a_picture_that_is_not_square():
    fitted = fit_boxes(torch.tensor([[90.0, 20.0, 260.0, 80.0]]),
                       features_of((4, 3, 9, 7), rows=10, columns=16), 100, 400)
    assert fitted.tolist() == [[100.0, 30.0, 225.0, 70.0]]


def test_no_boxes_and_half_precision():
    none = torch.zeros(0, 4)
    assert fit_boxes(none, features_of(THING), 128, 128).shape == (0, 4)
    known = features_of(THING)
    half = PatchFeatures(known.features.half(), known.attention)
    box = torch.tensor([[24.0, 32.0, 88.0, 96.0]])
    assert torch.equal(fit_boxes(box, half, 128, 128), fit_boxes(box, known, 128, 128))


def test_boxes_of_real_objects_fit_better():
    dino = load_shapes_models().dino
    moves = torch.tensor([[-10.0, -10, 10, 10], [6, 6, -4, -4], [-8, 4, 6, 12], [9, -6, 9, -6]])
    before, after = [], []
    for index in range(10):
        scene, edit = held_out(4711, index)
        true = torch.tensor([scene.objects[edit.target].box]).float()
        boxes = (true + moves).clamp(0, 128)
        before.append(iou(boxes, true).mean())
        after.append(iou(fit_boxes(boxes, dino(picture_of(scene)), 128, 128), true).mean())
    gain = torch.stack(after) - torch.stack(before)
    assert float(gain.mean()) > 0.1, gain
    assert float((gain > 0).float().mean()) >= 0.8, gain
