"""What a watcher is told while an edit works, and that it may stop it at any moment."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from region_core.demo.worlds import held_out
from region_core.edit import edit_image
from region_core.encoders.loading import Models
from region_core.events import Event, expected_cost
from region_core.find import Regions

from .edits import PAPER, QUICK, edit
from .painters import FillingPainter
from .tools import tiny
from .tools.world import difference, shared_state

SCENE, WISH = held_out(5, 1)


def image() -> torch.Tensor:
    return torch.rand(1, 3, 64, 80, generator=torch.Generator().manual_seed(1))


def told(models: Models, settings, **more: Any) -> tuple[list[Event], Any]:
    events: list[Event] = []
    result = edit_image(
        SCENE.image,
        WISH.caption,
        WISH.prompt,
        painter=more.pop("painter", FillingPainter(128)),
        dino=models.dino,
        scorer=models.scorer,
        settings=settings,
        on_event=events.append,
        **more,
    )
    return events, result


def test_regions_are_told_before_they_are_painted_and_the_best_when_all_is_done(models: Models) -> None:
    events, result = told(models, QUICK.with_values(num_regions=2))
    kinds = [event.kind for event in events if event.kind != "work"]
    assert kinds == ["found", "final"]
    found = next(event for event in events if event.kind == "found")
    assert found.regions is result.regions
    before = events[: events.index(found)]
    assert before, "the search is told of, too"
    assert not [event for event in before if event.step is not None]
    steps = [event for event in events if event.step is not None]
    assert [event.step.done for event in steps] == list(range(1, QUICK.paint.steps + 1))
    assert {event.box for event in steps} == {result.regions[0].box}
    final = events[-1]
    assert (final.done, final.best_box, final.best_score) == (1.0, result[0].box, result[0].score)
    assert torch.equal(final.best, result[0].picture)


@pytest.mark.parametrize("method", ["evidence", "paper"])
def test_what_is_done_only_grows(models: Models, method: str) -> None:
    events, _ = told(models, (PAPER if method == "paper" else QUICK))
    done = [event.done for event in events]
    assert done == sorted(done)
    assert 0 <= done[0] < 0.3
    assert done[-1] == 1
    assert len(set(done)) > 5
    # the bar moves with the work: by the time all is painted it is nearly full
    assert done[-2] > 0.5


def test_nothing_found_is_told(models: Models) -> None:
    scene, asked = held_out(4242, 1, "absent")
    events: list[Event] = []
    result = edit_image(
        scene.image,
        asked.caption,
        asked.prompt,
        painter=FillingPainter(128),
        dino=models.dino,
        scorer=models.scorer,
        on_event=events.append,
    )
    (found,) = [event for event in events if event.kind == "found"]
    assert found.regions is result.regions
    assert isinstance(found.regions, Regions)
    assert not found.regions.found
    assert events[-1].kind == "found", "there is no best edit"


def test_each_round_of_the_published_method_tells_of_its_boxes_and_of_the_best_by_the_final_score(
    models: Models,
) -> None:
    settings = PAPER.with_values(per_image_iteration=6, test_alpha=1.0, test_beta=3.0)
    events, result = told(models, settings)
    rounds = [event for event in events if event.kind == "round"]
    assert [event.record for event in rounds] == result.rounds
    assert [record["round"] for record in result.rounds] == list(range(6))
    best = [event.best_score for event in rounds]
    assert best == sorted(best), "the best so far never becomes worse"
    # by the same score as the answer: what an interrupted run keeps is what it would have answered
    assert best[-1] == result[0].score
    assert rounds[-1].best_box == result[0].box
    assert torch.equal(rounds[-1].best, result[0].picture)
    for record, event in zip(result.rounds, rounds, strict=True):
        assert record["boxes"] == [[round(v) for v in row] for row in event.boxes.tolist()]
        assert len(record["losses"]) == settings.paper.point_number
        assert record["best"] <= min(record["losses"])
    least = [record["best"] for record in result.rounds]
    assert least == sorted(least, reverse=True)


def test_with_what_was_found_before_the_search_is_not_expected() -> None:
    settings = QUICK.with_values(num_regions=3)
    more = expected_cost(settings, search=True) - expected_cost(settings, search=False)
    assert more > 0
    assert expected_cost(settings.with_values(steps=40), search=False) > expected_cost(settings, search=False)


@pytest.mark.parametrize("settings", [tiny.LITTLE, tiny.PAPER], ids=["evidence", "paper"])
def test_a_watcher_that_raises_stops_it_at_any_event(settings) -> None:
    events: list[Event] = []
    whole = tiny.edit(image(), settings, on_event=events.append)
    for at in range(len(events)):
        seen: list[Event] = []

        def stop(event: Event, seen: list[Event] = seen, at: int = at) -> None:
            seen.append(event)
            if len(seen) == at + 1:
                raise KeyboardInterrupt

        before = shared_state()
        with pytest.raises(KeyboardInterrupt):
            tiny.edit(image(), settings, on_event=stop)
        assert len(seen) == at + 1
        assert difference(before, shared_state()) == {}
    again = tiny.edit(image(), settings)
    assert torch.equal(again.image, whole.image)


def test_an_interrupted_edit_has_told_what_it_had_found(models: Models) -> None:
    """While it paints: the regions are there, and can be painted another time without a search."""
    kept: list[Regions] = []

    def watch(event: Event) -> None:
        if event.kind == "found":
            assert event.regions is not None
            kept.append(event.regions)
        if event.step is not None and event.step.done == 2:
            raise KeyboardInterrupt

    painter = FillingPainter(128)
    with pytest.raises(KeyboardInterrupt):
        edit(models, SCENE.image, QUICK.with_values(steps=9), painter=painter, on_event=watch)
    assert painter.evaluations == 2 * 2
    (regions,) = kept
    assert len(regions) > 0
    again = edit(models, SCENE.image, QUICK, painter=painter, regions=regions)
    assert again[0].box == regions[0].box


def test_the_steps_of_a_painter_that_stops_are_not_swallowed(models: Models) -> None:
    class Interrupted(Exception):
        pass

    class Stopping(FillingPainter):
        def __call__(self, pictures: torch.Tensor, masks: torch.Tensor, **more: Any) -> torch.Tensor:
            raise Interrupted

    with pytest.raises(Interrupted):
        told(models, QUICK, painter=Stopping(128))


def test_the_picture_that_is_shown_is_reduced_and_within_0_and_1(models: Models) -> None:
    events: list[Event] = []
    source = torch.rand(1, 3, 700, 1100, generator=torch.Generator().manual_seed(3)) * 2 - 0.4
    edit(models, source, QUICK, painter=FillingPainter(128), on_event=events.append)
    best = events[-1].best
    assert best is not None
    assert max(best.shape) == 512
    assert 0 <= float(best.min()) <= float(best.max()) <= 1
