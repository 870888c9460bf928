"""Cancel at every stage of an edit: it stops there, and leaves everything as it was."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch

from .conftest import Comfy, Run
from .parts import DEMO_NAMES, TINY_PAPER, demo_parts, take, tiny_graph

SOCKETS = {
    "model": ["edit.model"],
    "clip": ["positive.clip", "negative.clip"],
    "vae": ["edit.vae"],
    "dino": ["generator.dino"],
    "scorer": ["loss.scorer"],
}


@pytest.fixture(scope="module")
def parts(comfy: Comfy) -> dict[str, Any]:
    """The demo's models, the same objects in every run of this module."""
    return demo_parts(comfy)


class Pressed:
    """Presses Cancel when a module begins its n-th forward (once `after`, (module, times), is over)
    and keeps what begins after that."""

    def __init__(
        self, comfy: Comfy, modules: dict[str, torch.nn.Module], at: tuple[str, int], after: tuple[str, int] | None
    ) -> None:
        self.comfy, self.modules, self.at, self.after = comfy, modules, at, after
        self.begun: Counter[str] = Counter()
        self.before: Counter[str] | None = None  # what had begun when `after` was over
        self.pressed = False
        self.too_late: list[str] = []

    def saw(self, name: str) -> None:
        """A forward of `name` begins."""
        if self.pressed:
            self.too_late.append(name)
            return
        if self.before is None and (self.after is None or self.begun[self.after[0]] == self.after[1]):
            self.before = self.begun.copy()
        self.begun[name] += 1
        which, times = self.at
        if self.before is not None and self.begun[which] - self.before[which] == times:
            self.pressed = True
            self.comfy.nodes.interrupt_processing(True)

    def __enter__(self) -> Pressed:
        self.handles = [
            module.register_forward_pre_hook(lambda *_, name=name: self.saw(name))
            for name, module in self.modules.items()
        ]
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self.handles:
            handle.remove()


def modules_of(parts: dict[str, Any]) -> dict[str, torch.nn.Module]:
    """What every forward of each model goes through; CLIP's towers have several doors."""
    clip, vae = parts["scorer"].encoder.model, parts["vae"].first_stage_model
    return {
        "words": parts["clip"].cond_stage_model.clip_l.transformer,
        "DINO": parts["dino"].encoder.model,
        "CLIP's words": next(m for m in clip.modules() if isinstance(m, torch.nn.Embedding)),
        "CLIP": next(m for m in clip.visual.modules() if isinstance(m, torch.nn.Conv2d)),
        "encoder": vae.encoder,
        "UNet": parts["model"].model.diffusion_model,
        "decoder": vae.decoder,
    }


def run_with(comfy: Comfy, parts: dict[str, Any], **widgets: Any) -> Run:
    """Two regions of four steps."""
    graph = tiny_graph(comfy, **{"steps": 4, "cfg": 2.0, "num_regions": 2, **widgets})
    for name in DEMO_NAMES:
        for socket in SOCKETS[name]:
            take(comfy, graph, socket, parts[name])
    comfy.forget()
    comfy.part("nodes.steps").forget()  # every forward is made again
    return comfy.run(graph)


def state_of(parts: dict[str, Any]) -> tuple[Any, ...]:
    """All that an edit must leave as it was: weights (their sums), options, patches, random state."""
    modules = (
        parts["model"].model,
        parts["vae"].first_stage_model,
        parts["clip"].cond_stage_model,
        parts["dino"].encoder.model,
        parts["scorer"].encoder.model,
    )
    model = parts["model"]
    return (
        [float(w.detach().double().sum()) for m in modules for w in m.state_dict().values()],
        repr(sorted(model.model_options)),
        list(model.patches),
        torch.random.get_rng_state().tolist(),
    )


