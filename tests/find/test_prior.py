"""A prior mask: the region lies within it."""

from __future__ import annotations

import pytest
import torch
from PIL import Image
from torchvision.ops import box_area

from region_core.boxes import iou
from region_core.demo.worlds import held_out
from region_core.edit import edit_image
from region_core.errors import InputError
from region_core.find.anchors import place_candidates
from region_core.find.masks import boxes_round
from region_core.find.prior import Prior, check_prior
from region_core.find.regions import Finding, PictureEvidence, RegionProposals, propose_regions
from region_core.paint.diffusers_painter import DiffusersInpainter
from region_core.paper.network import NUMBERS
from region_core.picture import picture_from

from ..edits import QUICK, edit, noise_picture, scene_picture


def white(*boxes: tuple[int, int, int, int]) -> torch.Tensor:
    """A mask of 30 x 40 pixels, white in boxes."""
    mask = torch.zeros(1, 1, 30, 40)
    for x0, y0, x1, y1 in boxes:
        mask[..., y0:y1, x0:x1] = 1
    return mask


def test_how_much_of_a_box_is_white():
    one = Prior(white((10, 5, 30, 15), (0, 29, 1, 30)))
    boxes = [(10, 5, 30, 15), (10, 5, 30, 25), (0, 5, 20, 15), (20, 10, 40, 20), (9.6, 4.7, 20.4, 15.2), (0, 0, 40, 30)]
    assert one.share(torch.tensor(boxes)).tolist() == pytest.approx([1, 0.5, 0.5, 0.25, 1, 201 / 1200])
    assert one.share(torch.tensor([(12.0, 6, 12, 6), (50, 50, 60, 60), (-9, -9, 2, 2)])).tolist() == [0, 0, 0]
    assert one.share(torch.tensor([(30.0, 20, 99, 99), (-9, 28, 1, 99)])).tolist() == pytest.approx([0, 0.5])


def test_boxes_that_are_white_for_three_quarters_are_kept_and_cut():
    one = Prior(white((10, 5, 30, 15)))
    boxes = torch.tensor(
        [(10.0, 5, 20, 15), (8, 5, 18, 15), (7, 5, 17, 15), (10, 5, 30, 18), (10, 5, 30, 19), (0, 0, 5, 5)]
    )
    assert one.keep(boxes).tolist() == [0, 1, 3]
    assert one.keep(torch.tensor([(6.0, 5, 22, 15)])).tolist() == [0]  # three quarters exactly
    assert one.within(boxes[1:4]).tolist() == [[10, 5, 18, 15], [10, 5, 17, 15], [10, 5, 30, 15]]
    assert one.bounds.tolist() == [10, 5, 30, 15]
    mask = one.own_mask(torch.tensor([0.2, 0.1] * 2), (3, 8))  # 8 x 3 cells
    assert boxes_round([mask]).tolist() == [[2, 0.5, 6, 1.5]]


def test_grey_is_white_above_a_half():
    grey = white((10, 5, 30, 15)) * 0.5
    grey[..., 7, 12] = 0.51
    assert Prior(grey).bounds.tolist() == [12, 7, 13, 8]
    picture = torch.zeros(1, 3, 30, 40)
    check_prior(grey, picture)
    check_prior(None, picture)
    with pytest.raises(InputError, match="no pixel above 0.5"):
        check_prior(white((10, 5, 30, 15)) * 0.5, picture)
    for shape in ((1, 1, 30, 41), (1, 1, 29, 40), (1, 30, 40), (2, 1, 30, 40), (1, 3, 30, 40)):
        with pytest.raises(InputError, match=r"of the picture's size, \(1, 1, 30, 40\)"):
            check_prior(torch.ones(shape), picture)


def test_every_box_lies_in_the_region_prior(models):
    prior = torch.zeros(1, 1, 128, 128)
    prior[..., 50:, 64:120] = 1
    events = []
    result = edit(models, Image.fromarray(held_out(5, 3)[0].image), prior=prior, on_event=events.append)
    assert len(result.tried_boxes) > 3
    boxes = torch.cat(
        [result.tried_boxes, torch.tensor([c.box for c in result.candidates]), *(event.boxes for event in events)]
    )
    for x0, y0, x1, y1 in boxes.round().long().tolist():
        assert prior[0, 0, y0:y1, x0:x1].mean() >= 0.75


def test_a_prior_round_the_object_leads_to_the_object(models):
    scene, asked = held_out(10, 1)
    x0, y0, x1, y1 = scene.objects[asked.target].box
    prior = torch.zeros(1, 1, 128, 128)
    prior[..., max(0, y0 - 8) : y1 + 8, max(0, x0 - 8) : x1 + 8] = 1
    result = edit_image(
        scene_picture(scene),
        asked.caption,
        asked.prompt,
        prior=prior,
        inpainter=DiffusersInpainter(models.pipe, asked.prompt),
        dino=models.dino,
        scorer=models.scorer,
        settings=QUICK,
    )
    truth = torch.tensor([[x0, y0, x1, y1]]).float()
    assert float(iou(torch.tensor([result.candidates[0].box]).float(), truth)) >= 0.5


