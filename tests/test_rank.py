"""The final score, by a CLIP that embeds a picture as its mean colour: every number can be worked out by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from region_core.encode import EncodedPicture, key_of
from region_core.encoders import PatchFeatures
from region_core.errors import InputError
from region_core.find import Region
from region_core.paint import Edit, crop_region
from region_core.picture import picture_from
from region_core.rank import rank_edits
from region_core.settings import PaintSettings, RankSettings

RED, GREEN, BLUE = torch.eye(3)
BOX = (24, 13, 44, 33)  # with AROUND times its sides: 21, 10, 47, 36
AROUND = 26
HEIGHT, WIDTH = 48, 80
HARD = PaintSettings(grow_percent=0, feather_percent=0)


class ColourScorer:
    """The mean colour, not of unit length: what is said of a picture is a straight line in its pixels."""

    image_size = 26

    def __init__(self, **texts: torch.Tensor) -> None:
        self.texts = texts

    def encode_text(self, text: str) -> torch.Tensor:
        return self.texts[text][None]

    def encode_images(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean(dim=(2, 3))


def plain(colour: torch.Tensor) -> torch.Tensor:
    return colour.view(1, 3, 1, 1).expand(1, 3, HEIGHT, WIDTH).clone()


def painted(colour: torch.Tensor, box: tuple[int, int, int, int] = BOX) -> torch.Tensor:
    edit = plain(RED)
    x0, y0, x1, y1 = box
    edit[..., y0:y1, x0:x1] = colour.view(3, 1, 1)
    return edit


class Made(Edit):
    """An edit that is a picture as it is given."""

    def stitched(self) -> tuple[torch.Tensor, torch.Tensor]:
        return self.painted, torch.ones(1, 1, HEIGHT, WIDTH)


def ranked(
    *edits: tuple[torch.Tensor, tuple[int, int, int, int]],
    prompt: torch.Tensor = GREEN,
    caption: torch.Tensor = RED,
    evidence: list[float] | None = None,
    **weights: float,
) -> list[SimpleNamespace]:
    """Edits of a red picture, best first, each with its number among those given."""
    picture, scorer = picture_from(plain(RED)), ColourScorer(prompt=prompt, caption=caption)
    features = PatchFeatures(torch.zeros(1, 3, 4, 4), torch.zeros(1, 4, 4))
    encoded = EncodedPicture(picture, picture.rgb, features, scorer.encode_images(picture.rgb), None, None, "")
    made: list[Any] = []
    for place, (image, box) in enumerate(edits):
        region = Region.from_box(box, HEIGHT, WIDTH, (evidence or [0.0] * len(edits))[place])
        made.append(Made(picture, region, crop_region(picture.rgb, region, 64, HARD), image))
    ordered = rank_edits(
        made,
        encoded,
        "caption",
        "prompt",
        scorer=scorer,
        settings=RankSettings(**weights),  # type: ignore[arg-type]
    )
    numbers = [next(n for n, one in enumerate(made) if one.painted is other.painted) for other in ordered]
    return [
        SimpleNamespace(
            number=number,
            score=one.score,
            rank_score=one.rank_score,
            improves=one.improves,
            evidence=one.parts["evidence"],
            text=one.parts["text"],
            picture=one.parts["picture"],
            parts=one.parts,
        )
        for number, one in zip(numbers, ordered, strict=True)
    ]


def test_an_edit_from_caption_to_prompt_gains_one_and_pays_for_its_distance() -> None:
    (said,) = ranked((plain(GREEN), BOX), test_alpha=1, test_beta=1)
    assert said.text == pytest.approx(1, abs=1e-5)
    assert said.picture == pytest.approx(-0.5)  # half of its squared distance, in the texts' own
    assert said.score == pytest.approx(0.5, abs=1e-5)


def test_edits_of_another_picture_are_refused() -> None:
    picture, other, scorer = (
        picture_from(plain(RED)),
        picture_from(plain(BLUE)),
        ColourScorer(prompt=GREEN, caption=RED),
    )
    features = PatchFeatures(torch.zeros(1, 3, 4, 4), torch.zeros(1, 4, 4))
    seen = scorer.encode_images(picture.rgb)
    encoded = EncodedPicture(picture, picture.rgb, features, seen, None, None, key_of(picture))
    region = Region.from_box(BOX, HEIGHT, WIDTH)
    made = [
        Made(one, region, crop_region(one.rgb, region, 64, HARD), plain(GREEN))
        for one in (picture, picture_from(plain(RED)), other)
    ]
    assert len(rank_edits(made[:2], encoded, "caption", "prompt", scorer=scorer)) == 2  # the same, read twice
    with pytest.raises(InputError, match="another picture was encoded"):
        rank_edits(made, encoded, "caption", "prompt", scorer=scorer)


def test_each_weight_weighs_its_own_part() -> None:
    (said,) = ranked((plain(GREEN), BOX), test_alpha=3, test_beta=0.25)
    assert (said.text, said.picture) == (pytest.approx(3, abs=1e-5), pytest.approx(-0.125))
    assert said.score == pytest.approx(3 - 0.125, abs=1e-5)
    (said,) = ranked((plain(GREEN), BOX))
    assert said.score == pytest.approx(2 * 1 - 0.5, abs=1e-5)  # the defaults


@pytest.mark.parametrize("far", [1.0, 0.3, 4.0])
def test_the_texts_distance_is_the_unit(far: float) -> None:
    (said,) = ranked((plain(GREEN), BOX), prompt=RED + far * (GREEN - RED), test_alpha=1)
    assert said.text == pytest.approx(1 / far, abs=1e-5)
    assert said.picture == pytest.approx(-0.5 / far**2)


def test_the_surroundings_are_judged_beside_the_whole() -> None:
    """The whole picture moves by the box's share of it, its surroundings by its share of them."""
    (said,) = ranked((painted(GREEN), BOX), test_alpha=1)
    share, around = 400 / (HEIGHT * WIDTH), 400 / AROUND**2
    assert said.text == pytest.approx((share + around) / 2, abs=0.01)
    moved = share**2 * 2 / 2 / 2  # squared, of a red and a green part, halved, in the texts' distance
    assert said.picture == pytest.approx(-moved)


