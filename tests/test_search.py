"""Which region is previewed next and when no more are, what previews teach, which edits are painted and their order."""

from __future__ import annotations

import pytest
import torch

from region_core.boxes import iou
from region_core.events import Event, SearchProgress
from region_core.expected import painting, preview
from region_core.find.regions import RegionProposals
from region_core.paint.canvas import Canvas
from region_core.paper.losses import LossTerms, LossWeights
from region_core.paper.network import NUMBERS, build_generator
from region_core.paper.trainer import GeneratorTrainer
from region_core.rank import Judgement
from region_core.search import (
    KNOWN,
    ROUNDS,
    SURE,
    best_first,
    learn_from_previews,
    next_preview,
    paint_and_choose,
    why_nothing,
)
from region_core.settings import SearchSettings

from .tools.tiny import Painter

# two boxes of one thing, two of other things
BOXES = torch.tensor([[0.0, 0, 20, 20], [2, 0, 22, 20], [50, 50, 70, 70], [90, 0, 110, 20]])


def log(*probabilities: float) -> torch.Tensor:
    return torch.tensor(probabilities).log()


def test_one_likely_thing_needs_no_preview() -> None:
    assert next_preview(BOXES, log(0.4, 0.39, 0.15, 0.06), [], every=False) == (None, SURE)


def test_of_two_likely_things_the_likelier_is_first_and_each_has_one() -> None:
    probabilities = log(0.3, 0.29, 0.31, 0.1)
    assert next_preview(BOXES, probabilities, [], every=False) == (2, "")
    assert next_preview(BOXES, probabilities, [2], every=False) == (0, "")
    assert next_preview(BOXES, probabilities, [2, 0], every=False) == (None, KNOWN)


def test_what_was_learned_may_end_it() -> None:
    assert next_preview(BOXES, log(0.5, 0.2, 0.2, 0.1), [2, 0], every=False) == (None, SURE)


@pytest.mark.parametrize(("share", "worth"), [(0.55, False), (0.65, True)])
def test_a_region_is_likely_from_six_tenths_of_the_likeliest_on(share: float, worth: bool) -> None:
    best = 1 / (1 + share)
    boxes = BOXES[[0, 2]]
    assert next_preview(boxes, log(best, best * share), [], every=False) == ((0, "") if worth else (None, SURE))
    assert next_preview(boxes, log(best, best * share), [0], every=False)[0] == (1 if worth else None)


def test_regions_that_overlap_by_half_are_of_one_thing() -> None:
    half = torch.tensor([[0.0, 0, 20, 20], [0, 0, 20, 10]])
    assert float(iou(half, half)[0, 1]) == 0.5
    assert next_preview(half, log(0.5, 0.5), [], every=False) == (None, SURE)
    less = torch.tensor([[0.0, 0, 20, 20], [0, 0, 20, 9]])
    assert next_preview(less, log(0.5, 0.5), [], every=False) == (0, "")


def test_always_goes_through_all_regions() -> None:
    probabilities, previewed = log(0.4, 0.39, 0.15, 0.06), []
    for expected in range(4):
        index, _ = next_preview(BOXES, probabilities, previewed, every=True)
        assert index == expected
        previewed.append(index)
    assert next_preview(BOXES, probabilities, previewed, every=True) == (None, KNOWN)


def test_a_failed_edit_does_not_hide_one_that_is_better_than_none() -> None:
    deciding = torch.tensor([3.0, 1.0, 2.0, 4.0])
    moved = torch.tensor([0.2, 0.1, -0.1, -0.3])  # towards the prompt: the last two are worse than the source
    judged = Judgement(moved, moved, torch.zeros(4), moved)
    assert best_first(deciding, judged).tolist() == [0, 1, 3, 2]


# --- the whole way, with a painter without a network ---------------------------------------------

SETTINGS = SearchSettings(
    previews="always", per_image_iteration=3, preview_steps=2, steps=4, num_regions=2, guidance_scale=3.0
)


def canvas() -> Canvas:
    return Canvas(torch.rand(1, 3, 96, 128, generator=torch.Generator().manual_seed(1)), Painter(), seed=5)


def trainer(*probabilities: float) -> GeneratorTrainer:
    module = build_generator(8, 1, 3, extra_dim=NUMBERS)
    numbers = torch.randn(len(probabilities), NUMBERS, generator=torch.Generator().manual_seed(2))
    features = torch.rand(8, 4, 4, generator=torch.Generator().manual_seed(3))
    cells = BOXES[: len(probabilities)] / 32
    return GeneratorTrainer(
        module, features, cells, numbers, log(*probabilities), lr=0.005, steps=8, learning="exact", seed=0
    )


