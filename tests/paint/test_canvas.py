"""Candidates at work: what the model is given, in which steps, and how an edit looks in the picture."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from region_core.boxes import boxes_to_masks
from region_core.paint.borders import Borders
from region_core.paint.canvas import SMALL_SIDE, Canvas, Work, reduced
from region_core.paint.painter import Latents

from ..tools.tiny import Painter

BOXES = torch.tensor([[60.0, 20, 80, 50], [10, 40, 30, 60]])


class Noting(Painter):
    """Keeps what it was begun with, and counts what it decodes."""

    def __init__(self, size: int = 64) -> None:
        super().__init__()
        self.size, self.begun, self.decoded = size, [], []

    def begin(self, images: torch.Tensor, masks: torch.Tensor, seed: int, steps: int, **more: Any) -> Latents:
        self.begun.append({"images": images, "masks": masks, "seed": seed, "steps": steps, **more})
        return super().begin(images, masks, seed, steps, **more)

    def decode(self, latents: Latents) -> torch.Tensor:
        self.decoded.append(tuple(latents.denoised.shape))
        return super().decode(latents)


def picture(height: int = 90, width: int = 120) -> torch.Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(1))


def canvas(height: int = 90, width: int = 120, size: int = 64, **more: Any) -> Canvas:
    return Canvas(picture(height, width), Noting(size), seed=5, **more)


@pytest.mark.parametrize(
    ("given", "made"),
    [((1024, 300), (512, 150)), ((300, 2048), (75, 512)), ((512, 512), (512, 512)), ((513, 9), (512, 9))],
)
def test_the_search_sees_a_copy_of_at_most_so_many_pixels_a_side(given, made):
    source = picture(*given)
    small = reduced(source)
    assert small.shape[-2:] == made
    assert max(made) <= SMALL_SIDE
    assert (small is source) == (given == made)
    assert 0 <= float(small.min()) <= float(small.max()) <= 1
    assert reduced(picture(2, 5000)).shape[-2:] == (1, 512)  # a side of less than a pixel is one


def test_boxes_go_to_the_small_picture_and_back():
    one = canvas(1024, 2048)
    assert one.small_boxes(torch.tensor([[400.0, 100, 800, 200]])).tolist() == [[100, 25, 200, 50]]
    other = canvas(1000, 700)  # 512 x 358
    x, y = 700 / 358, 1000 / 512
    back = other.full_boxes(torch.tensor([[10.0, 20, 100, 200], [-3, -2, 358, 512]]))
    assert back.tolist() == [[round(10 * x), round(20 * y), round(100 * x), round(200 * y)], [0, 0, 700, 1000]]


@pytest.mark.parametrize(
    ("box", "large"),
    [
        ((0, 0, 10, 9), True),  # 0.3 % of 200 x 150, and 8 of the model's pixels a side where it is painted
        ((0, 0, 9, 9), False),
        ((0, 0, 8, 12), True),
        ((0, 0, 7, 14), False),
        ((0, 0, 7, 140), False),
        ((0, 0, 140, 7), False),
        ((0, 0, 200, 150), True),
    ],
)
def test_what_is_too_small_to_be_painted(box, large):
    """The window of a small box has 64 pixels, as the model; of a long one it is larger than the model's."""
    boxes = torch.tensor([box, (0, 0, 200, 150)], dtype=torch.float32)
    assert canvas(150, 200).paintable(boxes).tolist() == [large, True]


def test_a_thin_region_of_a_large_window_is_thinner_where_it_is_painted():
    thin, thick = [100.0, 100, 300, 115], [100.0, 100, 300, 150]  # windows of 400 pixels, painted at 64
    assert canvas(600, 600).paintable(torch.tensor([thin, thick])).tolist() == [False, True]


@pytest.mark.parametrize(
    ("size", "previewed"), [(512, 512), (1000, 1000), (1024, 512), (1150, 512), (1344, 640), (2048, 1024)]
)
def test_previews_are_painted_at_half_the_size_where_models_still_paint_well(size, previewed):
    one = canvas(size=size)
    assert one.preview_size == previewed
    assert one.preview_share == pytest.approx((previewed / size) ** 2)


def test_the_model_is_given_its_window_of_the_picture_and_the_grown_region():
    one = canvas(300, 400, size=128, strength=0.7, borders=Borders(grow=3, feather=6))
    work = one.begin(BOXES, 9)
    (begun,) = one.inpainter.begun
    assert (begun["steps"], begun["strength"], begun["seed"]) == (9, 0.7, 5)
    assert torch.equal(work.painted, BOXES + torch.tensor([-3.0, -3, 3, 3]))
    assert (work.windows[:, 2:] - work.windows[:, :2] == 128).all()
    for n, (x0, y0, x1, y1) in enumerate(work.windows.tolist()):
        assert torch.equal(begun["images"][n], one.source[0, :, y0:y1, x0:x1])
        whole = boxes_to_masks(work.painted[n][None], 300, 400)[0, :, y0:y1, x0:x1]
        assert torch.equal(begun["masks"][n], whole)