def test_the_surroundings_end_where_they_end() -> None:
    edit = plain(GREEN)
    edit[..., 10:36, 21:47] = RED.view(3, 1, 1)  # all but the surroundings
    (said,) = ranked((edit, BOX), test_alpha=1)
    whole = 1 - AROUND**2 / (HEIGHT * WIDTH)
    assert said.text == pytest.approx(whole / 2, abs=0.01)


def test_each_edit_is_judged_in_its_own_place() -> None:
    other = (2, 2, 12, 22)
    both = ranked((painted(GREEN), BOX), (painted(GREEN, other), BOX), (painted(GREEN, other), other), test_alpha=1)
    text = {one.number: one.text for one in both}
    share = 200 / (HEIGHT * WIDTH)
    assert text[1] == pytest.approx(share / 2, abs=1e-4)  # nothing of it is near
    assert text[2] > 0.25
    assert text[0] > 0.25


def test_an_edit_that_is_no_better_than_none_is_behind_all_that_are() -> None:
    """Whatever the evidence says of its region."""
    ordered = ranked(
        (plain(RED), BOX),
        (painted(GREEN), BOX),
        (painted(BLUE) * 0.5, BOX),
        evidence=[50.0, -3.0, 20.0],
        prompt=GREEN,
        caption=BLUE,
    )
    assert [one.number for one in ordered] == [1, 0, 2]
    assert [one.improves for one in ordered] == [True, False, False]
    assert ordered[1].score == 0  # the source itself


def test_it_is_enough_to_be_better_as_a_whole_or_near() -> None:
    far_off = painted(GREEN, (60, 40, 80, 48))
    worse_near = torch.where(painted(BLUE) != plain(RED), painted(BLUE), far_off)
    away = painted(RED * 0.0 + BLUE)
    near = painted(GREEN)
    near[..., :, 60:] = BLUE.view(3, 1, 1)  # worse as a whole
    said = {
        one.number: one
        for one in ranked(
            (far_off, BOX), (near, BOX), (away, BOX), (worse_near, BOX), prompt=GREEN - BLUE, caption=RED * 0
        )
    }
    assert said[0].improves
    assert said[1].improves
    assert not said[2].improves
    assert not said[3].improves


def test_an_edit_away_from_the_prompt_is_worse_than_none() -> None:
    (said,) = ranked((painted(BLUE), BOX), prompt=RED, caption=BLUE)
    assert said.text < 0
    assert said.score < 0
    assert not said.improves


def test_one_number_orders_them_evidence_and_score_together() -> None:
    edits = [(painted(GREEN), BOX), (painted(GREEN, (24, 13, 44, 23)), BOX)]
    for evidence, order in (([0.0, 0.0], [0, 1]), ([-3.0, -1.0], [1, 0]), ([-1.0, -1.2], [0, 1])):
        both = ranked(*edits, evidence=evidence)
        assert [one.number for one in both] == order
        for one in both:
            assert one.evidence == pytest.approx(evidence[one.number])
            assert one.rank_score == pytest.approx(sum(one.parts.values()), abs=1e-5)
            assert one.rank_score == pytest.approx(one.evidence + one.score, abs=1e-5)
        assert both[0].rank_score > both[1].rank_score


def test_what_is_no_number_is_last_behind_what_is_no_better() -> None:
    ordered = ranked(
        (plain(BLUE) * float("nan"), BOX), (painted(GREEN), BOX), (plain(RED), BOX), evidence=[99.0, 0.0, 0.0]
    )
    assert [one.number for one in ordered] == [1, 2, 0]
    assert ordered[2].score == ordered[2].rank_score == -float("inf")
    assert not ordered[2].improves


def test_equal_texts_are_no_nan() -> None:
    (said,) = ranked((painted(GREEN), BOX), prompt=RED)
    assert said.text == 0
    assert said.score > -float("inf")
    assert not said.improves
