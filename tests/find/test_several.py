"""Several edits of one picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from region_core import InputError, encode_picture
from region_core.boxes import overlap
from region_core.demo.scenes import COLORS
from region_core.demo.worlds import held_out
from region_core.encoders.loading import Models
from region_core.picture import picture_from
from region_core.report_text import pixels
from region_core.requests import Request, parse_requests
from region_core.settings import EditSettings
from region_core.several import SeveralEdits, edit_several

from ..painters import FillingPainter
from .colours import COLOURS, ColourDino, ColourScorer, scene

THING, OTHER, THIRD = (8, 16, 48, 56), (76, 12, 116, 52), (40, 80, 84, 120)
THREE = scene(("red", THING), ("blue", OTHER), ("red", THIRD))
SETTINGS = EditSettings().with_values(steps=1, seed=40)


class Seeds(FillingPainter):
    """Keeps the seeds that it was called with."""

    def __init__(self, colour: tuple[float, float, float]) -> None:
        super().__init__(colour=colour)
        self.seeds: list[int] = []

    def __call__(self, pictures: Any, masks: Any, *, seed: int, **more: Any) -> Any:
        self.seeds.append(seed)
        return super().__call__(pictures, masks, seed=seed, **more)


def edited(lines: str, image: torch.Tensor = THREE, **more: Any) -> tuple[SeveralEdits, dict[str, Seeds]]:
    """The edits of lines in colours, each filled with the colour of its prompt; and the painters by prompt."""
    painters: dict[str, Seeds] = {}

    def painter_of(prompt: str) -> Seeds:
        return painters.setdefault(prompt, Seeds(COLOURS[prompt]))

    models = {"dino": ColourDino(), "scorer": ColourScorer(), "settings": SETTINGS} | more
    return edit_several(image, parse_requests(lines), painter_of=painter_of, **models), painters


def colour_at(image: torch.Tensor, box: tuple[int, int, int, int]) -> str:
    """The colour of the middle of a box."""
    x, y = (box[0] + box[2]) // 2, (box[1] + box[3]) // 2
    return min(COLOURS, key=lambda name: float((image[0, :, y, x] - torch.tensor(COLOURS[name])).norm()))


def test_three_edits_of_a_scene_of_shapes_encode_it_once_and_leave_the_rest_bit_for_bit(models: Models) -> None:
    shapes, _ = held_out(31, 8)
    names = [shape.name for shape in shapes.objects]
    wishes = {names[0]: "a blue square", names[1]: "a green square", names[2]: "a white square"}
    requests = [Request(caption, prompt) for caption, prompt in wishes.items()]

    def painter_of(prompt: str) -> FillingPainter:
        red, green, blue = (value / 255 for value in COLORS[prompt.split()[1]])
        return FillingPainter(colour=(red, green, blue))

    source, before = picture_from(shapes.image).rgb.float(), models.dino.images_encoded
    done = edit_several(
        shapes.image, requests, painter_of=painter_of, dino=models.dino, scorer=models.scorer, settings=SETTINGS
    )
    assert models.dino.images_encoded == before + 1
    assert [answer.request for answer in done.answers] == requests
    for answer, shape in zip(done.answers, shapes.objects, strict=False):
        (edit,) = answer.edits
        assert overlap(edit.box, shape.box) >= 0.5
        assert (answer.reason, answer.notes) == ("", ())
    untouched = (done.mask == 0).expand_as(source)
    assert torch.equal(done.image[untouched], source[untouched])
    assert 0.3 < float(untouched.float().mean()) < 0.95
    for answer in done.answers:
        assert bool((answer.edits[0].mask[done.mask == 0] == 0).all())
        x0, y0, x1, y1 = answer.edits[0].box
        assert float(done.mask[..., y0:y1, x0:x1].min()) > 0


def test_each_edit_has_its_region_its_prompt_and_the_next_seed() -> None:
    done, painters = edited("red | leftmost -> green\nblue -> grey\nred | bottommost -> blue")
    assert [colour_at(done.image, box) for box in (THING, OTHER, THIRD)] == ["green", "grey", "blue"]
    assert [painters[prompt].seeds for prompt in ("green", "grey", "blue")] == [[40], [41], [42]]
    assert all(answer.notes == () for answer in done.answers)
    boxes = torch.tensor([edit.box for edit in done.edits])
    assert done.box == (*boxes[:, :2].amin(0).tolist(), *boxes[:, 2:].amax(0).tolist())
    _, painters = edited("red -> green\nblue -> grey", settings=SETTINGS.with_values(seed=2**64 - 1))
    assert [painters[prompt].seeds for prompt in ("green", "grey")] == [[2**64 - 1], [0]]


def test_all_of_a_kind_are_painted_and_what_is_not_meant_is_left() -> None:
    done, painters = edited("red | all -> green")
    assert [colour_at(done.image, box) for box in (THING, OTHER, THIRD)] == ["green", "blue", "green"]
    assert len(done.answers[0].edits) == len(painters["green"].calls) == 2
    done, _ = edited("red | not: blue | largest -> green")
    assert [colour_at(done.image, box) for box in (THING, OTHER, THIRD)] == ["red", "blue", "green"]


def test_what_is_not_there_or_left_out_entirely_leaves_the_rest() -> None:
    done, _ = edited("green -> blue\nblue | not: blue -> grey\nred | leftmost -> green")
    absent, excluded, painted = done.answers
    assert absent.edits == excluded.edits == ()
    assert absent.reason == absent.regions.why != ""
    assert excluded.reason == "all that was found for 'blue' is 'blue'"
    assert len(painted.edits) == 1
    assert [colour_at(done.image, box) for box in (THING, OTHER, THIRD)] == ["green", "blue", "red"]
    assert bool((done.mask[..., 70:, :] == 0).all())
    nothing, painters = edited("green -> blue")
    assert torch.equal(nothing.image, THREE)
    assert (float(nothing.mask.max()), nothing.box, painters["blue"].calls) == (0, None, [])


def test_regions_that_overlap_are_painted_in_order_and_told() -> None:
    """The lower of two near things shows what the upper is painted on: the picture with the earlier edits, or not."""
    upper, lower = (8, 16, 48, 56), (8, 78, 48, 118)
    near = scene(("red", upper), ("red", lower), ("blue", OTHER))
    narrow = SETTINGS.with_values(grow_percent=0, feather_percent=5)

    def greens(painter: Seeds) -> int:
        pictures, masks = painter.calls[0]
        return int(((pictures[:, 1:2] - pictures[:, :1] > 0.4) & (masks == 0)).sum())

    done, painters = edited("red | all -> green\nred | topmost -> blue\nblue -> grey", near, settings=narrow)
    first, second, third = done.answers
    assert first.notes == third.notes == ()
    (edit,) = second.edits
    assert second.notes == (f"the region at {pixels(edit.box)}, with its border, overlaps an earlier edit",)
    assert [colour_at(done.image, box) for box in (upper, lower, OTHER)] == ["blue", "green", "grey"]
    assert greens(painters["blue"]) > 50
    done, painters = edited("red | bottommost -> green\nred | topmost -> blue", near, settings=narrow)
    assert [answer.notes for answer in done.answers] == [(), ()]
    assert [colour_at(done.image, box) for box in (upper, lower)] == ["blue", "green"]
    assert greens(painters["blue"]) == 0


def test_an_edit_that_is_no_better_is_left_out_and_told() -> None:
    def painter_of(_prompt: str) -> FillingPainter:
        return FillingPainter(colour=COLOURS["red"])

    done = edit_several(
        THREE, parse_requests("red -> green"), painter_of=painter_of, dino=ColourDino(), scorer=ColourScorer()
    )
    assert torch.equal(done.image, THREE)
    assert done.answers[0].reason == "the edit is no better than leaving it alone"
    assert done.answers[0].edits == ()


def test_an_encoded_picture_is_not_encoded_again() -> None:
    scorer, dino = ColourScorer(), ColourDino()
    encoded = encode_picture(THREE, dino=dino, scorer=scorer)
    done, _ = edited("red | leftmost -> green\nblue -> grey", scorer=scorer, dino=None, encoded=encoded)
    assert dino.pictures == 1
    assert torch.equal(done.encoded.picture.rgb, encoded.picture.rgb)
    again, _ = edited("red | leftmost -> green\nblue -> grey")
    assert torch.equal(done.image, again.image)


def test_a_request_that_is_none_is_refused_before_anything_is_encoded() -> None:
    dino, scorer = ColourDino(), ColourScorer()

    def painter_of(_prompt: str) -> FillingPainter:
        raise AssertionError("nothing is to be painted")

    for request in (Request("red", "red"), Request("red", "green", "middle"), Request(" ", "green")):
        with pytest.raises(InputError):
            edit_several(THREE, [Request("red", "green"), request], painter_of=painter_of, dino=dino, scorer=scorer)
    assert (dino.pictures, scorer.pictures, scorer.texts) == (0, 0, [])


def test_whoever_watches_may_stop_it(models: Models) -> None:
    shapes, _ = held_out(31, 5)
    count = [0]

    def told() -> None:
        count[0] += 1
        if count[0] == 4:
            raise KeyboardInterrupt

    painter_of: Callable[[str], FillingPainter] = lambda _prompt: FillingPainter()  # noqa: E731
    with pytest.raises(KeyboardInterrupt):
        edit_several(
            shapes.image,
            [Request(shapes.objects[0].name, "a green star")],
            painter_of=painter_of,
            dino=models.dino,
            scorer=models.scorer,
            on_forward=told,
        )
    assert count[0] == 4
