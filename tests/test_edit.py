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
from region_core.edit import NO_REGION, SHOWN, edit_image
from region_core.encoders.loading import Models
from region_core.paint.canvas import Canvas
from region_core.paint.diffusers_painter import DiffusersInpainter
from region_core.paper.network import NUMBERS, build_generator
from region_core.picture import picture_from, to_pil

from .edits import PROMPT, QUICK, TAUGHT, edit, noise_picture, scene_picture
from .tools.tiny import LITTLE
from .tools.tiny import edit as tiny_edit

BARE = QUICK.with_values(grow_percent=0, feather_percent=0)  # the region alone is painted


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("size", [(451, 333), (1024, 768), (64, 64), (2000, 300)])
def test_outside_the_region_every_pixel_is_the_sources(models, size, mode):
    source = noise_picture(*size, mode)
    result = edit(models, source, BARE)
    # the candidate is looked at too: noise has no red circle, and the verdict may be "no region"
    best = result.candidates[0]
    x0, y0, x1, y1 = best.box
    for rgb in (result.image, best.image):
        after = np.asarray(to_pil(rgb, result.alpha))
        before = np.asarray(source)
        assert after.shape == before.shape
        outside = np.ones(before.shape[:2], dtype=bool)
        outside[y0:y1, x0:x1] = False
        assert (after[outside] == before[outside]).all()
        if mode == "RGBA":
            assert (after[..., 3] == before[..., 3]).all()
    assert to_pil(best.image).tobytes() != source.convert("RGB").tobytes()


def test_values_beyond_1_are_edited_as_1_and_kept_outside(models):
    source = torch.rand(1, 3, 80, 96, generator=torch.Generator().manual_seed(2)) * 3 - 0.2
    result = edit(models, source, BARE)
    plain = edit(models, source.clamp(0, 1), BARE)
    assert [c.box for c in result.candidates] == [c.box for c in plain.candidates]
    for mine, theirs in zip(result.candidates, plain.candidates, strict=True):
        inside = torch.zeros(1, 1, 80, 96, dtype=torch.bool)
        x0, y0, x1, y1 = mine.box
        inside[..., y0:y1, x0:x1] = True
        assert torch.equal(mine.image, torch.where(inside, theirs.image, source))
    if result.box is None:
        assert torch.equal(result.image, source)


def test_same_seed_same_bytes_and_the_global_random_state_stays(models):
    source = Image.fromarray(held_out(5, 0)[0].image)
    torch.manual_seed(123)
    before = torch.get_rng_state()
    first = edit(models, source)
    assert torch.equal(before, torch.get_rng_state())
    torch.rand(7)  # another global state must not matter
    second = edit(models, source)
    assert to_pil(first.candidates[0].image).tobytes() == to_pil(second.candidates[0].image).tobytes()
    assert first.rounds == second.rounds


def test_same_bytes_from_another_process(models, tmp_path):
    script = tmp_path / "again.py"
    script.write_text(
        "import sys, torch\nfrom PIL import Image\n"
        f"sys.path.insert(0, {str(Path(__file__).parents[1])!r})\n"
        "torch.set_num_threads(int(sys.argv[2]))\n"
        "from region_core.demo.models import load_shapes_models\n"
        "from region_core.demo.worlds import held_out\n"
        "from region_core.picture import to_pil\n"
        "from tests.edits import edit\n"
        "source = Image.fromarray(held_out(5, 0)[0].image)\n"
        "to_pil(edit(load_shapes_models(), source).candidates[0].image).save(sys.argv[1])\n"
    )
    out = tmp_path / "again.png"
    subprocess.run([sys.executable, "-W", "ignore", str(script), str(out), str(torch.get_num_threads())], check=True)
    source = Image.fromarray(held_out(5, 0)[0].image)
    here = to_pil(edit(models, source).candidates[0].image)
    assert Image.open(out).tobytes() == here.tobytes()


def test_another_seed_makes_another_picture(models):
    source = Image.fromarray(held_out(5, 0)[0].image)
    a, b = (edit(models, source, seed=s).candidates[0].image for s in (1, 2))
    assert not torch.equal(a, b)


def test_evaluations_are_counted_on_the_model(models):
    inpainter = DiffusersInpainter(models.pipe, PROMPT)
    seen = []
    handle = models.pipe.unet.register_forward_hook(lambda m, a, out: seen.append(len(out.sample)))
    result = edit(models, Image.fromarray(held_out(5, 1)[0].image), inpainter=inpainter)
    handle.remove()
    assert result.unet_evaluations == sum(seen) > 0


@pytest.mark.parametrize("name", ["astronaut", "coffee", "chelsea"])
def test_photographs_go_through(models, name):
    data = pytest.importorskip("skimage.data")
    photograph = Image.fromarray(getattr(data, name)())
    result = edit(models, photograph)
    assert result.image.shape[-2:] == (photograph.height, photograph.width)
    assert torch.isfinite(result.image).all()


