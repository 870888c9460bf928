"""A region within a mask, and regions that a detector gives."""

from __future__ import annotations

import pytest
import torch

from region_core import InputError
from region_core.settings import FindSettings

from .colours import ColourDino, ColourScorer, find, mask_of, mask_overlap, overlap, scene

THING, OTHER = (24, 32, 64, 88), (80, 64, 120, 96)
TWO = scene(("red", THING), ("blue", OTHER))
ALONE = FindSettings(detections_only=True)


def disc(x: float, y: float, radius: float) -> torch.Tensor:
    rows, columns = torch.meshgrid(torch.arange(128.0), torch.arange(128.0), indexing="ij")
    return ((rows - y).square() + (columns - x).square() < radius**2).float()[None, None]


STRIPES = torch.zeros(1, 1, 128, 128)
STRIPES[..., ::3, :] = 1
ODD = {
    "disc": disc(50, 60, 31),
    "line": mask_of((41, 0, 42, 128)),
    "pixel": mask_of((51, 51, 52, 52)),
    "stripes": STRIPES,
    "two parts": mask_of((20, 30, 43, 61), (50, 70, 99, 90)),
    "elsewhere": mask_of((100, 3, 121, 20)),
    "all": torch.ones(1, 1, 128, 128),
    "grey": disc(44, 60, 31) * 0.51,
}


@pytest.mark.parametrize("shape", ODD)
def test_no_pixel_of_a_region_is_outside_of_the_white(shape: str) -> None:
    prior = ODD[shape]
    regions = find(TWO, prior=prior)
    for region in regions.regions + regions.likeliest:
        assert region.mask.shape == prior.shape
        assert 0 < float(region.mask.sum()) == float((region.mask * (prior > 0.5)).sum())


def test_the_thing_is_found_in_a_prior_that_is_wider_and_its_white_part_in_one_that_cuts_it() -> None:
    wide = mask_of((10, 20, 78, 100))
    assert mask_overlap(find(TWO, prior=wide)[0].mask, mask_of(THING)) > 0.9
    assert find(TWO, prior=mask_of((24, 32, 51, 61)))[0].box == (24, 32, 51, 61)
    assert find(TWO, prior=ODD["line"])[0].box[:3:2] == (41, 42)


def test_a_pixel_between_the_middles_of_coarse_cells_is_a_region() -> None:
    for place in (32, 47, 48):
        pixel = mask_of((place, place, place + 1, place + 1))
        regions = find(TWO, prior=pixel, dino=ColourDino(side=32))
        assert torch.equal((regions.regions or regions.likeliest)[0].mask, pixel)


def test_a_prior_says_which_of_two() -> None:
    one, other = (16, 40, 48, 80), (84, 40, 116, 80)
    picture = scene(("red", one), ("red", other))
    for box in (one, other):
        near = mask_of((box[0] - 8, box[1] - 8, box[2] + 8, box[3] + 8))
        assert overlap(find(picture, prior=near)[0].box, box) > 0.85


def test_a_prior_says_where_and_not_whether() -> None:
    """What is judged is the picture: a prior drawn round another thing makes nothing of what is not there."""
    absent = find(TWO, "green", prior=mask_of(OTHER))
    assert not absent.found
    assert absent.why.startswith("nothing where the region prior is white answers to 'green'; paint the prior where it")
    assert absent.presence == find(TWO, "green").presence
    assert all(overlap(region.box, OTHER) > 0 for region in absent.likeliest)
    assert find(TWO, "red", prior=mask_of(THING)).presence == find(TWO, "red").presence


def test_priors_and_detections_of_another_size_or_without_white_are_refused_before_any_model_runs() -> None:
    scorer = ColourScorer()
    for shape in ((1, 1, 128, 127), (1, 1, 64, 64), (128, 128), (1, 3, 128, 128), (2, 1, 128, 128)):
        with pytest.raises(InputError, match=r"the region prior has shape .*picture's size, \(1, 1, 128, 128\)"):
            find(TWO, prior=torch.ones(shape), scorer=scorer)
    for empty in (torch.zeros(1, 1, 128, 128), torch.full((1, 1, 128, 128), 0.5)):
        with pytest.raises(InputError, match=r"the region prior is empty \(no pixel above 0.5\); paint it"):
            find(TWO, prior=empty, scorer=scorer)
    for shape in ((3, 1, 128, 127), (3, 128, 128), (1, 3, 128, 128), (128, 128)):
        with pytest.raises(InputError, match=r"the detections have the shape .*; pass masks \['N', 1, 128, 128\]"):
            find(TWO, detections=torch.ones(shape), scorer=scorer)
    for caption, given in (("red", None), ("background", mask_of(THING))):
        with pytest.raises(InputError, match="detections_only is set and there are none"):
            find(TWO, caption, detections=given, settings=ALONE, scorer=scorer)
    assert (scorer.texts, scorer.pictures) == ([], 0)


def test_detections_are_ranked_by_the_same_evidence_alone_with_ours() -> None:
    boxes = [(70, 0, 128, 50), OTHER, (24, 32, 64, 60), THING, (0, 0, 100, 120)]
    detections = torch.cat([mask_of(box) for box in boxes])
    for caption, best in (("red", THING), ("blue", OTHER)):
        alone = find(TWO, caption, detections=detections, settings=ALONE)
        assert alone[0].box == best
        assert {region.box for region in alone} <= set(boxes)
        assert len(alone) == len(boxes)
        beside = find(TWO, caption, detections=detections)
        assert overlap(beside[0].box, best) > 0.9
        assert len(beside) > len(boxes)
    assert not find(TWO, "green", detections=detections, settings=ALONE).found


def test_detections_that_are_wrong_lose_to_what_is_found_unless_they_are_all_there_is() -> None:
    wrong = torch.cat([mask_of((70, 0, 128, 50)), torch.zeros(1, 1, 128, 128)])
    assert overlap(find(TWO, detections=wrong)[0].box, THING) > 0.9
    assert [region.box for region in find(TWO, detections=wrong, settings=ALONE)] == [(70, 0, 128, 50)]
    for none in (torch.zeros(0, 1, 128, 128), torch.zeros(2, 1, 128, 128)):  # a detector that saw nothing
        assert overlap(find(TWO, detections=none, settings=ALONE)[0].box, THING) > 0.9


def test_a_detection_has_its_own_shape_and_is_cut_by_a_prior() -> None:
    round_one = disc(44, 60, 26)
    found = find(TWO, detections=round_one, settings=ALONE)[0]
    assert mask_overlap(found.mask, round_one) > 0.9
    cut = find(TWO, detections=round_one, settings=ALONE, prior=mask_of((0, 0, 44, 128)))[0]
    assert mask_overlap(cut.mask, round_one * mask_of((0, 0, 44, 128))) > 0.9
    assert float((cut.mask * mask_of((44, 0, 128, 128))).sum()) == 0
