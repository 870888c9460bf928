"""What is found in pictures whose truth is known, by a CLIP that reads colours and a DINO that tells them apart."""

from __future__ import annotations

import pytest
import torch

from region_core import InputError, encode_picture, find_regions
from region_core.find.texts import DISTRACTORS
from region_core.settings import FindSettings

from .colours import Box, ColourDino, ColourScorer, find, mask_of, mask_overlap, overlap, scene

THING, OTHER = (24, 32, 64, 88), (80, 64, 120, 96)
TWO = scene(("red", THING), ("blue", OTHER))


@pytest.mark.parametrize(("caption", "box"), [("red", THING), (" blue\n", OTHER)])
def test_the_mask_is_the_thing_and_the_box_is_round_it(caption: str, box: Box) -> None:
    regions = find(TWO, caption)
    best = regions[0]
    assert regions.found
    assert regions.caption == caption.strip()
    assert mask_overlap(best.mask, mask_of(box)) > 0.9
    rows, columns = (best.mask[0, 0].any(dim=axis).nonzero().flatten().tolist() for axis in (1, 0))
    assert best.box == (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
    place = int(regions.relevance.argmax())
    row, column = place // 32 * 4, place % 32 * 4
    assert box[0] <= column < box[2]
    assert box[1] <= row < box[3]
    assert (float(regions.relevance.min()), float(regions.relevance.max())) == (0, 1)


@pytest.mark.parametrize("box", [(0, 0, 40, 40), (88, 0, 128, 60), (0, 100, 128, 128), (100, 96, 128, 128)])
def test_edges_at_the_pictures_border_are_reached(box: Box) -> None:
    best = find(scene(("red", box)))[0]
    assert mask_overlap(best.mask, mask_of(box)) > 0.9
    for mine, its in zip(best.box, box, strict=True):
        assert mine == its if its in (0, 128) else 0 < mine < 128


@pytest.mark.parametrize(("down", "across"), [(1, 2), (2, 1), (1, 4)])
def test_in_a_picture_that_is_not_square_it_is_found_too(down: int, across: int) -> None:
    x0, y0, x1, y1 = THING
    box, size = (x0 * across, y0 * down, x1 * across, y1 * down), (128 * down, 128 * across)
    regions = find(scene(("red", box), ("blue", (OTHER[0] * across, 4, 120 * across, 24)), size=size))
    assert overlap(regions[0].box, box) > 0.8


def test_a_small_thing_is_found() -> None:
    box = (60, 60, 76, 72)
    assert overlap(find(scene(("red", box)))[0].box, box) > 0.5


def test_a_thing_that_nearly_fills_the_picture_is_not_taken_for_its_ground() -> None:
    """DINO attends to what is unusual, which is the little that is left of the ground."""
    box = (8, 8, 120, 120)
    best = find(scene(("red", box)))[0]
    assert mask_overlap(best.mask, mask_of(box)) > 0.9


def test_two_things_of_a_kind_are_two_regions_and_nested_cuts_are_one() -> None:
    one, other = (16, 40, 48, 80), (84, 40, 116, 80)
    regions = find(scene(("red", one), ("red", other), ("blue", (50, 90, 80, 120))))
    separate = [region for region in regions if region.separate]
    assert {round(overlap(region.box, box)) for region, box in zip(separate[:2], (one, other), strict=True)} == {1}
    for region in regions:
        nested = [mask_overlap(region.mask, region.mask * mask_of(box)) for box in (one, other)]
        if not region.separate and region.area < 0.2:
            assert max(nested) > 0.8  # the same thing cut closer or wider
    assert sum(overlap(region.box, one) > 0.5 for region in regions) > 1  # there are nested cuts
    assert sum(overlap(region.box, one) > 0.5 for region in separate) == 1


def test_what_is_inside_a_thing_belongs_to_it() -> None:
    box, inside = (24, 24, 104, 104), (52, 52, 72, 72)
    best = find(scene(("red", box), ("blue", inside)))[0]
    assert mask_overlap(best.mask, mask_of(box)) > 0.9
    assert float((best.mask * mask_of(inside)).sum()) == float(mask_of(inside).sum())


@pytest.mark.parametrize("caption", ["red", "green"])
@pytest.mark.parametrize("blind", ["", "it is odd"])
def test_neither_a_line_through_clips_cosines_nor_dinos_scale_matters(caption: str, blind: str) -> None:
    plain = find(TWO, caption, scorer=ColourScorer(why_no_places=blind))
    bent = find(TWO, caption, scorer=ColourScorer(why_no_places=blind, bend=(0.85, 0.15)), dino=ColourDino(scale=40))
    assert bent.found == plain.found == (caption == "red")
    assert bent.presence == pytest.approx(plain.presence, abs=0.02)
    one, other = (regions.regions or regions.likeliest for regions in (plain, bent))
    assert overlap(one[0].box, other[0].box) > 0.99
    if caption == "red":
        assert [region.box for region in one[:2]] == [region.box for region in other[:2]]
        assert [region.evidence for region in one] == pytest.approx([region.evidence for region in other], abs=0.05)


def test_what_is_not_there_is_told_with_what_came_nearest() -> None:
    regions = find(TWO, " green ")
    assert not regions.found
    assert len(regions) == 0
    assert regions.why.startswith("nothing in the picture answers to 'green'; to add something new")
    assert "'background'" in regions.why
    assert 0 < len(regions.likeliest) <= 8
    assert regions.presence < 0.75 <= find(TWO, "blue").presence
    assert find(TWO, "blue").likeliest == ()
    large = scene(("red", (16, 16, 112, 112)), ("blue", (60, 4, 68, 12)))
    assert find(large, "green", settings=FindSettings(max_window_size=4)).notes == ()


def test_a_text_that_is_a_little_like_all_of_the_picture_is_not_in_it() -> None:
    class Vague(ColourScorer):
        def _text(self, text: str) -> torch.Tensor:
            return super()._text("grey") * 0.4 + torch.eye(16)[9] if text == "a mood" else super()._text(text)

    assert not find(TWO, "a mood", scorer=Vague()).found


def test_what_fills_the_picture_is_there() -> None:
    assert find(scene(("red", (0, 0, 128, 128)))).found


@pytest.mark.parametrize("size", [14, 12, 9, 7, 4])
def test_what_is_larger_than_is_allowed_is_told(size: int) -> None:
    box = (16, 16, 112, 112)
    settings = FindSettings(max_window_size=size)
    regions = find(scene(("red", box)), settings=settings)
    fits = settings.max_area > (96 / 128) ** 2
    assert (regions[0].area <= settings.max_area) == fits
    note = f"what answers best is larger than max_window_size {size} allows; raise it"
    assert regions.notes == (() if fits else (note,))
    small = find(scene(("red", (60, 60, 76, 72))), settings=settings)
    assert small[0].area < settings.max_area
    assert small.notes == ()


def test_of_regions_that_are_all_too_large_the_smallest_is_taken() -> None:
    box = (40, 40, 88, 88)
    regions = find(scene(("red", box)), settings=FindSettings(max_window_size=1))
    assert overlap(regions[0].box, box) > 0.75
    assert "max_window_size 1 allows" in regions.notes[0]


def test_a_clip_without_places_finds_by_windows_and_says_so() -> None:
    scorer = ColourScorer(why_no_places="its tower is odd")
    regions = find(TWO, scorer=scorer)
    assert overlap(regions[0].box, THING) > 0.6
    assert regions.notes == (
        "CLIP shows no places, because its tower is odd; the region was found by whole windows, which is coarser",
    )
    assert not find(TWO, "green", scorer=scorer).found
    assert find(TWO, "background", scorer=scorer).notes == ()


def test_of_an_encoded_picture_only_the_caption_is_encoded() -> None:
    scorer, dino = ColourScorer(), ColourDino()
    encoded = encode_picture(TWO, dino=dino, scorer=scorer)
    assert scorer.texts == []
    assert dino.pictures == 1
    looked = scorer.pictures
    assert 20 < looked < 45
    assert find_regions(encoded, "red", scorer=scorer).found
    assert len(scorer.texts) == 1 + len(DISTRACTORS)
    assert find_regions(encoded, "blue", scorer=scorer, prior=mask_of(OTHER)).found
    assert scorer.texts[-1] == "blue"
    assert len(scorer.texts) == 2 + len(DISTRACTORS)
    assert (scorer.pictures, dino.pictures) == (looked, 1)
    find(scene(("red", THING)), scorer=scorer, dino=dino)  # another picture, the same scorer
    assert len(scorer.texts) == 3 + len(DISTRACTORS)
    assert (scorer.pictures, dino.pictures) == (2 * looked, 2)


def test_a_picture_encoded_without_views_is_refused_and_nothing_is_encoded_for_no_caption() -> None:
    scorer = ColourScorer()
    encoded = encode_picture(TWO, dino=ColourDino(), scorer=scorer, with_views=False)
    assert scorer.pictures == 1
    with pytest.raises(InputError, match="encoded without views; encode it with them"):
        find_regions(encoded, "red", scorer=scorer)
    for empty in ("", " \n", "\u200b"):
        with pytest.raises(InputError, match="image_caption is empty"):
            find(TWO, empty, scorer=scorer)
    assert (scorer.pictures, scorer.texts) == (1, [])


def test_a_dino_of_very_many_cells_is_read_at_fewer() -> None:
    """128 x 128 cells have a table of likeness of a gigabyte, those of 48 x 48 one of 20 megabytes."""
    scorer, fine = ColourScorer(), ColourDino(side=1)
    encoded = encode_picture(TWO, dino=fine, scorer=scorer)
    assert encoded.features.features.shape[-2:] == (128, 128)
    assert encoded.cells is not None
    assert encoded.cells.affinity.nbytes < 25e6
    regions = find_regions(encoded, "red", scorer=scorer)
    assert overlap(regions[0].box, THING) > 0.85
    assert regions.relevance.shape == (1, 1, *encoded.cells.grid)
    prior = mask_of((24, 32, 64, 60))
    assert overlap(find_regions(encoded, "red", scorer=scorer, prior=prior)[0].box, (24, 32, 64, 60)) > 0.85
    detections = torch.cat([mask_of(THING), mask_of(OTHER)])
    alone = FindSettings(detections_only=True)
    found = find_regions(encoded, "blue", scorer=scorer, detections=detections, settings=alone)
    assert overlap(found[0].box, OTHER) > 0.85
    place = find_regions(encoded, "background", scorer=scorer, prior=mask_of((70, 4, 124, 60)))[0]
    assert mask_overlap(place.mask, place.mask * mask_of((70, 4, 124, 60))) == 1


def test_where_every_place_is_as_free_as_any_the_map_is_even() -> None:
    regions = find_regions(torch.full((1, 3, 128, 128), 0.5), "background", dino=ColourDino(), scorer=ColourScorer())
    assert regions.found
    assert not regions.relevance.any(), "0 and no NaN"