def test_every_edit_ever_finished_is_ranked_best_first(models):
    """By the number that the report prints, which is the sum of its parts."""
    result = edit(models, Image.fromarray(held_out(5, 2)[0].image), QUICK.with_values(num_regions=3))
    deciding = [c.deciding for c in result.candidates]
    assert len(deciding) == 3
    assert deciding == sorted(deciding, reverse=True)
    for candidate in result.candidates:
        assert set(candidate.parts) == {"evidence", "learned", "text", "picture"}
        assert candidate.deciding == pytest.approx(sum(candidate.parts.values()), abs=1e-5)


def test_no_region_returns_the_source(models, monkeypatch):
    # a search that finds nothing better than what was there: every edit is the source itself
    monkeypatch.setattr(Canvas, "pictures", lambda self, work: self.small.expand(len(work.boxes), -1, -1, -1))
    source = Image.fromarray(held_out(5, 4)[0].image)
    result = edit(models, source)
    assert result.verdict == NO_REGION
    assert result.box is None
    assert torch.equal(result.image, picture_from(source).rgb)
    assert result.mask.sum() == 0


def wish(models: Models, index: int, kind: str, **values):
    scene, asked = held_out(4242, index, kind)
    inpainter = DiffusersInpainter(models.pipe, asked.prompt)
    result = edit_image(
        scene_picture(scene),
        asked.caption,
        asked.prompt,
        inpainter=inpainter,
        dino=models.dino,
        scorer=models.scorer,
        settings=QUICK,
        **values,
    )
    return scene, asked, result


def test_what_is_not_there_is_said_to_be_absent_before_any_diffusion(models):
    for index in range(1, 5):
        scene, asked, result = wish(models, index, "absent")
        assert result.verdict == NO_REGION
        assert result.unet_evaluations == 0
        assert asked.caption in result.reason
        assert not result.candidates
        assert np.array_equal(np.asarray(to_pil(result.image)), scene.image)
        assert not result.mask.any()
        _, _, there = wish(models, index, "replace")
        assert there.unet_evaluations > 0


def test_where_there_is_nothing_to_look_at_the_generator_comes_back_as_it_was(models):
    """A list that teaches one generator goes on with it."""
    scene, asked = held_out(4242, 1, "absent")
    module = build_generator(models.dino.model.config.hidden_size, 1, 3, extra_dim=NUMBERS)
    before = [p.detach().clone() for p in module.parameters()]
    result = edit_image(
        scene_picture(scene),
        asked.caption,
        asked.prompt,
        settings=TAUGHT,
        inpainter=DiffusersInpainter(models.pipe, asked.prompt),
        dino=models.dino,
        scorer=models.scorer,
        generator=module,
    )
    assert result.verdict == NO_REGION
    assert result.generator is module
    assert all(torch.equal(a, b) for a, b in zip(before, module.parameters(), strict=True))


def test_something_new_goes_where_nothing_is_hidden(models):
    for index in range(3):
        scene, _, result = wish(models, index, "add")
        assert result.candidates
        x0, y0, x1, y1 = result.candidates[0].box
        taken = np.zeros(scene.image.shape[:2], dtype=bool)
        for thing in scene.objects:
            left, top, right, bottom = thing.box
            taken[top:bottom, left:right] = True
        assert taken[y0:y1, x0:x1].mean() < 0.1


@pytest.mark.parametrize("size", [(2000, 300), (5000, 35), (1000, 1003)])
def test_boxes_lie_in_the_picture(models, size):
    result = edit(models, noise_picture(*size, "RGB"))
    # of a strip of 35 pixels nothing may be large enough
    boxes = torch.cat([result.tried_boxes, torch.tensor([c.box for c in result.candidates]).reshape(-1, 4)])
    assert bool((boxes >= 0).all())
    assert bool((boxes[:, 2] <= size[0]).all())
    assert bool((boxes[:, 3] <= size[1]).all())


def test_a_prompt_of_500_words_works(models):
    scene, _ = held_out(4242, 1)
    prompt = "a blue square and " * 125
    result = edit(models, scene_picture(scene), prompt=prompt)
    assert result.unet_evaluations > 0
    assert torch.isfinite(result.candidates[0].image).all()


def test_of_the_published_many_edits_only_what_is_shown_is_kept_at_full_size() -> None:
    image = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(1))
    settings = LITTLE.with_values(method="published", point_number=8, anchor_distance=0, per_image_iteration=12)
    result = tiny_edit(image, settings)
    assert result.unet_evaluations > (SHOWN + 2) * LITTLE.steps, "too few edits to leave any out"
    assert len(result.candidates) == SHOWN
    scores = [one.score for one in result.candidates]
    assert scores == sorted(scores, reverse=True)
    assert torch.equal(result.image, result.candidates[0].image)