class Loss:
    """Of each box a loss that is given by where it begins."""

    weights = LossWeights(clip=1, direction=0, structure=0)
    by_place = {0.0: 0.9, 2.0: 0.2, 50.0: 0.5, 90.0: 0.4}

    def __call__(self, edits: torch.Tensor, boxes: torch.Tensor) -> LossTerms:
        assert edits.shape[1:] == canvas().small.shape[1:]
        values = torch.tensor([self.by_place[x0] for x0 in boxes[:, 0].tolist()])
        return LossTerms(values, values, torch.zeros_like(values), torch.zeros_like(values))


def previewed(settings: SearchSettings, *probabilities: float):
    events: list[Event] = []
    easel, teaching = canvas(), trainer(*probabilities)
    found = learn_from_previews(
        easel, BOXES[: len(probabilities)], Loss(), teaching, settings, SearchProgress(events.append)
    )
    return found, events, easel, teaching


def test_previews_teach_which_region_it_is() -> None:
    found, events, easel, teaching = previewed(SETTINGS, 0.4, 0.3, 0.18, 0.12)
    assert len(set(found.indices)) == len(found.terms) == len(found.pictures) == 3
    assert found.indices[:2] == [0, 1]  # one alone says nothing: the second likeliest comes second
    assert found.stopped == ROUNDS
    assert easel.inpainter.evaluations == 3 * 2
    change = (teaching.log_probs() - log(0.4, 0.3, 0.18, 0.12)).tolist()
    assert change[1] > 0 > change[0]  # the least loss and the most
    assert [event.best_box.tolist() for event in events] == [BOXES[0].tolist(), BOXES[1].tolist(), BOXES[1].tolist()]
    assert [event.best_score for event in events] == pytest.approx([-0.9, -0.2, -0.2])
    assert torch.equal(events[2].best, found.pictures[1])
    assert events[0].record["expected"] == pytest.approx(0, abs=1e-6)
    assert events[2].record["expected"] < 0  # less than the mean of what was seen


def test_a_preview_has_no_more_steps_than_the_edit() -> None:
    _, _, easel, _ = previewed(SETTINGS.with_values(preview_steps=9, per_image_iteration=1), 0.3, 0.7)
    assert easel.inpainter.evaluations == SETTINGS.steps


def test_previews_end_when_each_likely_thing_had_one() -> None:
    found, _, _, _ = previewed(SETTINGS.with_values(previews="auto"), 0.3, 0.001, 0.33, 0.1)
    assert found.indices == [2, 0]
    assert found.stopped == KNOWN
    found, _, _, _ = previewed(SETTINGS.with_values(previews="auto"), 0.8, 0.1, 0.1)
    assert (found.indices, found.stopped) == ([], SURE)


class Ranked:
    """Says of the edits what it was given, call by call: how far each moves towards the prompt."""

    alpha, beta = 2.0, 0.5

    def __init__(self, *texts: list[float], picture: float = -0.1) -> None:
        self.texts, self.picture = list(texts), picture

    def judge(self, pictures: torch.Tensor, _boxes: torch.Tensor) -> Judgement:
        text = torch.tensor(self.texts.pop(0))
        assert len(text) == len(pictures)
        picture = torch.full_like(text, self.picture)
        return Judgement(text + 0.1, text - 0.1, picture, self.alpha * text + self.beta * picture)


def chosen(ranked: Ranked, settings: SearchSettings, *probabilities: float):
    events: list[Event] = []
    easel = canvas()
    choice = paint_and_choose(easel, BOXES, trainer(*probabilities), ranked, settings, SearchProgress(events.append))
    return choice, events, easel


def test_the_likeliest_are_painted_and_put_in_order_by_evidence_and_score_together() -> None:
    choice, events, easel = chosen(Ranked([0.1, 0.9]), SETTINGS, 0.1, 0.2, 0.3, 0.4)
    assert choice.indices.tolist() == [2, 3]  # 0.3 with the better edit is before 0.4
    assert torch.equal(choice.work.boxes, BOXES[[2, 3]])
    parts = {name: values.tolist() for name, values in choice.parts.items()}
    assert parts["evidence"] == pytest.approx(log(0.3, 0.4).tolist())
    assert parts["learned"] == pytest.approx([0, 0], abs=1e-6)
    assert parts["text"] == pytest.approx([2 * 0.9, 2 * 0.1])
    assert parts["picture"] == pytest.approx([-0.05, -0.05])
    assert choice.deciding.tolist() == pytest.approx([sum(one) for one in zip(*parts.values(), strict=True)])
    assert choice.judged.score.tolist() == pytest.approx([1.75, 0.15])
    assert choice.judged.near.tolist() == pytest.approx([0.8, 0.0], abs=1e-6)
    assert choice.work.edits is not None
    assert easel.inpainter.evaluations == 2 * SETTINGS.steps
    assert events[-1].kind == "final"
    assert events[-1].best_score == pytest.approx(1.75)
    assert torch.equal(events[-1].boxes, BOXES[[2, 3]])
    assert torch.equal(events[-1].best, easel.pictures(choice.work)[:1])


