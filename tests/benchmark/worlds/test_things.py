"""The things world: the truth is true, and each kind is what it says."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.worlds.things.kinds import KINDS, make_case
from benchmark.worlds.things.names import NAMES
from benchmark.worlds.things.world import ASSETS, Wish, World, plain_wishes

FEW = 12


@pytest.fixture(scope="module")
def world() -> World:
    return World(ASSETS)


@pytest.fixture(scope="module")
def cases(world):
    return {kind: [make_case(world, kind, 4, i) for i in range(FEW)] for kind in KINDS}


def shares(cases):
    return [c.scene.things[c.targets[0]].share for c in cases]


def test_every_name_has_a_drawing_of_each_style(world):
    assert world.names == NAMES
    assert all(len(world.sprites[n]) == 2 for n in NAMES)


def test_every_asset_has_its_row_of_licence():
    rows = (ASSETS / "LICENSES.md").read_text(encoding="utf-8")
    files = [f.relative_to(ASSETS).as_posix() for f in ASSETS.rglob("*") if f.suffix in (".png", ".jpg")]
    assert len(files) > 100
    assert [f for f in files if f"| {f} |" not in rows] == []


def test_assets_are_small():
    assert sum(f.stat().st_size for f in ASSETS.rglob("*") if f.is_file()) < 3_000_000


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_makes_the_same_case_and_another_another(world, cases, kind):
    again, other = make_case(world, kind, 4, 1), make_case(world, kind, 5, 1)
    first = cases[kind][1]
    assert np.array_equal(first.scene.image, again.scene.image)
    assert (first.name, first.wanted, first.boxes) == (again.name, again.wanted, again.boxes)
    assert first.scene.image.shape != other.scene.image.shape or not np.array_equal(
        first.scene.image, other.scene.image
    )


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_wanted_is_not_there_and_targets_are_all_of_that_name(cases, kind):
    for case in cases[kind]:
        there = [t.name for t in case.scene.things]
        assert case.wanted not in there
        assert case.wanted != case.name
        assert [i for i, n in enumerate(there) if n == case.name] == list(case.targets)


def test_tiny_things_are_under_two_percent_and_huge_ones_over_half(cases):
    assert max(shares(cases["tiny"])) <= 0.02
    assert min(shares(cases["huge"])) >= 0.5
    assert all(0.01 <= s <= 0.3 for s in shares(cases["plain"]))


def test_long_things_are_about_six_times_as_long_as_wide(cases):
    for case in cases["long"]:
        x0, y0, x1, y1 = case.boxes[0]
        assert 5.9 <= max(x1 - x0, y1 - y0) / min(x1 - x0, y1 - y0) <= 8


def test_long_things_lie_and_stand(cases):
    assert {b[2] - b[0] > b[3] - b[1] for c in cases["long"] for b in c.boxes} == {True, False}


def test_wide_pictures_are_four_times_as_wide_as_high(cases):
    for case in cases["wide"]:
        height, width = case.scene.image.shape[:2]
        assert width == 4 * height


def test_border_things_touch_the_border_and_are_cut_by_it(cases):
    for case in cases["border"]:
        (x0, y0, x1, y1), (height, width) = case.boxes[0], case.scene.image.shape[:2]
        assert x0 == 0 or y0 == 0 or x1 == width or y1 == height
        assert case.scene.things[case.targets[0]].visible < 0.86


def test_two_of_a_kind_many_distractors_and_none(cases):
    assert all(len(c.targets) == 2 for c in cases["two"])
    assert all(len(c.scene.things) >= 7 for c in cases["many"])
    assert all(c.targets == () and c.scene.things for c in cases["absent"])


def test_an_unknown_kind_is_told(world):
    with pytest.raises(ValueError, match="kind is 'odd'; choose one of plain"):
        make_case(world, "odd", 1, 1)


def test_a_folder_without_assets_is_told(tmp_path):
    with pytest.raises(ValueError, match="holds no sprites"):
        World(tmp_path)


@pytest.mark.parametrize("size", [(128, 128), (256, 64), (96, 200)])
def test_the_box_holds_all_that_is_in_sight_and_no_more(world, size):
    rng = np.random.default_rng(6)
    for _ in range(5):
        scene = world.compose(rng, plain_wishes(world, rng), size)
        assert scene.image.shape == (size[1], size[0], 3)
        for number, thing in enumerate(scene.things):
            seen = thing.alpha > 0.5
            for later in scene.things[number + 1 :]:
                seen = seen & ~(later.alpha > 0.5)
            ys, xs = np.nonzero(seen)
            if len(xs):  # a thing that is wholly hidden is left out of `things`, and may hide another
                x0, y0, x1, y1 = thing.box
                assert x0 >= xs.min()
                assert x1 <= xs.max() + 1
                assert y0 >= ys.min()
                assert y1 <= ys.max() + 1
                assert thing.share <= seen.mean() + 1e-9


def test_the_picture_is_the_ground_where_nothing_is_near(world):
    scene = world.compose(np.random.default_rng(3), [Wish("dog", (0.05, 0.06))])
    x0, y0, x1, y1 = scene.things[0].box
    far = np.ones(scene.image.shape[:2], bool)
    far[max(0, y0 - 9) : y1 + 12, max(0, x0 - 9) : x1 + 12] = False
    apart = np.abs(scene.image.astype(int) - scene.ground.astype(int))
    assert apart[far].mean() < 6  # noise alone
    assert apart[y0:y1, x0:x1].mean() > 12


def test_the_painter_changes_the_box_alone_and_takes_away_what_was_there(world):
    case = make_case(world, "plain", 2, 3)
    x0, y0, x1, y1 = case.boxes[0]
    drawn = world.draw(np.random.default_rng(0), case.wanted, case.scene, case.boxes[0])
    outside = np.ones(drawn.shape[:2], bool)
    outside[y0:y1, x0:x1] = False
    assert np.array_equal(drawn[outside], case.scene.image[outside])
    assert not np.array_equal(drawn[y0:y1, x0:x1], case.scene.image[y0:y1, x0:x1])
    again = world.draw(np.random.default_rng(0), case.wanted, case.scene, (x0, y0, x0 + 1, y0 + 1))
    untouched = again.copy()
    untouched[y0, x0] = case.scene.image[y0, x0]
    assert np.array_equal(untouched, case.scene.image)
