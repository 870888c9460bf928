"""The whole way from a picture to its edit, with the embedded shapes models."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from PIL import Image

from region_core.boxes import iou
from region_core.demo.models import load_shapes_models
from region_core.demo.worlds import held_out
from region_core.edit import NO_REGION, edit_image
from region_core.encoders.loading import Models
from region_core.errors import InputError
from region_core.events import SearchProgress
from region_core.generator.network import NUMBERS, build_generator
from region_core.generator.trainer import GeneratorTrainer
from region_core.images import picture_from, to_pil
from region_core.painting.canvas import Canvas
from region_core.painting.diffusers_inpainter import DiffusersInpainter
from region_core.proposals import regions
from region_core.proposals.anchors import place_candidates
from region_core.ranking import Judgement
from region_core.search import paint_and_choose
from region_core.settings import SearchSettings

CAPTION, PROMPT = "a red circle", "a blue square"
QUICK = SearchSettings(
    point_number=3,
    max_window_size=6,
    per_image_iteration=2,
    preview_steps=2,
    previews="never",
    num_regions=1,
    steps=4,
    guidance_scale=3.0,
    views=1,
)
TAUGHT = QUICK.with_values(previews="always")  # two previews, which teach


@pytest.fixture(scope="module")
def models() -> Models:
    return load_shapes_models()


def edit(models: Models, image, settings: SearchSettings = QUICK, *, prompt: str = PROMPT, inpainter=None, **values):
    """An edit also of what nothing in the picture answers to, such as noise."""
    with mock.patch.object(regions, "PRESENT", -math.inf):
        return edit_image(
            image,
            CAPTION,
            prompt,
            dino=models.dino,
            scorer=models.scorer,
            inpainter=inpainter or DiffusersInpainter(models.pipe, prompt),
            settings=settings,
            **values,
        )


def noise_picture(width: int, height: int, mode: str) -> Image.Image:
    rng = np.random.default_rng(3)
    channels = {"RGB": 3, "RGBA": 4}[mode]
    return Image.fromarray(rng.integers(0, 256, (height, width, channels), dtype=np.uint8), mode)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("size", [(451, 333), (1024, 768), (64, 64), (2000, 300)])
def test_outside_the_region_every_pixel_is_the_sources(models, size, mode):
    source = noise_picture(*size, mode)
    result = edit(models, source)
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
    result = edit(models, source)
    plain = edit(models, source.clamp(0, 1))
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
        "sys.path.insert(0, sys.path[0] + '/tests')\ntorch.set_num_threads(int(sys.argv[2]))\n"
        "import test_edit as t\n"
        "from region_core.images import to_pil\n"
        "source = Image.fromarray(t.held_out(5, 0)[0].image)\n"
        "to_pil(t.edit(t.load_shapes_models(), source).candidates[0].image).save(sys.argv[1])\n"
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


def test_a_preview_takes_no_more_steps_than_the_edit(models):
    result = edit(
        models,
        Image.fromarray(held_out(5, 2)[0].image),
        TAUGHT.with_values(preview_steps=9, steps=2, per_image_iteration=1),
    )
    assert result.unet_evaluations == 2 + 2 * 2  # guidance counts two


def test_the_watcher_sees_every_round_and_may_stop_the_search(models):
    class Stop(Exception):
        pass

    events = []

    def watch(event):
        events.append(event)
        if event.record is not None and event.record["round"] == 1:
            raise Stop

    with pytest.raises(Stop):
        edit(
            models, Image.fromarray(held_out(5, 2)[0].image), TAUGHT.with_values(per_image_iteration=4), on_event=watch
        )
    assert [e.kind for e in events if e.kind != "proposal"] == ["preview", "preview"]


def test_without_previews_the_evidence_says_what_is_painted(models):
    source = Image.fromarray(held_out(5, 2)[0].image)
    events = []
    result = edit(models, source, QUICK.with_values(num_regions=2), on_event=events.append)
    assert result.unet_evaluations == 2 * 2 * QUICK.steps  # guidance counts two
    assert result.rounds == []
    kinds = [e.kind for e in events]
    assert kinds == ["proposal"] * (len(events) - 2) + ["half", "final"]
    assert len(kinds) > 2
    done = [e.done for e in events]
    assert done == sorted(done)
    assert done[-1] == events[-1].total
    assert sorted(list(c.box) for c in result.candidates) == sorted(result.tried_boxes[:2].tolist())
    assert all(c.parts["learned"] == 0 for c in result.candidates)


def test_previews_teach_and_are_counted(models):
    source = Image.fromarray(held_out(5, 2)[0].image)
    module = build_generator(models.dino.model.config.hidden_size, 1, 3, extra_dim=NUMBERS)
    weights = module.linear2.weight.detach().clone()
    events = []
    plain = edit(models, source, generator=module)
    assert torch.equal(module.linear2.weight, weights)
    assert plain.stopped == "no previews by the settings"
    taught = edit(models, source, TAUGHT, generator=module, on_event=events.append)
    assert not torch.equal(module.linear2.weight, weights)
    assert taught.generator is module
    assert taught.unet_evaluations == plain.unet_evaluations + 2 * QUICK.preview_steps
    assert len(taught.tried_boxes) == len(taught.rounds) == 2
    assert [e.record for e in events if e.record is not None] == taught.rounds
    assert any(c.parts["learned"] != 0 for c in taught.candidates)
    done = [e.done for e in events]
    assert done == sorted(done)
    assert done[-1] == events[-1].total


def test_half_done_edits_are_shown(models):
    """So that there is something to see, and to keep, before the end."""
    events = []
    edit(models, Image.fromarray(held_out(5, 2)[0].image), on_event=events.append)
    assert [e.kind for e in events[-2:]] == ["half", "final"]
    half, final = events[-2:]
    assert half.best.shape == final.best.shape
    assert not torch.equal(half.best, final.best)


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


def test_a_prior_round_the_object_leads_to_the_object():
    models = load_shapes_models()
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


def test_no_region_returns_the_source(models, monkeypatch):
    # a search that finds nothing better than what was there: every edit is the source itself
    monkeypatch.setattr(Canvas, "pictures", lambda self, work: self.small.expand(len(work.boxes), -1, -1, -1))
    source = Image.fromarray(held_out(5, 4)[0].image)
    result = edit(models, source)
    assert result.verdict == NO_REGION
    assert result.box is None
    assert torch.equal(result.image, picture_from(source).rgb)
    assert result.mask.sum() == 0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"point_number": 0}, "point_number is 0"),
        ({"lr": 0.0}, "lr is 0"),
        ({"steps": -1}, "steps is -1"),
        ({"learning": "magic"}, "learning is 'magic'"),
        ({"previews": "often"}, "previews is 'often'"),
        ({"strength": 0.0}, "strength is 0"),
        ({"previews": "always", "learning": "off"}, "previews is always and learning is off"),
    ],
)
def test_settings_out_of_range_are_named_before_any_model_runs(values, message):
    with pytest.raises(InputError, match=message):
        edit_image(None, CAPTION, PROMPT, inpainter=None, dino=None, scorer=None, settings=QUICK.with_values(**values))


@pytest.mark.parametrize(
    ("caption", "prompt", "message"),
    [
        ("", "a dog", "image_caption is empty"),
        ("a cat", "  ", "editing_prompt is empty"),
        ("a cat", "a  cat", "are both"),
    ],
)
def test_empty_or_equal_texts_are_refused(caption, prompt, message):
    with pytest.raises(InputError, match=message):
        edit_image(None, caption, prompt, inpainter=None, dino=None, scorer=None)


def test_the_first_word_of_an_untaught_generator_is_the_evidence(models):
    source = Image.fromarray(held_out(5, 1)[0].image)
    settings = TAUGHT.with_values(per_image_iteration=1)
    first, other = (edit(models, source, settings, seed=s).tried_boxes for s in (1, 2))
    # another seed makes another fresh network
    assert torch.equal(first, other)
    assert torch.equal(first, edit(models, source).tried_boxes[:1])


def scene_picture(scene) -> Image.Image:
    return Image.fromarray(scene.image)


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


def test_what_is_not_there_is_said_to_be_absent_before_any_diffusion():
    models = load_shapes_models()
    for index in range(4):
        scene, asked, result = wish(models, index, "absent")
        assert result.verdict == NO_REGION
        assert result.unet_evaluations == 0
        assert asked.caption in result.reason
        assert not result.candidates
        assert np.array_equal(np.asarray(to_pil(result.image)), scene.image)
        assert not result.mask.any()
        _, _, there = wish(models, index, "replace")
        assert there.unet_evaluations > 0


def test_where_there_is_nothing_to_look_at_the_generator_comes_back_as_it_was():
    """A list that teaches one generator goes on with it."""
    models = load_shapes_models()
    scene, asked = held_out(4242, 0, "absent")
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


def test_something_new_goes_where_nothing_is_hidden():
    models = load_shapes_models()
    for index in range(3):
        scene, _, result = wish(models, index, "add")
        assert result.candidates
        x0, y0, x1, y1 = result.candidates[0].box
        taken = np.zeros(scene.image.shape[:2], dtype=bool)
        for thing in scene.objects:
            left, top, right, bottom = thing.box
            taken[top:bottom, left:right] = True
        assert taken[y0:y1, x0:x1].mean() < 0.1


def test_regions_are_painted_from_several_noises(models):
    """The noises differ, and each box comes out once."""
    scene, _ = held_out(4242, 1)
    one = edit(models, scene_picture(scene), QUICK.with_values(num_regions=2))
    four = edit(models, scene_picture(scene), QUICK.with_values(noise_samples=4, num_regions=2))
    # each box has its best noise sample, and none is there twice
    assert {c.box for c in one.candidates} == {c.box for c in four.candidates}
    assert len(one.candidates) == len({c.box for c in four.candidates}) == len(four.candidates) == 2
    # two boxes by four noises to half way (2 of 4 steps, guidance), then two of them to the end
    assert four.unet_evaluations - one.unet_evaluations == (8 - 2) * 2 * 2
    canvas = Canvas(picture_from(scene_picture(scene)).rgb, DiffusersInpainter(models.pipe, PROMPT), seed=5)
    box = torch.tensor([[20.0, 20.0, 60.0, 60.0]])
    noises = [canvas.begin(box, 4, sample).latents.z for sample in (0, 1, 2)]
    assert not torch.equal(noises[0], noises[1])
    assert not torch.equal(noises[1], noises[2])


def test_the_best_noise_sample_of_each_region_goes_on(models):
    source = picture_from(scene_picture(held_out(4242, 1)[0])).rgb
    boxes = torch.tensor([[20.0, 20, 60, 60], [70, 70, 110, 110]])
    settings = QUICK.with_values(noise_samples=3, num_regions=2)

    def canvas():
        return Canvas(source, DiffusersInpainter(models.pipe, PROMPT), seed=5)

    class Said:
        """Scores noise sample by noise sample: region 0 has its best at 1, region 1 at 0."""

        alpha, beta = 2.0, 1.0
        scores = [torch.tensor([0.0, 3, 5, 1, 1, 2]), torch.tensor([1.0, 2])]

        def judge(self, _pictures, _boxes):
            score = self.scores.pop(0)
            return Judgement(score / 2, score / 2, torch.zeros_like(score), score)

    events = []
    module = build_generator(8, 1, 3, extra_dim=NUMBERS)
    trainer = GeneratorTrainer(
        module,
        torch.rand(8, 4, 4),
        torch.tensor([[0.0, 0, 2, 2], [1, 1, 3, 3]]),
        torch.zeros(2, NUMBERS),
        torch.tensor([0.5, 0.5]).log(),
        lr=0.01,
        steps=1,
        learning="exact",
        seed=0,
    )
    choice = paint_and_choose(canvas(), boxes, trainer, Said(), settings, SearchProgress(events.append, previews=0))
    assert choice.judged.score.tolist() == [2, 1]
    assert choice.indices.tolist() == [1, 0]
    assert torch.equal(choice.work.boxes, boxes.flip(0))
    easel = canvas()

    def alone(box: int, sample: int, steps: int):
        begun = easel.begin(boxes[box][None], settings.steps, sample)
        return easel.pictures(easel.advance(begun, steps, settings.guidance_scale))

    final = easel.pictures(choice.work)
    assert torch.allclose(final[0], alone(1, 0, settings.steps)[0], atol=1e-4)
    assert torch.allclose(final[1], alone(0, 1, settings.steps)[0], atol=1e-4)
    half = events[0]
    assert (half.kind, half.best_score, half.best_box.tolist()) == ("half", 5, boxes[0].tolist())
    assert torch.allclose(half.best, alone(0, 1, settings.steps // 2), atol=1e-4)


@pytest.mark.parametrize("samples", [1, 2])
def test_a_weak_edit_takes_only_the_steps_that_are_left(models, samples):
    """Strength 0.3 leaves 3 of 10 steps, with several noise samples as with one."""
    settings = TAUGHT.with_values(steps=10, strength=0.3, per_image_iteration=1, preview_steps=1, noise_samples=samples)
    result = edit(models, scene_picture(held_out(4242, 1)[0]), settings)
    # a preview; with guidance, one of the three steps for each sample and two for the better one
    assert result.unet_evaluations == 1 + 2 * (samples + 2)


@pytest.mark.parametrize("size", [(2000, 300), (5000, 35), (1000, 1003)])
def test_boxes_lie_in_the_picture(models, size):
    result = edit(models, noise_picture(*size, "RGB"))
    boxes = torch.cat([result.tried_boxes, torch.tensor([c.box for c in result.candidates])])
    assert float(boxes.min()) >= 0
    assert bool((boxes[:, 2] <= size[0]).all())
    assert bool((boxes[:, 3] <= size[1]).all())


def test_the_generator_is_taught_in_every_round(models):
    """Not once in ten: its weights differ after each preview but the first, which has no other to be
    compared with; and it is the one that was given."""
    scene, _ = held_out(4242, 1)
    settings = TAUGHT.with_values(per_image_iteration=4)
    module = build_generator(models.dino.model.config.hidden_size, 1, 3, extra_dim=NUMBERS)
    seen = []

    def watch(event):
        if event.kind == "preview":
            seen.append(module.linear2.weight.detach().clone())

    result = edit(models, scene_picture(scene), settings, generator=module, on_event=watch)
    assert result.generator is module
    assert len(seen) == 4
    for before, after in itertools.pairwise(seen):
        assert not torch.equal(before, after)


def test_guidance_reaches_the_sampler(models):
    scene, _ = held_out(4242, 1)
    with_it = edit(models, scene_picture(scene), QUICK.with_values(guidance_scale=3.0))
    without = edit(models, scene_picture(scene), QUICK.with_values(guidance_scale=1.0))
    assert with_it.unet_evaluations - without.unet_evaluations == QUICK.steps
    assert not torch.equal(with_it.candidates[0].image, without.candidates[0].image)


def test_a_prompt_of_500_words_works(models):
    scene, _ = held_out(4242, 1)
    prompt = "a blue square and " * 125
    result = edit(models, scene_picture(scene), prompt=prompt)
    assert result.unet_evaluations > 0
    assert torch.isfinite(result.candidates[0].image).all()


def test_no_edit_is_decoded_twice(models):
    decoded = []

    class Counting(DiffusersInpainter):
        def decode(self, latents):
            decoded.append(len(latents))
            return super().decode(latents)

    settings = TAUGHT.with_values(num_regions=2, noise_samples=2, per_image_iteration=1)
    edit(models, Image.fromarray(held_out(5, 0)[0].image), settings, inpainter=Counting(models.pipe, PROMPT))
    assert decoded == [1, 4, 2]  # a preview, all noise samples at half way, the finished edits


def test_previews_of_all_rounds_begin_from_one_noise(models):
    begun = []

    class Recording(DiffusersInpainter):
        def begin(self, *args, **kwargs):
            latents = super().begin(*args, **kwargs)
            begun.append(latents)
            return latents

    settings = TAUGHT.with_values(per_image_iteration=3)
    edit(models, Image.fromarray(held_out(5, 0)[0].image), settings, inpainter=Recording(models.pipe, PROMPT))
    previews = [latents.z for latents in begun if latents.steps == settings.preview_steps]
    assert len(previews) == 3
    assert all(torch.equal(z, previews[0]) for z in previews)


@pytest.fixture(scope="module")
def plain(models):
    """What is made of a scene with previews, where every setting has its say."""
    return edit(models, scene_picture(held_out(4242, 1)[0]), TAUGHT)


def losses(result):
    return [record["losses"] for record in result.rounds]


def deciding(result):
    return [candidate.deciding for candidate in result.candidates]


def learned(result):
    return [candidate.parts["learned"] for candidate in result.candidates]


def scores(result):
    return [candidate.score for candidate in result.candidates]


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        ({"loss_alpha": 5.0}, losses),
        ({"loss_beta": 5.0}, losses),
        ({"loss_gamma": 5.0}, losses),
        ({"loss_crop": 0.0}, losses),
        ({"views": 3}, losses),
        ({"lr": 0.5}, learned),
        ({"generator_steps": 100}, learned),
        ({"learning": "gumbel"}, learned),
        ({"per_image_iteration": 3}, losses),
        ({"previews": "never"}, losses),
        ({"test_alpha": 9.0}, scores),
        ({"test_beta": 9.0}, scores),
        ({"preview_guidance": 3.0}, lambda result: result.unet_evaluations),
        ({"preview_steps": 3}, lambda result: result.unet_evaluations),
        ({"num_regions": 2}, lambda result: len(result.candidates)),
        ({"noise_samples": 3}, lambda result: result.unet_evaluations),
        ({"anchor_distance": 12.0}, deciding),
        ({"max_window_size": 3}, deciding),
        ({"feather": 6}, lambda result: result.candidates[0].image.sum().item()),
        ({"grow": 9}, lambda result: result.candidates[0].image.sum().item()),
        ({"seed": 7}, losses),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_every_setting_does_something(models, plain, change, seen):
    result = edit(models, scene_picture(held_out(4242, 1)[0]), TAUGHT.with_values(**change))
    assert seen(result) != seen(plain)


def test_a_thin_prior_on_a_large_picture_is_seen(models):
    prior = torch.zeros(1, 1, 700, 1400)
    prior[..., 300:400, 700:702] = 1  # nearest neighbours at 512 pixels could miss two columns
    result = edit(models, noise_picture(1400, 700, "RGB"), prior=prior)
    assert len(result.candidates) == 1
    with pytest.raises(InputError, match=r"shape \(700, 1400\)"):
        edit(models, noise_picture(1400, 700, "RGB"), prior=prior[0, 0])


def test_anchors_lie_where_the_prior_is_white(models):
    features = models.dino(torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(1)))
    prior = torch.zeros(1, 1, 128, 128)
    prior[..., 40:52, 60:70] = 1
    candidates = place_candidates(features, 128, 128, QUICK.with_values(point_number=9), prior)
    rows, columns = candidates.anchors.T * 4  # 32 cells over 128 pixels
    assert bool(((rows >= 36) & (rows < 52) & (columns >= 56) & (columns < 70)).all())