def test_a_better_edit_does_not_outweigh_much_evidence() -> None:
    choice, _, _ = chosen(Ranked([0.5, 0.9]), SETTINGS, 0.02, 0.08, 0.1, 0.8)
    assert choice.indices.tolist() == [3, 2]


@pytest.mark.parametrize(("steps", "kinds"), [(4, ["half", "final"]), (3, ["final"]), (2, ["final"])])
def test_half_of_an_edit_is_shown_where_there_are_steps_enough(steps: int, kinds: list[str]) -> None:
    _, events, _ = chosen(Ranked([0.1, 0.9]), SETTINGS.with_values(steps=steps), 0.1, 0.2, 0.3, 0.4)
    assert [event.kind for event in events] == kinds
    if "half" in kinds:
        assert torch.equal(events[0].best_box, BOXES[3])  # the likeliest
        assert torch.equal(events[0].boxes, BOXES[[3, 2]])


def test_of_each_regions_noise_samples_the_best_goes_on() -> None:
    half = [0.1, 0.2, 0.3, 0.1, 0.2, 0.7]  # sample by sample, regions 3 and 2
    choice, events, easel = chosen(Ranked(half, [0.1, 0.9]), SETTINGS.with_values(noise_samples=3), 0.1, 0.2, 0.3, 0.4)
    assert easel.inpainter.evaluations == 6 * 2 + 2 * 2
    shown = events[0]
    assert (shown.kind, shown.best_score) == ("half", pytest.approx(2 * 0.7 - 0.05))
    assert torch.equal(shown.best_box, BOXES[2])
    third, second = (easel.begin(BOXES[[2]], 4, sample).latents.z for sample in (2, 1))
    assert torch.equal(choice.work.latents.z[0], third[0])
    other = easel.begin(BOXES[[3]], 4, 1).latents.z
    assert torch.equal(choice.work.latents.z[1], other[0])
    assert torch.equal(choice.work.boxes, BOXES[[2, 3]])
    assert not torch.equal(second, third)


def test_noise_samples_are_compared_half_way_in_however_few_steps() -> None:
    few = SETTINGS.with_values(noise_samples=2, steps=3)
    _, events, easel = chosen(Ranked([0.5, 0.4] * 2, [0.1, 0.9]), few, 0.1, 0.2, 0.3, 0.4)
    assert [event.kind for event in events] == ["half", "final"]
    assert easel.inpainter.evaluations == 4 * 1 + 2 * 2


@pytest.mark.parametrize(("previews", "left"), [("always", [3, 2, 1]), ("auto", [1, 1])])
def test_so_many_previews_are_expected_as_there_will_be(previews: str, left: list[int]) -> None:
    """Each of those left where all are made; one more and the painting where the next may be the last."""
    told: list[float] = []

    class Told(SearchProgress):
        def expect(self, left: float) -> None:
            told.append(left)

    settings, easel = SETTINGS.with_values(previews=previews), canvas()
    teaching = trainer(0.3, 0.001, 0.33, 0.1)
    learn_from_previews(easel, BOXES, Loss(), teaching, settings, Told(None))
    one, rest = preview(settings, easel.preview_share).total, painting(settings).total * settings.num_regions
    assert told == pytest.approx([one * count + rest for count in left])


def test_what_is_shown_half_way_is_the_likeliest_of_those_as_good() -> None:
    _, events, _ = chosen(Ranked([0.5, 0.5] * 2, [0.1, 0.9]), SETTINGS.with_values(noise_samples=2), 0.1, 0.2, 0.3, 0.4)
    assert torch.equal(events[0].best_box, BOXES[3])


def proposals(*boxes: list[float], present: bool = True) -> RegionProposals:
    count = len(boxes)
    numbers = torch.zeros(count, NUMBERS)
    return RegionProposals(torch.tensor(boxes), torch.zeros(count), numbers, torch.ones(1, 1, 8, 8), present, 9.0)


def test_why_nothing_is_painted() -> None:
    fine, speck = [10.0, 10, 60, 60], [10.0, 20, 13, 27]
    said = why_nothing(" a fox ", proposals(fine, present=False), canvas(), prior=False)
    assert said.startswith("nothing in the picture answers to 'a fox'; to add something new")
    said = why_nothing("a fox", proposals(fine, present=False), canvas(), prior=True)
    assert "nothing where the region prior is white answers to 'a fox'; paint the prior where it is" in said
    assert why_nothing("a fox", proposals(speck, fine), canvas(), prior=False) == ""
    said = why_nothing("a fox", proposals(speck, [50.0, 50, 54, 56]), canvas(), prior=False)
    assert "has 3 x 7 pixels" in said
    assert "less than 0.3% of the picture, or 8 of" in said
