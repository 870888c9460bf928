"""Previews and progress: what teaches the region generator, what is counted, what is told."""

from __future__ import annotations

import itertools

import pytest
import torch
from PIL import Image

from region_core.cost import cost_so_far
from region_core.demo.worlds import held_out
from region_core.paint.diffusers_painter import DiffusersInpainter
from region_core.paper.network import NUMBERS, build_generator

from .edits import PROMPT, QUICK, TAUGHT, edit, scene_picture


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
    assert [e.kind for e in events if e.kind not in ("proposal", "work")] == ["preview", "preview"]


def test_without_previews_the_evidence_says_what_is_painted(models):
    source = Image.fromarray(held_out(5, 2)[0].image)
    events = []
    result = edit(models, source, QUICK.with_values(num_regions=2), on_event=events.append)
    assert result.unet_evaluations == 2 * 2 * QUICK.steps  # guidance counts two
    assert result.rounds == []
    kinds = [e.kind for e in events if e.kind != "work"]
    assert kinds == ["proposal"] * (len(kinds) - 2) + ["half", "final"]
    assert len(kinds) > 2
    done = [e.done for e in events]
    assert done == sorted(done)
    assert done[-1] == 1
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
    assert done[-1] == 1


def test_half_done_edits_are_shown(models):
    """So that there is something to see, and to keep, before the end."""
    events = []
    edit(models, Image.fromarray(held_out(5, 2)[0].image), on_event=events.append)
    half, final = [e for e in events if e.kind != "work"][-2:]
    assert (half.kind, final.kind) == ("half", "final")
    assert half.best.shape == final.best.shape
    assert not torch.equal(half.best, final.best)


def test_the_first_word_of_an_untaught_generator_is_the_evidence(models):
    source = Image.fromarray(held_out(5, 1)[0].image)
    settings = TAUGHT.with_values(per_image_iteration=1)
    first, other = (edit(models, source, settings, seed=s).tried_boxes for s in (1, 2))
    # another seed makes another fresh network
    assert torch.equal(first, other)
    assert torch.equal(first, edit(models, source).tried_boxes[:1])


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


@pytest.mark.parametrize("change", [{"steps": 60}, {"steps": 20, "num_regions": 2, "previews": "always"}])
def test_the_bar_moves_with_the_work_in_every_part_of_an_edit(models, change):
    """Encodings, sampling steps and decodings, each for what it costs."""
    painter = DiffusersInpainter(models.pipe, PROMPT)
    start = cost_so_far(painter, models.dino, models.scorer)
    seen = []

    def watch(event):
        spent = cost_so_far(painter, models.dino, models.scorer) - start
        seen.append((event.kind, event.done, spent.total, spent.vae_decodings, spent.clip_images))

    source = Image.fromarray(held_out(5, 2)[0].image)
    result = edit(models, source, QUICK.with_values(**change), inpainter=painter, on_event=watch)
    done = [one[1] for one in seen]
    assert done == sorted(done)
    assert done[-1] == 1
    assert max(abs(share - spent / result.cost.total) for _, share, spent, *_ in seen) < 0.1
    assert max(b - a for a, b in itertools.pairwise(done)) < 0.12
    steps = [index for index in range(1, len(seen)) if seen[index][3] == seen[index - 1][3]]
    assert len(steps) >= change["steps"]  # the sampling steps alone
    assert any(share > 0 for kind, share, *_ in seen[: [one[0] for one in seen].index("proposal")])


def test_whoever_watches_may_stop_between_two_steps(models):
    class Stop(Exception):
        pass

    painter = DiffusersInpainter(models.pipe, PROMPT)

    def watch(event):
        if painter.evaluations >= 6:
            raise Stop

    with pytest.raises(Stop):
        edit(
            models,
            Image.fromarray(held_out(5, 2)[0].image),
            QUICK.with_values(steps=20),
            inpainter=painter,
            on_event=watch,
        )
    assert painter.evaluations == 6
    models.scorer.encode_text("afterwards nobody is told")
