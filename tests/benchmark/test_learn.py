"""Ways to choose looks, on scenes made up so that the right answer is known."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest
import torch

from benchmark import __main__ as command
from benchmark.learn import difference, report
from benchmark.scored_scenes import Known, ideal_edits, remembered
from benchmark.selection_policies import Found, at_random, by_learning, by_screen, found, learn_prior
from region_core.boxes import iou
from region_core.demo.worlds import held_out
from region_core.proposals.anchors import candidate_boxes
from region_core.settings import SearchSettings

SETTINGS = SearchSettings(generator_steps=6, previews_per_round=2)


def made_up(seed: int, telling: bool = True) -> Known:
    """A scene on an 8 x 8 grid: its losses grow with the distance from one box. With `telling` the
    first of the two screen numbers says which; the features are the same everywhere.
    """
    generator = torch.Generator().manual_seed(seed)
    anchors = torch.cartesian_prod(torch.tensor([1, 4, 6]), torch.tensor([2, 5]))
    candidates = candidate_boxes(anchors, 4, (8, 8), (64, 64))
    truth = candidates.boxes[int(torch.randint(len(candidates), (1,), generator=generator))]
    overlaps = iou(candidates.boxes, truth[None])[:, 0]
    noise = torch.randn(len(candidates), 2, generator=generator)
    extra = torch.stack([overlaps * 4 + 0.3 * noise[:, 0] if telling else noise[:, 0], noise[:, 1]], 1)
    return Known(torch.ones(6, 8, 8), candidates, extra, noise[:, 1],
                 1 - overlaps, overlaps)


def test_chance_is_computed_exactly() -> None:
    known = made_up(0)
    few = Known(known.features, known.candidates, known.extra[:7], known.screen[:7],
                torch.tensor([3.0, 1, 4, 1.5, 9, 2, 6]), torch.linspace(0, 1, 7))
    every = [found(few, list(c)) for c in combinations(range(7), 3)]
    chance = at_random(few, 3)
    assert chance.regret == pytest.approx(sum(f.regret for f in every) / len(every))
    assert chance.overlap == pytest.approx(sum(f.overlap for f in every) / len(every))
    assert at_random(few, 7).regret == pytest.approx(0, abs=1e-9)


def test_all_looks_find_the_best_whatever_the_way() -> None:
    known = made_up(1)
    count = len(known.losses)
    few = replace(SETTINGS, previews_per_round=8)
    assert by_learning(known, count, few, reads_screen=False).regret == 0
    assert by_screen(known, count).regret == 0


def test_the_screens_order_is_kept_to() -> None:
    known = made_up(2)
    top = known.screen.argsort(descending=True)[:3].tolist()
    assert by_screen(known, 3) == found(known, top)


def test_learning_beats_chance_and_knows_nothing_it_did_not_look_at() -> None:
    scenes = [made_up(i) for i in range(6)]
    learned = [by_learning(k, 8, SETTINGS, reads_screen=True, seed=i) for i, k in enumerate(scenes)]
    chance = [at_random(k, 8) for k in scenes]
    gain = sum(c.regret - f.regret for c, f in zip(chance, learned, strict=True)) / len(scenes)
    assert gain > 0.05

    # losses of boxes not looked at must not matter: the looks are the same, whatever they are
    known = scenes[0]
    first = by_learning(known, 2, SETTINGS, reads_screen=True, seed=3)
    looked = torch.randperm(len(known.losses), generator=torch.Generator().manual_seed(3))[:2]
    hidden = torch.full_like(known.losses, 50.0)
    hidden[looked] = known.losses[looked]
    poisoned = Known(known.features, known.candidates, known.extra, known.screen, hidden,
                     known.overlaps)
    assert by_learning(poisoned, 2, SETTINGS, reads_screen=True, seed=3).overlap == first.overlap


def test_a_prior_from_other_scenes_needs_fewer_looks_and_is_not_changed() -> None:
    prior = learn_prior([made_up(100 + i) for i in range(20)], SETTINGS, reads_screen=True, passes=3)
    weights = {k: v.clone() for k, v in prior.state_dict().items()}
    scenes = [made_up(i) for i in range(6)]
    half = [by_learning(k, 4, SETTINGS, reads_screen=True, prior=prior) for k in scenes]
    fresh = [at_random(k, 8) for k in scenes]
    assert sum(f.regret for f in half) < sum(f.regret for f in fresh)
    assert all(torch.equal(v, weights[k]) for k, v in prior.state_dict().items())


def test_where_nothing_tells_nothing_is_gained() -> None:
    generator = torch.Generator().manual_seed(5)
    scenes = [replace(made_up(i, telling=False), losses=torch.randn(24, generator=generator))
              for i in range(40)]
    prior = learn_prior(scenes[:4], SETTINGS, reads_screen=True, passes=3)
    still = replace(SETTINGS, generator_steps=0)
    learned = [by_learning(k, 1, still, reads_screen=True, prior=prior).regret for k in scenes[4:]]
    chance = [at_random(k, 1).regret for k in scenes[4:]]
    assert abs(sum(learned) - sum(chance)) / len(learned) < 0.5


def test_looks_are_kept_between_runs(tmp_path: Path) -> None:
    file = tmp_path / "cache" / "a.pt"
    assert remembered(file) is None
    known = made_up(4)
    remembered(file, known)
    back = remembered(file)
    assert back is not None
    assert torch.equal(back.losses, known.losses)
    assert torch.equal(back.candidates.cells, known.candidates.cells)


def test_a_faultless_painter_paints_in_its_box_alone() -> None:
    scene, edit = held_out(5, 1)
    boxes = torch.tensor([[10.0, 20, 50, 60], [70, 70, 110, 120]])
    edits = ideal_edits(scene, edit, boxes)
    source = torch.from_numpy(scene.image.copy()).permute(2, 0, 1) / 255
    for picture, box in zip(edits, boxes.long().tolist(), strict=True):
        changed = ((picture - source).abs().amax(dim=0) > 1e-4).nonzero()
        assert len(changed) > 100
        assert changed[:, 1].min() >= box[0]
        assert changed[:, 0].max() < box[3]


def test_the_report_pairs_what_belongs_together() -> None:
    results = {"random": [Found(0.3, 0.2), Found(0.5, 0.4)], "learned": [Found(0.1, 0.6)] * 2}
    text = report(results, {"random": 8, "learned": 8}, 135)
    assert "| random | 8 | 0.4000 | 0.300 |" in text
    assert "| learned (8) less random (8) | -0.3000 (-0.4000 to -0.2000) |" in text
    assert difference([1.0, 1.0], [0.0, 0.0]) == "+1.0000 (+1.0000 to +1.0000)"


@pytest.mark.parametrize(("more", "words"), [
    (("--scenes", "1"), "scenes is 1"), (("--looks", "0"), "looks is 0"),
    (("--painter", "nobody"), "painter is 'nobody'"), (("--teach", "-1"), "teach is -1"),
])
def test_bad_words_are_refused(more: tuple[str, str], words: str,
                               capsys: pytest.CaptureFixture) -> None:
    assert command.main(["learn", "--seed", "1", *more]) == 2
    assert words in capsys.readouterr().err
