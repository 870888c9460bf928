"""Several noise samples of each region, of which the best goes on."""

from __future__ import annotations

import pytest
import torch

from region_core.demo.worlds import held_out
from region_core.events import SearchProgress
from region_core.paint.canvas import Canvas
from region_core.paint.diffusers_painter import DiffusersInpainter
from region_core.paper.network import NUMBERS, build_generator
from region_core.paper.trainer import GeneratorTrainer
from region_core.picture import picture_from
from region_core.rank import Judgement
from region_core.search import paint_and_choose

from .edits import PROMPT, QUICK, TAUGHT, edit, scene_picture


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
    choice = paint_and_choose(canvas(), boxes, trainer, Said(), settings, SearchProgress(events.append))
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
