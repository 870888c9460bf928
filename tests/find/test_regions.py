"""Which regions are proposed, with a CLIP that reads colours and a DINO that tells them apart."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torchvision.ops import box_area, box_iou

from region_core.encoders import PatchFeatures
from region_core.find.masks import box_mask, boxes_round, window_masks
from region_core.find.prior import Prior
from region_core.find.probes import CropEvidence, MapEvidence, map_evidence
from region_core.find.regions import (
    PRESENT,
    PictureEvidence,
    RegionProposals,
    _candidates,
    _first,
    _judged,
    _most,
    _presence,
    _within,
    propose_regions,
)
from region_core.find.relevance import zoom_weights
from region_core.paper.network import NUMBERS
from region_core.settings import SearchSettings

SIDE = 128
RED, BLUE = (24, 32, 64, 88), (80, 64, 120, 96)
SETTINGS = SearchSettings(point_number=5)
COLOURS = {"red": (1.0, 0, 0), "blue": (0, 0, 1.0), "green": (0, 1.0, 0)}


class ColourReader:
    """Embeds pictures and places as how their colour differs from grey, and texts as the colour they name; other
    texts as colours of their own."""

    image_size, device = 32, torch.device("cpu")

    def __init__(self, sees_places: bool = True) -> None:
        self.sees_places, self.encoded = sees_places, 0

    def _colour(self, values: torch.Tensor) -> torch.Tensor:
        return F.normalize(torch.cat([values - 0.5, torch.full_like(values[:, :1], 0.3)], dim=1), dim=1)

    def encode_text(self, text: str) -> torch.Tensor:
        return self.encode_texts([text])

    def encode_texts(self, texts: list[str]) -> torch.Tensor:
        made = []
        for text in texts:
            source = torch.Generator().manual_seed(sum(text.encode()))
            named = next((value for name, value in COLOURS.items() if text == name), None)
            made.append(torch.tensor(named) if named else torch.rand(3, generator=source) * 0.3 + 0.35)
        return self._colour(torch.stack(made))

    def encode_images(self, images: torch.Tensor) -> torch.Tensor:
        self.encoded += len(images)
        vivid = (images - 0.5).square().sum(dim=1, keepdim=True)  # what is grey is hardly seen
        return self._colour((images * vivid).sum(dim=(2, 3)) / vivid.sum(dim=(2, 3)))

    def places(self, images: torch.Tensor, _features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor] | None:
        if not self.sees_places:
            return None
        return self.encode_images(images), self._colour(F.adaptive_avg_pool2d(images, 16))


def scene() -> torch.Tensor:
    picture = torch.full((1, 3, SIDE, SIDE), 0.5) + 0.05 * torch.rand(
        1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1)
    )
    for (x0, y0, x1, y1), name in ((RED, "red"), (BLUE, "blue")):
        picture[0, :, y0:y1, x0:x1] = torch.tensor(COLOURS[name]).view(3, 1, 1)
    return picture


def features(picture: torch.Tensor) -> PatchFeatures:
    cells = F.avg_pool2d(picture, 8)
    odd = (cells - cells.mean(dim=(2, 3), keepdim=True)).norm(dim=1)
    return PatchFeatures(cells, odd)


def evidence(caption: str = "red", **more) -> PictureEvidence:
    picture = scene()
    return PictureEvidence(picture, caption, "green", ColourReader(**more), features(picture))


def best(found: RegionProposals, box: tuple[int, int, int, int]) -> float:
    return float(box_iou(found.boxes[:1], torch.tensor([box], dtype=torch.float32)))


@pytest.mark.parametrize(("caption", "box"), [("red", RED), ("blue", BLUE)])
def test_the_first_region_is_what_the_caption_names(caption, box):
    found = propose_regions(evidence(caption), SETTINGS)
    assert best(found, box) > 0.8
    assert found.present
    assert found.presence >= PRESENT
    row, column = divmod(int(found.relevance.argmax()), 16)
    assert box[0] <= column * 8 < box[2]
    assert box[1] <= row * 8 < box[3]
    assert (float(found.relevance.min()), float(found.relevance.max())) == (0, 1)


@pytest.mark.parametrize("scale", [(1, 2), (2, 1)])
def test_in_a_picture_that_is_not_square_it_is_found_too(scale):
    down, across = scale
    picture = F.interpolate(scene(), scale_factor=scale, mode="nearest")
    wide = PictureEvidence(picture, "red", "green", ColourReader(), features(picture))
    x0, y0, x1, y1 = RED
    found = propose_regions(wide, SETTINGS)
    assert best(found, (x0 * across, y0 * down, x1 * across, y1 * down)) > 0.7
    assert found.relevance.shape == (1, 1, 16 * down, 16 * across)


def test_without_places_in_clip_crops_and_dino_find_it():
    found = propose_regions(evidence(sees_places=False), SETTINGS)
    assert best(found, RED) > 0.6


def test_what_is_not_there_is_not_present():
    found = propose_regions(evidence("green"), SETTINGS)
    assert not found.present
    assert found.presence < PRESENT


def test_regions_differ_are_in_order_and_their_numbers_are_deviations():
    found = propose_regions(evidence(), SETTINGS)
    assert 3 < len(found) <= 32
    assert len(found.log_evidence) == len(found.numbers) == len(found.boxes)
    assert found.log_evidence.tolist() == sorted(found.log_evidence.tolist(), reverse=True)
    assert float(found.log_evidence.exp().sum()) == pytest.approx(1, abs=1e-5)
    assert float((box_iou(found.boxes, found.boxes) - torch.eye(len(found))).max()) <= 0.7
    assert (found.boxes >= 0).all()
    assert (found.boxes <= SIDE).all()
    assert found.numbers.shape[1] == NUMBERS
    torch.testing.assert_close(found.numbers.mean(dim=0), torch.zeros(NUMBERS), atol=1e-4, rtol=0)
    torch.testing.assert_close(found.numbers.std(dim=0, correction=0), torch.ones(NUMBERS), atol=1e-3, rtol=0)
    assert float(found.numbers[0, 2:4].min()) > 0  # the best answers to the caption, close up and alone


def test_no_region_is_larger_than_is_said():
    """A window of n cells to each side of its own is (n + 1) / 16 of a side."""
    assert _most(SETTINGS.with_values(max_window_size=7)) == 0.25
    for largest in (3, 7):
        found = propose_regions(evidence(), SETTINGS.with_values(max_window_size=largest))
        assert float(box_area(found.boxes).max()) <= ((largest + 1) / 16 * SIDE) ** 2
    found = propose_regions(evidence(), SETTINGS.with_values(max_window_size=15))
    assert float(box_area(found.boxes).max()) > (0.6 * SIDE) ** 2


def test_whoever_watches_sees_the_regions_twice_best_first():
    seen = []
    found = propose_regions(evidence(), SETTINGS, on_round=lambda *round_: seen.append(round_))
    assert len(seen) == 2
    for boxes, scores in seen:
        assert len(boxes) == len(scores) <= 8
        assert scores.tolist() == sorted(scores.tolist(), reverse=True)
    assert torch.equal(seen[1][0], found.boxes[:8])


def white(x0: int, y0: int, x1: int, y1: int) -> torch.Tensor:
    mask = torch.zeros(1, 1, SIDE, SIDE)
    mask[..., y0:y1, x0:x1] = 1
    return mask


def test_within_a_prior_the_thing_is_found_and_nothing_beyond():
    around = (8, 16, 72, 104)
    found = propose_regions(evidence(), SETTINGS, white(*around))
    assert best(found, RED) > 0.8
    assert found.present
    assert (found.boxes[:, :2] >= torch.tensor(around[:2])).all()
    assert (found.boxes[:, 2:] <= torch.tensor(around[2:])).all()


def test_what_is_outside_a_prior_is_not_present():
    """Though the places of the picture answer to it."""
    assert not propose_regions(evidence("blue"), SETTINGS, white(8, 16, 72, 104)).present


def spreads(crop: float, blur: float) -> CropEvidence:
    one = torch.tensor([crop - 1, crop])
    return CropEvidence(one, one, one, torch.tensor([blur, blur - 2]))


@pytest.mark.parametrize(("places", "presence"), [(9.0, 4.0), (3.0, 3.0), (1.0, 2.0), (None, 3.0)])
def test_no_single_look_decides_that_something_is_there(places, presence):
    """The middle one of three, each the highest of all regions; the mean of two where places have no say."""
    assert _presence(spreads(2.0, 4.0), places) == presence


@pytest.mark.parametrize(("box", "cells"), [((16, 8, 48, 24), (2, 1, 6, 3)), ((17, 9, 18, 10), (2, 1, 3, 2))])
def test_anchors_are_looked_for_in_the_box_of_a_prior(box, cells):
    values = torch.rand(16, 16, generator=torch.Generator().manual_seed(1))
    inside = torch.zeros(16, 16, dtype=torch.bool)
    inside[cells[1] : cells[3], cells[0] : cells[2]] = True
    left = _within(values, Prior(white(*box)), evidence())
    assert torch.equal(left[inside], values[inside])
    assert bool((left[~inside] == -torch.inf).all())


def test_all_that_the_maps_say_counts_alike():
    one, none = torch.tensor([1.0, 0, -1]), torch.zeros(3)
    share = torch.tensor([0.1, 0.2, 0.3])
    alone = [_first(MapEvidence(*parts, share)) for parts in ((one, none, none), (none, one, none), (none, none, one))]
    assert all(torch.equal(said, alone[0]) for said in alone)
    torch.testing.assert_close(alone[0], one / one.std(correction=0))
    torch.testing.assert_close(_first(MapEvidence(one, one, one, share)), 3 * alone[0])


@pytest.mark.parametrize("count", [1, 3])
def test_each_region_is_judged_at_the_zoom_of_its_size(count):
    """A single map, of a CLIP that shows no places, is all there is at any size."""
    maps = torch.rand(count, 16, 16, generator=torch.Generator().manual_seed(1))
    cells = F.normalize(torch.randn(3, 16, 16, generator=torch.Generator().manual_seed(2)), dim=0)
    masks = [box_mask(box, (16, 16)) for box in ((0, 0, 12, 12), (3, 3, 5, 5))]
    said = _judged(masks, maps, cells)
    shares = torch.tensor([144 / 256, 4 / 256])
    stacked = torch.stack([torch.from_numpy(mask) for mask in masks]).float()
    weights = zoom_weights(shares) if count == 3 else torch.ones(2, 1)
    torch.testing.assert_close(said.ring, map_evidence(stacked, maps, cells, weights).ring)


def test_windows_are_laid_round_the_three_highest_places_of_the_map():
    peaks = [(2, 2), (2, 12), (12, 2), (12, 12), (7, 7)]
    seen = torch.zeros(1, 16, 16)
    for height, (row, column) in zip((9, 8, 7, 6, 5), peaks, strict=True):
        seen[0, row, column] = height
    one = evidence()
    cells = F.normalize(torch.randn(3, 16, 16, generator=torch.Generator().manual_seed(2)), dim=0)
    made = boxes_round(_candidates(seen, seen[0], cells, one, SETTINGS, None)).tolist()
    for peak, laid in zip(peaks, (True, True, True, False, False), strict=True):
        around = boxes_round(window_masks([peak], (16, 16))[1:]).tolist()
        assert all(box in made for box in around) == laid


def test_the_evidence_is_two_nats_for_a_nat_of_the_expected_overlap():
    seen = []
    found = propose_regions(evidence(), SETTINGS, on_round=lambda _, scores: seen.append(scores))
    expected = seen[1]  # of the first eight
    ratio = found.log_evidence[:8] - found.log_evidence[0]
    torch.testing.assert_close(ratio, 2 * (expected / expected[0]).log(), atol=1e-4, rtol=1e-3)


def test_the_close_looks_are_few():
    one = evidence()
    before = one.scorer.encoded
    propose_regions(one, SETTINGS)
    assert one.scorer.encoded - before <= 14 + 2 * 24  # windows of all zooms, and two looks at each of 24 regions


def test_an_earlier_finding_is_taken_as_it_is():
    one, seen = evidence(), []
    finding = one.found(SETTINGS, None, lambda *_: None)
    again = PictureEvidence(scene(), "red", "green", ColourReader(), one.features, finding)
    assert again.found(SETTINGS, None, lambda *round_: seen.append(round_)) is finding
    assert again.scorer.encoded == 0
    assert torch.equal(again.texts, one.texts)
    assert [len(part) for part in seen[0]] == [min(8, len(finding.proposals))] * 2


def test_regions_that_are_left_share_the_evidence():
    found = propose_regions(evidence(), SETTINGS)
    kept = torch.zeros(len(found), dtype=torch.bool)
    kept[[1, 2]] = True
    left = found.select(kept)
    assert torch.equal(left.boxes, found.boxes[1:3])
    assert torch.equal(left.numbers, found.numbers[1:3])
    torch.testing.assert_close(left.log_evidence, found.log_evidence[1:3].log_softmax(0))


def test_pixels_and_cells_of_a_picture_that_is_not_square():
    picture = torch.rand(1, 3, 64, 160)
    one = PictureEvidence(
        picture, "red", "green", ColourReader(), PatchFeatures(torch.rand(1, 3, 8, 20), torch.rand(1, 8, 20))
    )
    assert one.grid == (8, 20)
    assert one.cells_a_pixel.tolist() == [0.125] * 4
    assert one.texts.shape == (2, 4)
    assert torch.equal(one.texts[0], one.scorer.encode_text("green")[0])
