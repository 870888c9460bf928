"""The whole way from a picture to its edit, with the embedded shapes models."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from region_core.demo.worlds import held_out
from region_core.edit import WORSE, edit_image
from region_core.edits import EDITED, NO_REGION
from region_core.encode import encode_picture
from region_core.encoders.loading import Models
from region_core.find import SHOWN
from region_core.paint.diffusers_painter import DiffusersPainter
from region_core.picture import picture_from, to_pil

from .edits import CAPTION, PAPER, PROMPT, QUICK, edit, noise_picture, regions_at, scene_picture
from .painters import FillingPainter
from .tools import tiny

BARE = QUICK.with_values(grow_percent=0, feather_percent=0)  # the region alone is painted


def unchanged(source: torch.Tensor) -> FillingPainter:
    """A painter that leaves everything as it is."""

    class Nothing(FillingPainter):
        def __call__(self, pictures, masks, **more):
            return pictures

    return Nothing(128)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("size", [(451, 333), (1024, 768), (64, 64), (2000, 300)])
def test_outside_the_region_every_pixel_is_the_sources(models: Models, size: tuple[int, int], mode: str) -> None:
    source = noise_picture(*size, mode)
    result = edit(models, source, BARE, painter=FillingPainter(128))
    # the painted region is looked at too: noise has no red circle, and the verdict may be "no region"
    x0, y0, x1, y1 = result[0].box
    for rgb in (result.image, result[0].picture):
        after = np.asarray(to_pil(rgb, result.alpha))
        before = np.asarray(source)
        assert after.shape == before.shape
        outside = np.ones(before.shape[:2], dtype=bool)
        outside[y0:y1, x0:x1] = False
        assert (after[outside] == before[outside]).all()
        if mode == "RGBA":
            assert (after[..., 3] == before[..., 3]).all()
    assert to_pil(result[0].picture).tobytes() != source.convert("RGB").tobytes()


def test_values_beyond_1_are_edited_as_1_and_kept_outside(models: Models) -> None:
    source = torch.rand(1, 3, 80, 96, generator=torch.Generator().manual_seed(2)) * 3 - 0.2
    result = edit(models, source, BARE)
    plain = edit(models, source.clamp(0, 1), BARE)
    assert [one.box for one in result] == [one.box for one in plain]
    for mine, theirs in zip(result, plain, strict=True):
        inside = torch.zeros(1, 1, 80, 96, dtype=torch.bool)
        x0, y0, x1, y1 = mine.box
        inside[..., y0:y1, x0:x1] = True
        assert torch.equal(mine.picture, torch.where(inside, theirs.picture, source))
    if result.box is None:
        assert torch.equal(result.image, source)


def test_same_seed_same_bytes_and_the_global_random_state_stays(models: Models) -> None:
    source = scene_picture(held_out(5, 0)[0])
    for settings in (QUICK, PAPER):
        torch.manual_seed(123)
        before = torch.get_rng_state()
        first = edit(models, source, settings)
        assert torch.equal(before, torch.get_rng_state())
        torch.rand(7)  # another global state must not matter
        second = edit(models, source, settings)
        assert torch.equal(first[0].picture, second[0].picture)
        assert first.rounds == second.rounds


def test_same_bytes_from_another_process(models: Models, tmp_path: Path) -> None:
    script = tmp_path / "again.py"
    script.write_text(
        "import sys, torch\n"
        f"sys.path.insert(0, {str(Path(__file__).parents[1])!r})\n"
        "torch.set_num_threads(int(sys.argv[2]))\n"
        "from region_core.demo.models import load_shapes_models\n"
        "from region_core.demo.worlds import held_out\n"
        "from region_core.picture import to_pil\n"
        "from tests.edits import edit, scene_picture\n"
        "to_pil(edit(load_shapes_models(), scene_picture(held_out(5, 0)[0]))[0].picture).save(sys.argv[1])\n"
    )
    out = tmp_path / "again.png"
    subprocess.run([sys.executable, "-W", "ignore", str(script), str(out), str(torch.get_num_threads())], check=True)
    here = to_pil(edit(models, scene_picture(held_out(5, 0)[0]))[0].picture)
    assert Image.open(out).tobytes() == here.tobytes()


def test_another_seed_makes_another_picture_in_the_same_place(models: Models) -> None:
    source = scene_picture(held_out(5, 0)[0])
    a, b = (edit(models, source, seed=seed) for seed in (1, 2))
    assert (a.seed, b.seed) == (1, 2)
    assert a[0].box == b[0].box
    assert not torch.equal(a[0].picture, b[0].picture)


def test_evaluations_are_counted_on_the_model(models: Models) -> None:
    seen: list[int] = []
    handle = models.pipe.unet.register_forward_hook(lambda m, a, out: seen.append(len(out.sample)))
    result = edit(models, scene_picture(held_out(5, 1)[0]))
    handle.remove()
    assert result.unet_evaluations == sum(seen) == 2 * QUICK.paint.steps  # guidance counts two


@pytest.mark.parametrize("name", ["astronaut", "coffee", "chelsea"])
def test_photographs_go_through(models: Models, name: str) -> None:
    data = pytest.importorskip("skimage.data")
    photograph = Image.fromarray(getattr(data, name)())
    result = edit(models, photograph)
    assert result.image.shape[-2:] == (photograph.height, photograph.width)
    assert torch.isfinite(result.image).all()


def test_every_painted_region_is_ranked_best_first(models: Models) -> None:
    """By the number that the report prints, which is the sum of its parts."""
    result = edit(models, scene_picture(held_out(5, 2)[0]), QUICK.with_values(num_regions=3))
    assert len(result) == 3
    assert sorted(one.box for one in result) == sorted(region.box for region in result.regions[:3])
    order = [(one.improves, one.rank_score) for one in result]
    assert order == sorted(order, reverse=True)
    for one in result:
        assert set(one.parts) == {"evidence", "text", "picture"}
        assert one.rank_score == pytest.approx(sum(one.parts.values()), abs=1e-5)
    assert result.best is None or result.best is result[0]


def test_an_edit_that_is_no_better_than_none_leaves_the_source(models: Models) -> None:
    source = scene_picture(held_out(5, 4)[0])
    result = edit(models, source, painter=unchanged(source))
    assert (result.verdict, result.reason) == (NO_REGION, WORSE)
    assert len(result) == 1  # which can still be looked at
    assert result.best is result.box is None
    assert torch.equal(result.image, picture_from(source).rgb)
    assert result.mask.sum() == result.score == 0


def test_regions_that_are_too_small_to_be_painted_are_told_with_their_size(models: Models) -> None:
    picture = noise_picture(400, 300)
    encoded = encode_picture(picture, dino=models.dino, scorer=models.scorer, with_views=False)
    speck, fine = (10, 20, 13, 27), (100, 100, 200, 200)
    result = edit(models, picture, encoded=encoded, regions=regions_at(encoded, speck), painter=FillingPainter(128))
    assert result.verdict == NO_REGION
    assert "likeliest region has 3 x 7 pixels" in result.reason
    assert "less than 0.3% of the picture, or 8 of the painting model's pixels" in result.reason
    assert result.unet_evaluations == 0
    both = edit(models, picture, encoded=encoded, regions=regions_at(encoded, speck, fine), painter=FillingPainter(128))
    assert [one.box for one in both] == [fine]


def wish(models: Models, index: int, kind: str, **values):
    scene, asked = held_out(4242, index, kind)
    result = edit_image(
        scene_picture(scene),
        asked.caption,
        asked.prompt,
        painter=DiffusersPainter(models.pipe, asked.prompt),
        dino=models.dino,
        scorer=models.scorer,
        settings=QUICK,
        **values,
    )
    return scene, asked, result


def test_what_is_not_there_is_said_to_be_absent_before_any_diffusion(models: Models) -> None:
    for index in (1, 2):
        scene, asked, result = wish(models, index, "absent")
        assert result.verdict == NO_REGION
        assert result.unet_evaluations == 0
        assert asked.caption in result.reason
        assert not len(result)
        assert np.array_equal(np.asarray(to_pil(result.image)), scene.image)
        assert not result.mask.any()
        _, _, there = wish(models, index, "replace")
        assert there.unet_evaluations > 0


def test_something_new_goes_where_nothing_is_hidden(models: Models) -> None:
    for index in range(3):
        scene, _, result = wish(models, index, "add")
        x0, y0, x1, y1 = result[0].box
        taken = np.zeros(scene.image.shape[:2], dtype=bool)
        for thing in scene.objects:
            left, top, right, bottom = thing.box
            taken[top:bottom, left:right] = True
        assert taken[y0:y1, x0:x1].mean() < 0.1


@pytest.mark.parametrize("size", [(2000, 300), (5000, 35), (1000, 1003)])
@pytest.mark.parametrize("settings", [QUICK, PAPER], ids=["evidence", "paper"])
def test_boxes_lie_in_the_picture(models: Models, size: tuple[int, int], settings) -> None:
    result = edit(models, noise_picture(*size), settings, painter=FillingPainter(128))
    # of a strip of 35 pixels nothing may be large enough
    boxes = torch.cat([result.tried_boxes, torch.tensor([one.box for one in result]).reshape(-1, 4)])
    assert bool((boxes >= 0).all())
    assert bool((boxes[:, 2] <= size[0]).all())
    assert bool((boxes[:, 3] <= size[1]).all())
    for shown in (result.relevance, result.saliency):
        assert shown.shape == (1, 1, size[1], size[0])
        assert 0 <= float(shown.min()) <= float(shown.max()) <= 1.0001


def test_a_prompt_of_500_words_works(models: Models) -> None:
    result = edit(models, scene_picture(held_out(4242, 1)[0]), prompt="a blue square and " * 125)
    assert result.unet_evaluations > 0
    assert torch.isfinite(result[0].picture).all()


def test_what_came_of_it_knows_what_was_asked(models: Models) -> None:
    result = edit(models, scene_picture(held_out(5, 1)[0]), caption=f" {CAPTION} ", prompt=f"{PROMPT}\n")
    assert (result.caption, result.prompt, result.settings) == (CAPTION, PROMPT, QUICK)
    assert result[:1][0] is result[0] is list(result)[0]
    assert result.verdict in (EDITED, NO_REGION)
    assert result.seconds > 0


def test_of_the_published_methods_many_edits_only_what_is_shown_is_kept() -> None:
    image = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(1))
    settings = tiny.PAPER.with_values(point_number=8, anchor_distance=0, per_image_iteration=12)
    result = tiny.edit(image, settings)
    assert result.unet_evaluations > (SHOWN + 2) * settings.paint.steps, "too few edits to leave any out"
    assert len(result) == SHOWN
    scores = [one.score for one in result]
    assert scores == sorted(scores, reverse=True)
    assert torch.equal(result.image, result[0].picture)
