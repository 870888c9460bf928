"""From picture and caption to the pool of boxes: CLIP finds the thing, DINO its extent."""

import pytest
import torch

from benchmark.painting import picture_of
from region_core.boxes import iou
from region_core.demo.models import load_shapes_models
from region_core.demo.worlds import held_out
from region_core.proposals.propose import FITTED, place_candidates, propose
from region_core.settings import SearchSettings

SCENES = range(6)
SETTINGS = SearchSettings(point_number=5, max_window_size=8)


@pytest.fixture(scope="module")
def models():
    return load_shapes_models()


@pytest.fixture(scope="module")
def proposed(models):
    """Scene -> (true box [1, 4], a proposal for any settings and prior), each made once."""
    made = {}

    def make(index, kind="replace", prior=None, **changes):
        key = (index, kind, prior is not None, *changes.items())
        if key not in made:
            scene, edit = held_out(5150, index, kind)
            source = picture_of(scene)
            features = models.dino(source)
            settings = SETTINGS.with_values(**changes)
            candidates = place_candidates(features, 128, 128, settings, prior)
            made[key] = (torch.tensor([scene.objects[edit.target or 0].box]).float(), propose(
                source, edit.caption, candidates, features, models.scorer, settings, prior))
        return made[key]

    return make


def test_the_best_box_fits_the_named_thing(proposed):
    def overlap(**changes):
        pairs = [proposed(index, **changes) for index in SCENES]
        return torch.stack([iou(one.pool.boxes[:1], true)[0, 0] for true, one in pairs])

    fitted, coarse = overlap(), overlap(fit=False)
    assert float((fitted > 0.7).float().mean()) >= 0.8, fitted
    assert float(fitted.mean()) > float(coarse.mean()) + 0.05, (fitted, coarse)


def test_boxes_of_one_thing_are_one_box(proposed):
    for index in SCENES:
        pool = proposed(index)[1].pool
        overlap = iou(pool.boxes, pool.boxes) - torch.eye(len(pool.boxes))
        assert float(overlap.max()) < 0.8 + 1e-5
        assert torch.equal(pool.evidence, pool.evidence.sort(descending=True).values)
        assert len(pool.boxes) == len(pool.origin) == len(pool.prior)


def test_where_something_new_is_asked_for_no_box_is_fitted_to_what_is_there(proposed):
    with_fit = proposed(0, "add")[1].pool.boxes
    assert torch.equal(with_fit, proposed(0, "add", fit=False)[1].pool.boxes)


def test_a_fitted_box_stays_within_the_prior(proposed):
    true, _ = proposed(0)
    x0, y0, x1, y1 = true[0].round().int().tolist()
    prior = torch.zeros(1, 1, 128, 128)
    prior[..., y0:y1, x0:(x0 + x1) // 2] = 1  # half of the thing: the other half is not to be touched
    pool = proposed(0, prior=prior)[1].pool
    best = pool.boxes[:FITTED]
    assert float(best[:, 2].max()) <= (x0 + x1) // 2 + 1
    assert float(best[:, 1].min()) >= y0 - 1
