"""MODEL + VAE + CONDITIONING as an Inpainter, against the diffusers one and in tight places."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from .conftest import PACK, Comfy

WEIGHTS = PACK / "region_core" / "demo" / "weights" / "inpaint"
TOLERANCE = 1e-4  # of 0..1; measured 1e-6 on a CPU in float32


@pytest.fixture(scope="module")
def demo(comfy: Comfy) -> dict[str, Any]:
    """The demo's models and two encoded prompts."""
    models = comfy.part("nodes.comfy.demo_models")
    with torch.inference_mode():
        clip = models.load_text_encoder(WEIGHTS)

        def encode(text: str) -> list:
            return clip.encode_from_tokens_scheduled(clip.tokenize(text))

        return {
            "model": models.load_model(WEIGHTS),
            "vae": models.load_vae(WEIGHTS),
            "positive": encode("a blue square"),
            "negative": encode(""),
        }


def inpainter(comfy: Comfy, demo: dict[str, Any], **more: Any) -> Any:
    return comfy.part("nodes.comfy.painter").ComfyInpainter(**{**demo, **more})


def pictures() -> tuple[torch.Tensor, torch.Tensor]:
    noise = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    image = torch.nn.functional.interpolate(noise, (128, 128), mode="bilinear")
    masks = torch.zeros(2, 1, 128, 128)
    masks[0, :, 10:60, 20:77] = 1  # not on the latent grid
    masks[1, :, 64:128, 0:50] = 1
    return image.repeat(2, 1, 1, 1), masks


@pytest.mark.parametrize(("steps", "strength", "guidance"), [(5, 1.0, 1.0), (6, 0.5, 3.0)])
def test_same_as_diffusers(comfy: Comfy, demo: dict[str, Any], steps: int, strength: float, guidance: float) -> None:
    core = comfy.part("region_core.paint.diffusers_painter")
    both = [inpainter(comfy, demo), core.DiffusersInpainter(core.load_pipeline(WEIGHTS), "a blue square")]
    out = []
    for one in both:
        work = one.begin(*pictures(), 5, steps, strength=strength)
        work = one.advance(work, steps - 1, guidance)
        half = one.decode(work)
        out.append((half, one.decode(one.advance(work.select([1]), steps, guidance))))
    for ours, theirs in zip(*out, strict=True):
        assert (ours - theirs).abs().max() < TOLERANCE
    assert both[0].evaluations == both[1].evaluations


def test_stopping_changes_nothing_and_random_state_stays(comfy: Comfy, demo: dict[str, Any]) -> None:
    before = torch.random.get_rng_state()
    for sampler in ("ddim", "euler_ancestral"):
        one = inpainter(comfy, demo, sampler=sampler, scheduler="normal")
        start = one.begin(*pictures(), 5, 4)
        whole = one.decode(one.advance(start, 4, 1.0))
        split = one.decode(one.advance(one.advance(start, 2, 1.0), 4, 1.0))
        assert torch.allclose(whole, split, atol=1e-5)
    assert torch.equal(before, torch.random.get_rng_state())


def test_halves_on_out_of_memory(comfy: Comfy, demo: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    module = comfy.part("nodes.comfy.painter")
    sizes: list[int] = []
    real = module.run_steps

    def tight(model: Any, state: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        sizes.append(len(state))
        if len(state) > 1:
            raise torch.cuda.OutOfMemoryError("none left")
        return real(model, state, *args, **kwargs)

    one = inpainter(comfy, demo)
    start = one.begin(*pictures(), 5, 3)
    want = one.advance(start, 1, 1.0).z
    monkeypatch.setattr(module, "run_steps", tight)
    got = one.advance(start, 1, 1.0).z
    assert sizes == [2, 1, 1]
    assert torch.allclose(got, want, atol=1e-5)


def test_plain_model_keeps_the_picture_outside(
    comfy: Comfy, demo: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = comfy.part("nodes.comfy.painter")
    monkeypatch.setattr(module, "reads_mask", lambda *_: False)
    one = inpainter(comfy, demo)
    images, masks = pictures()
    start = one.begin(images, masks, 5, 4)
    work = one.advance(one.advance(start, 2, 1.0), 4, 1.0)
    source = one.model.model.process_latent_in(start.extra["source"])
    kept = (start.extra["mask"] == 0).expand_as(source)
    assert torch.allclose(work.denoised[kept], source[kept], atol=1e-4)


def test_a_schedule_that_is_not_a_number_is_refused(comfy: Comfy, demo: dict[str, Any]) -> None:
    error = comfy.part("region_core.errors").InputError
    one = inpainter(comfy, demo, scheduler="kl_optimal", sampler="euler")
    with pytest.raises(error, match=r"'kl_optimal'.* 1 step; take more steps .*another scheduler"):
        one.begin(*pictures(), 5, 1)
    assert one.begin(*pictures(), 5, 3).z.isfinite().all()


def test_wrong_parts_are_named(comfy: Comfy, demo: dict[str, Any]) -> None:
    error = comfy.part("region_core.errors").InputError
    wide = [[torch.zeros(1, 77, 768), {}]]
    for more, words in (
        ({"positive": wide}, "768 wide"),
        ({"positive": []}, "empty"),
        ({"size": 100}, "native_size is 100"),
        ({"model": object()}, "MODEL"),
    ):
        with pytest.raises(error, match=words):
            inpainter(comfy, demo, **more)
