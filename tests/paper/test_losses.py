"""The loss: the paper's three terms; shared views; nothing encoded twice."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from region_core.encode import EncodedPicture
from region_core.encoders import PatchFeatures
from region_core.errors import InputError
from region_core.paper.losses import RegionLoss, View, random_views, self_similarity
from region_core.picture import picture_from
from region_core.settings import PaperSettings

SIZE = 16
TEXTS = {"red": [1.0, 0.0, 0.0], "green": [0.0, 1.0, 0.0], "blue": [0.0, 0.0, 1.0]}


class ColourScorer:
    """A CLIP that embeds a picture as its mean colour: every loss can be worked out by hand."""

    image_size = SIZE
    device = torch.device("cpu")

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.batches: list[torch.Tensor] = []
        self.with_tokens: list[int] = []

    def encode_text(self, text: str) -> torch.Tensor:
        self.texts.append(text)
        return torch.tensor([TEXTS[text]])

    def encode_images_and_tokens(self, images, with_tokens=None):
        assert images.shape[1:] == (3, SIZE, SIZE)
        self.batches.append(images)
        self.with_tokens.append(with_tokens)
        embeddings = F.normalize(images.mean(dim=(2, 3)) + 1e-6, dim=1)
        tokens = F.avg_pool2d(images, 4).flatten(2).transpose(1, 2) + 0.1
        return embeddings, tokens[: len(images) if with_tokens is None else with_tokens]


def plain(colour: str, height: int = 64, width: int = 64) -> torch.Tensor:
    return torch.tensor(TEXTS[colour]).view(1, 3, 1, 1).expand(1, 3, height, width).clone()


def painted(source: torch.Tensor, box: tuple[int, int, int, int], colour: str) -> torch.Tensor:
    edit = source.clone()
    x0, y0, x1, y1 = box
    edit[..., y0:y1, x0:x1] = torch.tensor(TEXTS[colour]).view(1, 3, 1, 1)
    return edit


def only(**weights: float) -> PaperSettings:
    """Weights of 0 but for those named."""
    names = ("alpha", "beta", "gamma")
    return PaperSettings(**{f"loss_{name}": weights.get(name, 0.0) for name in names})


BOX = (16, 16, 48, 48)


def loss_of(
    scorer: ColourScorer,
    source: torch.Tensor,
    caption: str,
    prompt: str,
    settings: PaperSettings | None = None,
    views=4,
) -> RegionLoss:
    """The loss of an edit of a source from caption to prompt."""
    picture = picture_from(source)
    features = PatchFeatures(torch.zeros(1, 3, 4, 4), torch.zeros(1, 4, 4))
    encoded = EncodedPicture(picture, picture.rgb, features, torch.zeros(1, 3), None, None, "")  # type: ignore[arg-type]
    texts = torch.cat([scorer.encode_text(text) for text in (prompt, caption)])
    settings = replace(settings or PaperSettings(), views=views)
    return RegionLoss(scorer, encoded, texts, settings, seed=0)  # type: ignore[arg-type]


# --- the terms --------------------------------------------------------------------------------


def test_the_terms_are_the_papers_formulas():
    source, scorer = plain("red"), ColourScorer()
    edit = painted(source, BOX, "green")
    bound = loss_of(scorer, source, "red", "green", views=1)
    terms = bound(edit)
    before, after = torch.tensor([1.0, 0.0, 0.0]), F.normalize(torch.tensor([0.75, 0.25, 0]), dim=0)
    towards = torch.tensor([-1.0, 1.0, 0.0])
    clip = 1 - after[1]
    direction = 1 - F.cosine_similarity(after - before, towards, dim=0)
    similar = [self_similarity(scorer.encode_images_and_tokens(F.avg_pool2d(x, 4))[1]) for x in (edit, source)]
    structure = (similar[0] - similar[1]).square().mean()
    close = {"atol": 1e-3, "rtol": 0.0}
    torch.testing.assert_close(terms.clip[0], clip, **close)
    torch.testing.assert_close(terms.direction[0], direction, **close)
    torch.testing.assert_close(terms.structure[0], structure, atol=0.03, rtol=0.0)
    assert terms.structure[0] > 0.05
    total = terms.clip + terms.direction + terms.structure
    torch.testing.assert_close(terms.total, total)


def test_every_weight_weighs_its_own_term():
    source = plain("red")
    edit = painted(source, BOX, "green")
    for name, weight in (("clip", "alpha"), ("direction", "beta"), ("structure", "gamma")):
        bound = loss_of(ColourScorer(), source, "red", "green", only(**{weight: 2.5}))
        terms = bound(edit)
        torch.testing.assert_close(terms.total, 2.5 * getattr(terms, name))
        assert terms.total > 0


def test_the_edit_asked_for_costs_less_than_another_colour_or_none():
    source = plain("red")
    edits = torch.cat([painted(source, BOX, "green"), painted(source, BOX, "blue"), source])
    bound = loss_of(ColourScorer(), source, "red", "green", only(alpha=1, beta=1))
    green, blue, nothing = bound(edits).total.tolist()
    assert green < blue
    assert green < nothing


def test_an_edit_equal_to_its_source_has_no_direction_and_no_nan():
    source = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    edit = (source + 1e-6).clamp(0, 1)  # rounding noise is no direction either
    bound = loss_of(ColourScorer(), source, "red", "green")
    terms = bound(torch.cat([source, edit]))
    torch.testing.assert_close(terms.direction, torch.ones(2), atol=1e-3, rtol=0)
    torch.testing.assert_close(terms.structure, torch.zeros(2), atol=1e-3, rtol=0)
    assert bool(terms.total.isfinite().all())


def test_the_direction_of_a_short_change_fades():
    """Below a fiftieth of the texts' distance it counts in proportion to its length."""
    length = 0.01 * 2**0.5  # half of that, of a colour's third: seven tenths of it are towards the prompt
    source = plain("red")
    edit = source + length * torch.tensor(TEXTS["green"]).view(1, 3, 1, 1)
    terms = loss_of(ColourScorer(), source, "red", "green", only(beta=1), views=1)(edit)
    assert terms.direction.item() == pytest.approx(1 - 0.5 / 2**0.5, abs=5e-3)