def test_a_window_holds_all_that_an_edit_touches():
    one = canvas(600, 700, borders=Borders(grow=10, feather=60))
    work = one.begin(torch.tensor([[150.0, 250, 250, 350]]), 4)
    touched = one.borders.touched(work.boxes, 600, 700)
    assert (work.windows[:, :2] <= touched[:, :2]).all()
    assert (work.windows[:, 2:] >= touched[:, 2:]).all()
    assert (work.windows[0, 2] - work.windows[0, 0]).item() == pytest.approx(2 * (touched[0, 2] - touched[0, 0]), abs=2)


def test_a_preview_is_begun_at_the_size_asked_for():
    one = canvas()
    one.begin(BOXES, 4, size=32)
    assert one.inpainter.begun[0]["images"].shape == (2, 3, 32, 32)
    one.begin(BOXES, 4)
    assert one.inpainter.begun[1]["images"].shape == (2, 3, 64, 64)


def test_no_two_samples_of_two_neighbouring_seeds_share_their_noise():
    seeds = []
    for seed in (1, 2, 5, 6, 2**63 - 1):
        one = Canvas(picture(), Noting(), seed=seed)
        for sample in range(5):
            one.begin(BOXES, 4, sample)
        seeds += [begun["seed"] for begun in one.inpainter.begun]
    assert seeds[::5] == [1, 2, 5, 6, 2**63 - 1]  # the first is the seed's own
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds)


@pytest.mark.parametrize(("strength", "steps", "stop"), [(1, 4, 2), (1, 5, 2), (1, 1, 1), (0.5, 10, 7), (0.1, 10, 10)])
def test_half_way_is_the_middle_of_what_is_left(strength, steps, stop):
    one = canvas(strength=strength)
    begun = one.begin(BOXES, steps)
    work = one.half_way(begun, steps, 1.0)
    assert work.latents.step == stop
    assert one.inpainter.evaluations == 2 * (stop - begun.latents.step)


def test_what_was_decoded_is_kept_until_it_changes():
    one = canvas()
    work = one.decoded(one.begin(BOXES, 4))
    assert one.decoded(work) is work
    one.pictures(work)
    one.full(work, 1)
    assert one.inpainter.decoded == [(2, 3, 64, 64)]
    assert one.advance(work, 2, 1.0).edits is None
    kept = work.select([1])
    assert torch.equal(kept.edits, work.edits[1:])
    assert torch.equal(kept.boxes, BOXES[1:])
    assert torch.equal(kept.latents.z, work.latents.z[1:])


def test_work_is_joined_with_its_edits_only_where_all_are_decoded():
    one = canvas()
    first, second = one.begin(BOXES, 4), one.begin(BOXES, 4, 1)
    both = Work.cat([one.decoded(first), one.decoded(second)])
    assert len(both.boxes) == len(both.painted) == len(both.windows) == len(both.latents) == len(both.edits) == 4
    assert torch.equal(both.latents.z[2:], second.latents.z)
    assert Work.cat([one.decoded(first), second]).edits is None
    assert Work.cat([first, second]).edits is None


def test_an_edit_in_the_picture_and_the_picture_outside_as_it_was():
    one = canvas(borders=Borders(grow=2, feather=4))
    work = one.begin(BOXES, 4)
    edited, mask = one.full(work, 1)
    assert torch.equal(mask, one.borders.masks(BOXES[1:], 90, 120))
    outside = (mask == 0).expand_as(edited)
    assert torch.equal(edited[outside], one.source[outside])
    assert not torch.equal(edited[..., 40:60, 10:30], one.source[..., 40:60, 10:30])
    pictures = one.pictures(work)
    for n, (x0, y0, x1, y1) in enumerate(work.painted.long().tolist()):
        shown = torch.zeros(90, 120, dtype=torch.bool)
        shown[y0:y1, x0:x1] = True
        assert torch.equal((pictures[n] != one.small[0]).any(dim=0), shown)


def test_an_edit_takes_on_the_tint_round_it_where_borders_say_so():
    """As it is put into the picture; without, what was painted is there as it was painted."""
    edits = torch.full((1, 3, 64, 64), 0.45)
    shown = []
    for tint in (False, True):
        one = Canvas(torch.full((1, 3, 64, 64), 0.5), Noting(64), seed=5, borders=Borders(grow=6, tinted=tint))
        work = replace(one.begin(torch.tensor([[20.0, 20, 44, 44]]), 4), edits=edits)
        shown.append(one.full(work, 0)[0][0, :, 32, 32].tolist())
    assert shown == [pytest.approx([0.45] * 3), pytest.approx([0.5] * 3, abs=1e-3)]


def test_a_glimpse_is_the_same_picture_from_a_quarter_of_the_pixels():
    one = canvas()
    work = one.begin(BOXES, 4)
    work.latents.denoised.copy_(torch.linspace(0, 1, 64).expand(2, 3, 64, 64))
    glimpse = one.glimpse(work)
    assert one.inpainter.decoded == [(2, 3, 32, 32)]
    within = (..., slice(25, 45), slice(65, 75))  # what is not averaged with the surroundings
    torch.testing.assert_close(glimpse[0][within], one.pictures(work)[0][within], atol=0.04, rtol=0)
    assert float(glimpse[0][within].std()) > 0.02