@pytest.mark.parametrize(("on", "verdict"), [("the thing", "edited"), ("another thing", "no region")])
def test_a_prior_says_where_and_not_whether(models, on, verdict):
    scene, asked = held_out(10, 1)
    index = asked.target if on == "the thing" else (asked.target + 1) % len(scene.objects)
    x0, y0, x1, y1 = scene.objects[index].box
    prior = torch.zeros(1, 1, 128, 128)
    prior[..., max(0, y0 - 6) : y1 + 6, max(0, x0 - 6) : x1 + 6] = 1
    source = scene_picture(scene)
    painter = DiffusersInpainter(models.pipe, asked.prompt)
    result = edit_image(
        source,
        asked.caption,
        asked.prompt,
        prior=prior,
        inpainter=painter,
        dino=models.dino,
        scorer=models.scorer,
        settings=QUICK,
    )
    assert result.verdict == verdict
    if verdict == "no region":
        assert painter.evaluations == 0
        assert "where the region prior is white" in result.reason
        assert torch.equal(result.image, picture_from(source).rgb)


def proposed(*boxes: list[float]) -> RegionProposals:
    count = len(boxes)
    evidence = torch.arange(count, 0, -1.0).log_softmax(0)
    return RegionProposals(
        torch.tensor(boxes), evidence, torch.zeros(count, NUMBERS), torch.ones(1, 1, 8, 8), True, 9.0
    )


def test_a_speck_is_never_painted(models):
    scene, asked = held_out(10, 1)
    source = picture_from(scene_picture(scene)).rgb
    painter = DiffusersInpainter(models.pipe, asked.prompt)
    texts = torch.cat([models.scorer.encode_text(text) for text in (asked.prompt, asked.caption)])

    def result(*boxes):
        finding = Finding(models.scorer.encode_images(source), texts, proposed(*boxes))
        return edit_image(
            source,
            asked.caption,
            asked.prompt,
            inpainter=painter,
            dino=models.dino,
            scorer=models.scorer,
            settings=QUICK.with_values(num_regions=2),
            finding=finding,
        )

    speck, thin, thing = [10.0, 10, 14, 15], [20.0, 0, 24, 128], [30.0, 30, 60, 60]
    nothing = result(speck, thin)
    assert nothing.verdict == "no region"
    assert "too small: the likeliest region has 4 x 5 pixels" in nothing.reason
    assert painter.evaluations == 0
    assert [one.box for one in result(speck, thing, thin).candidates] == [(30, 30, 60, 60)]


def test_a_prior_smaller_than_any_candidate_is_a_candidate_itself(models):
    prior = torch.zeros(1, 1, 128, 128)
    prior[..., 60:72, 30:46] = 1
    result = edit(models, Image.fromarray(held_out(5, 3)[0].image), prior=prior)
    for candidate in result.candidates:
        x0, y0, x1, y1 = candidate.box
        assert prior[0, 0, y0:y1, x0:x1].mean() >= 0.75


def test_an_empty_region_prior_is_refused(models):
    with pytest.raises(InputError, match="region prior is empty"):
        edit(models, Image.fromarray(held_out(5, 3)[0].image), prior=torch.zeros(1, 1, 128, 128))


def test_a_thin_prior_on_a_large_picture_is_seen(models):
    for width, candidates in ((2, 0), (60, 1)):  # what is thinner than a region may be is told, not painted
        prior = torch.zeros(1, 1, 700, 1400)
        prior[..., 300:400, 700 : 700 + width] = 1  # nearest neighbours at 512 pixels could miss two columns
        result = edit(models, noise_picture(1400, 700, "RGB"), prior=prior)
        assert len(result.candidates) == candidates
        assert ("too small" in result.reason) == (not candidates)
    with pytest.raises(InputError, match=r"shape \(700, 1400\)"):
        edit(models, noise_picture(1400, 700, "RGB"), prior=prior[0, 0])


def test_anchors_lie_where_the_prior_is_white(models):
    features = models.dino(torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(1)))
    prior = torch.zeros(1, 1, 128, 128)
    prior[..., 40:52, 60:70] = 1
    candidates = place_candidates(features, 128, 128, QUICK.with_values(point_number=9), prior)
    rows, columns = candidates.anchors.T * 4  # 32 cells over 128 pixels
    assert bool(((rows >= 36) & (rows < 52) & (columns >= 56) & (columns < 70)).all())


@pytest.mark.parametrize("caption", ["background", "a red circle"])
@pytest.mark.parametrize("area", [(60, 60, 110, 110), (70, 70, 100, 100), (33, 80, 53, 100), (3, 200, 250, 212)])
def test_no_region_leaves_a_small_or_odd_prior(models, caption, area):
    picture = picture_from(noise_picture(256, 256, "RGB")).rgb
    x0, y0, x1, y1 = area
    prior = torch.zeros(1, 1, 256, 256)
    prior[..., y0:y1, x0:x1] = 1
    evidence = PictureEvidence(picture, caption, "a blue square", models.scorer, models.dino(picture))
    boxes = propose_regions(evidence, QUICK, prior).boxes
    low, high = torch.tensor([x0, y0]), torch.tensor([x1, y1])
    assert bool((boxes[:, :2] >= low).all())
    assert bool((boxes[:, 2:] <= high).all())
    assert bool((boxes[:, 2:] > boxes[:, :2]).all())


def test_a_place_heeds_the_largest_window(models):
    picture = picture_from(noise_picture(256, 256, "RGB")).rgb
    evidence = PictureEvidence(picture, "background", "a blue square", models.scorer, models.dino(picture))
    boxes = propose_regions(evidence, QUICK.with_values(max_window_size=3)).boxes
    assert float(box_area(boxes).max()) <= 256**2 / 16