def test_a_prompt_equal_to_the_caption_is_no_nan():
    source = plain("red")
    bound = loss_of(ColourScorer(), source, "red", "red")
    terms = bound(painted(source, BOX, "green"))
    assert terms.direction.item() == pytest.approx(1.0)
    assert bool(terms.total.isfinite().all())


def test_structure_compares_how_tokens_relate_and_not_what_they_are():
    tokens = torch.rand(2, 6, 4, generator=torch.Generator().manual_seed(0))
    similar = self_similarity(tokens)
    torch.testing.assert_close(similar[1, 2, 5], F.cosine_similarity(tokens[1, 2], tokens[1, 5], dim=0))
    rotation = torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator().manual_seed(1)))[0]
    torch.testing.assert_close(self_similarity(3 * tokens @ rotation), similar)


# --- views: common random numbers -------------------------------------------------------------


def coordinates(height: int = 40, width: int = 60) -> torch.Tensor:
    """A picture that says where each pixel came from."""
    rows = torch.arange(height).view(1, 1, -1, 1).expand(1, 1, height, width) / height
    columns = torch.arange(width).view(1, 1, 1, -1).expand(1, 1, height, width) / width
    return torch.cat([rows, columns, rows], dim=1)


def seen(views: list[View]) -> list[torch.Tensor]:
    return [view(coordinates()) for view in views]


def test_views_crop_every_picture_alike():
    views = random_views(6, seed=1)
    for view, one in zip(views, seen(views), strict=True):
        for picture in view(coordinates().expand(3, -1, -1, -1)):
            assert torch.equal(picture, one[0])


def test_views_are_the_whole_picture_and_then_differing_crops():
    views = seen(random_views(8, seed=0))
    assert len(views) == 8
    assert torch.equal(views[0], coordinates())
    assert len({(v.shape, v.sum().item()) for v in views}) == 8
    mirrored = [bool(v[0, 1, 0, 0] > v[0, 1, 0, -1]) for v in views]
    assert any(mirrored)
    assert not all(mirrored[1:])
    for view in views[1:]:
        assert 0.75 * 40 <= view.shape[-2] <= 40
        assert 0.75 * 60 <= view.shape[-1] <= 60


