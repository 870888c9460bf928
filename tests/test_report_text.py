"""What is said of an edit: where it is, by which number it was chosen, what it cost."""

from __future__ import annotations

import math
import re

import pytest
import torch
from PIL import Image

from region_core.cost import PRICE
from region_core.demo.worlds import held_out
from region_core.edit import edit_image
from region_core.find import Region, Regions
from region_core.report_text import all_notes, notes, pixels, ranked, summary, two_things, where
from region_core.settings import EditSettings

from .edits import CAPTION, PAPER, PROMPT, QUICK, edit
from .painters import FillingPainter


@pytest.mark.parametrize(
    ("box", "said"),
    [
        ((0, 0, 40, 30), "upper left, 12 % of the picture"),
        ((40, 40, 60, 60), "middle, 4 % of the picture"),
        ((0, 45, 100, 55), "middle, 10 % of the picture"),
        ((90, 40, 95, 50), "right, 0.5 % of the picture"),
        ((30, 90, 70, 100), "lower, 4 % of the picture"),
        ((80, 95, 100, 100), "lower right, 1 % of the picture"),
        ((0, 0, 100, 100), "middle, 100 % of the picture"),
    ],
)
def test_a_place_in_words(box, said):
    assert where(box, 100, 100) == said
    x0, y0, x1, y1 = box
    assert where((2 * x0, y0, 2 * x1, y1), 200, 100) == said


def test_regions_as_good_as_impossible_are_told_by_their_number_alone():
    mask = torch.zeros(20, 20, dtype=torch.bool)
    mask[:4, :4] = True
    chances = (0.9, 0.08, 0.009, 0.006, 0.005)
    found = Regions(tuple(Region(mask, (20, 20), math.log(one)) for one in chances), "key", "a cat", mask[None, None])
    said = [line.split(", ")[-1] for line in ranked(found)]
    assert said == ["90 % likely", "8 % likely", "and 3 less than 1 % likely"]
    assert [line[:2] for line in ranked(found, 4)] == ["1:", "2:", "4:", "an"]
    assert ranked(found, 4)[-1] == "and 2 less than 1 % likely"
    assert len(ranked(found[:2])) == 2


def test_a_report_does_not_contradict_itself(models):
    result = edit(models, Image.fromarray(held_out(5, 3)[0].image), QUICK.with_values(num_regions=3))
    lines = dict(summary(result))
    painted = [lines[f"painted {place}"] for place in (1, 2, 3)]
    better = [one.improves for one in result]
    assert better == ["no better than leaving it alone" not in line for line in painted]
    said = [re.search(r"region (\d+): (\d+) % likely, edit scores (-?[\d.]+)", line).groups() for line in painted]
    for one, (number, percent, score) in zip(result, said, strict=True):
        assert result.regions[int(number) - 1] is one.region
        assert float(percent) / 100 == pytest.approx(math.exp(one.region.evidence), abs=0.006)
        assert float(score) == pytest.approx(one.score, abs=0.006)
    decided = [one.region.evidence + one.score for one in result]
    order = sorted(zip(better, decided, strict=True), reverse=True)
    assert decided == [number for _, number in order], "those that are no better than the source come last"
    assert (
        lines["found"]
        == f"{CAPTION!r} stands out here more than {100 * result.regions.presence:.0f} % of other texts do"
    )
    assert lines["alone"].startswith("0.00 is what leaving")
    assert lines["asked"] == f"{CAPTION!r} -> {PROMPT!r}"
    assert lines["region"].startswith(pixels(result[0].box) if result.box else "none")
    assert "rounds" not in lines
    total = float(lines["cost"].split()[0])
    counts = {name.replace(" ", "_"): float(n) for n, name in re.findall(r"([\d.]+) ([\w ]+?)[,)]", lines["cost"])}
    assert total == pytest.approx(sum(PRICE[name] * n for name, n in counts.items()), rel=0.01)


def test_of_the_published_method_it_says_that_it_judges_nothing(models):
    result = edit(models, Image.fromarray(held_out(5, 3)[0].image), PAPER, painter=FillingPainter(64))
    lines = dict(summary(result))
    no_judgement = "judges neither whether the thing is there nor whether the edit is better than none"
    assert lines["rounds"] == f"2 of the published method, which {no_judgement}"
    assert float(lines["alone"].split()[0]) == pytest.approx(result.source_score, abs=0.01)
    assert lines["painted 1"].endswith(f"edit scores {result[0].score:.2f}")


@pytest.mark.parametrize(("steps", "told"), [(1, "1 step: most models leave a smear"), (3, "3 steps: "), (4, "")])
def test_few_steps_are_told_and_do_what_they_can(models, steps, told):
    result = edit(models, Image.fromarray(held_out(5, 3)[0].image), QUICK.with_values(steps=steps))
    assert result.verdict == "edited"
    assert dict(summary(result)).get("note", "").startswith(told)
    assert bool(told) == ("note" in dict(summary(result)))


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"steps": 20, "strength": 0.1}, "2 steps of 20 at strength 0.1: most models leave a smear"),
        ({"steps": 20, "strength": 0.3}, "strength 0.3 keeps most of what is there"),
        ({"guidance_scale": 0.0}, "guidance_scale 0 is none: no negative prompt is read"),
        ({"guidance_scale": 1.0}, "guidance_scale 1 is none"),
        ({"guidance_scale": 1.5, "strength": 0.6, "steps": 20}, ""),
    ],
)
def test_settings_by_which_little_is_painted_are_told(more, told):
    said = notes(EditSettings().with_values(**more))
    assert any(note.startswith(told) for note in said) if told else not said


def test_a_crop_that_is_painted_much_smaller_is_told(models):
    source = Image.fromarray(held_out(5, 3)[0].image).resize((1024, 1024))
    for side, told in ((32, True), (512, False)):
        result = edit(models, source, QUICK, painter=FillingPainter(side))
        said = [note for note in all_notes(result) if note.startswith(f"painted at {side} x {side} pixels")]
        assert bool(said) == told


@pytest.mark.parametrize(("size", "told"), [(1, True), (15, False)])
def test_the_published_method_says_that_a_region_is_as_large_as_may_be(models, size, told):
    settings = PAPER.with_values(max_window_size=size)
    result = edit(models, Image.fromarray(held_out(5, 3)[0].image), settings, painter=FillingPainter(64))
    assert any(f"as large as max_window_size {size} allows" in note for note in all_notes(result)) == told


def test_nothing_found_is_said_with_its_reason(models):
    scene, asked = held_out(4242, 1, "absent")
    result = edit_image(
        scene.image, asked.caption, asked.prompt, painter=FillingPainter(64), dino=models.dino, scorer=models.scorer
    )
    lines = dict(summary(result))
    assert lines["verdict"] == f"no region ({result.reason})"
    assert "the words that this model knows are red, green" in result.reason
    assert lines["found"].endswith("too few to be there")
    assert lines["region"] == "none"
    assert "painted 1" not in lines


@pytest.mark.parametrize(
    ("caption", "things"),
    [
        ("a yellow star and a green square", ("a yellow star", "a green square")),
        ("The man and the dog ", ("The man", "the dog")),
        ("a red and white ball", None),
        ("a sand castle", None),
    ],
)
def test_a_caption_of_two_things_is_told_with_the_two_edits(caption, things):
    told = two_things(caption, "a moon")
    assert bool(told) == (things is not None)
    for thing in things or ():
        assert f'"{thing} -> a moon"' in told[0]