# where Cancel is pressed: the forward that has begun, counted from where another model has run so
# often
STAGES: dict[str, tuple[tuple[str, int], tuple[str, int] | None]] = {
    "the sampler's text is encoded": (("words", 1), None),
    "DINO reads the picture": (("DINO", 1), None),
    "CLIP sees the picture": (("CLIP", 1), None),
    "CLIP reads the caption": (("CLIP's words", 1), None),
    "the VAE encodes a region": (("encoder", 1), None),
    "the first step": (("UNet", 1), None),
    "the last step": (("UNet", 4), None),
    "the first region is decoded": (("decoder", 1), None),
    "the second region is decoded": (("decoder", 2), None),
    "final scoring": (("CLIP", 1), ("decoder", 2)),
}


@pytest.fixture(scope="module")
def undisturbed(comfy: Comfy, parts: dict[str, Any]) -> Run:
    """The run that nobody cancels."""
    run = run_with(comfy, parts)
    assert run.success, (run.messages, run.problems)
    return run


@pytest.mark.parametrize("stage", STAGES)
def test_cancel_stops_at_every_stage_and_the_next_prompt_works(
    comfy: Comfy, parts: dict[str, Any], undisturbed: Run, stage: str
) -> None:
    """No forward of any model begins after Cancel, the prompt counts as interrupted, and models and
    random state are as before. Then, after every stage, the same prompt runs
    through and gives bit for bit what it gives when nothing was ever cancelled."""
    at, after = STAGES[stage]
    torch.rand(1)  # so that whatever seeds the global generator is seen
    before = state_of(parts)
    with Pressed(comfy, modules_of(parts), at, after) as cancel:
        run = run_with(comfy, parts)
    assert cancel.pressed, f"never got there: {dict(cancel.begun)}"
    events = [event for event, _ in run.messages]
    assert "execution_interrupted" in events, events
    assert "execution_error" not in events, events
    assert not run.success
    assert not run.seen
    assert not cancel.too_late
    assert state_of(parts) == before
    again = run_with(comfy, parts)
    assert again.success, again.messages
    for output in ("v0", "v1", "v3"):
        assert torch.equal(again.seen[output], undisturbed.seen[output]), output


@pytest.mark.parametrize("shown", [False, True])
@pytest.mark.parametrize("preset", ["custom", "paper"])
def test_a_run_shows_regions_and_the_best_so_far(
    comfy: Comfy, parts: dict[str, Any], monkeypatch: pytest.MonkeyPatch, shown: bool, preset: str
) -> None:
    import latent_preview
    from PIL import Image

    methods = latent_preview.LatentPreviewMethod
    method = methods.Latent2RGB if shown else methods.NoPreviews
    monkeypatch.setattr(latent_preview.args, "preview_method", method)
    monkeypatch.setattr(latent_preview, "default_preview_method", method)

    seen: list[tuple[int, int, Any]] = []

    def hook(value: int, total: int, preview: Any, node_id: Any = None, **_: Any) -> None:
        if preview is not None:
            seen.append((value, total, preview))

    import comfy.utils as utils

    before = utils.PROGRESS_BAR_HOOK
    utils.set_progress_bar_global_hook(hook)
    widgets = {"num_regions": 2} if preset == "custom" else {**TINY_PAPER, "steps": 4}
    try:
        run = run_with(comfy, parts, **{"preset": preset, **widgets})
    finally:
        utils.set_progress_bar_global_hook(before)
    assert run.success, run.messages
    assert seen[0][0] == 0
    done = [value for value, _, _ in seen]
    assert done == sorted(done)
    assert {total for _, total, _ in seen} == {1000}
    assert done[-1] == 1000
    for kind, preview, side in (one for _, _, one in seen):
        assert kind == "JPEG"
        assert isinstance(preview, Image.Image)
        assert side == 512
    # first the picture and the boxes; then the best picture, or what is painted, beside them: wider than it is high
    wide = [one[1].width > 1.5 * one[1].height for _, _, one in seen]
    assert wide == sorted(wide)
    rounds, painted = (2, 2 * TINY_PAPER["point_number"]) if preset == "paper" else (0, 2)
    assert sum(wide) == 1 + rounds + shown * 4 * painted
    pictures = [one[1].tobytes() for _, _, one in seen]
    assert len(set(pictures)) > 2, "the previews hardly differ"