def test_views_depend_on_their_seed_alone():
    before = torch.get_rng_state()
    one, again, other = (seen(random_views(4, seed=s))[2] for s in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one, again)
    assert one.shape != other.shape or not torch.equal(one, other)
    with pytest.raises(InputError, match="views"):
        random_views(0, 0)


def test_the_same_edit_costs_the_same_in_any_batch_and_call():
    source = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    edit, other = painted(source, BOX, "green"), painted(source, (0, 0, 9, 9), "blue")
    bound = loss_of(ColourScorer(), source, "red", "green")
    alone = bound(edit).total
    crowd = bound(torch.cat([other, edit, edit])).total
    torch.testing.assert_close(crowd[1:], alone.expand(2))


def test_views_are_crops_of_four_fifths_of_a_side_or_more_anywhere_in_the_picture():
    whole, *views = random_views(300, seed=2)
    assert whole == View(0, 0, 1, 1, False)
    sides = [view.x1 - view.x0 for view in views]
    assert [view.y1 - view.y0 for view in views] == pytest.approx(sides)
    assert 0.8 <= min(sides) < 0.81
    assert 0.99 < max(sides) <= 1
    for low in ("x0", "y0"):
        places = [getattr(view, low) / (1 - side) for view, side in zip(views, sides, strict=True)]
        assert 0 <= min(places) < 0.05
        assert 0.95 < max(places) <= 1.001
    assert 0.4 < sum(view.flip for view in views) / len(views) < 0.6


def test_a_view_is_what_it_names_and_a_pixel_at_least():
    picture = coordinates(40, 60)
    assert torch.equal(View(0.25, 0.5, 0.75, 0.9, False)(picture), picture[..., 20:36, 15:45])
    assert torch.equal(View(0.25, 0.5, 0.75, 0.9, True)(picture), picture[..., 20:36, 15:45].flip(-1))
    assert torch.equal(View(0.5, 0.5, 0.5, 0.5, False)(picture), picture[..., 20:21, 30:31])


# --- cost -------------------------------------------------------------------------------------


def test_texts_and_source_are_encoded_once_and_a_call_is_one_batch():
    source, scorer = plain("red"), ColourScorer()
    bound = loss_of(scorer, source, "red", "green", views=3)
    assert sorted(scorer.texts) == ["green", "red"]
    edits = painted(source, BOX, "green").expand(2, -1, -1, -1)
    bound(edits)
    assert [len(b) for b in scorer.batches] == [3, 3 * 2]
    bound(edits)
    assert [len(b) for b in scorer.batches[2:]] == [3 * 2]
    assert len(scorer.texts) == 2


def test_without_the_structures_weight_no_tokens_are_asked_for():
    source, scorer = plain("red"), ColourScorer()
    terms = loss_of(scorer, source, "red", "green", only(alpha=1), views=2)(painted(source, BOX, "green"))
    assert scorer.with_tokens == [0, 0]
    assert terms.structure.tolist() == [0]
    loss_of(scorer, source, "red", "green", only(gamma=1), views=2)(painted(source, BOX, "green"))
    assert scorer.with_tokens[2:] == [1, 1]  # of the whole picture alone


# --- surroundings -----------------------------------------------------------------------------


def test_it_works_in_inference_mode_and_changes_no_input():
    with torch.inference_mode():
        source = plain("red")
        edits = painted(source, BOX, "green")
        copies = [t.clone() for t in (source, edits)]
        state = torch.get_rng_state()
        terms = loss_of(ColourScorer(), source, "red", "green")(edits)
        assert torch.equal(torch.get_rng_state(), state)
        for now, copy in zip((source, edits), copies, strict=True):
            assert torch.equal(now, copy)
    assert terms.total.shape == (1,)


def test_edits_of_another_size_are_refused():
    with pytest.raises(InputError, match="source's size"):
        loss_of(ColourScorer(), plain("red"), "red", "green")(plain("red", 32, 32))
