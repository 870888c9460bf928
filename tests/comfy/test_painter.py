"""MODEL + VAE + CONDITIONING as a Painter, against the diffusers one and in tight places."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from .conftest import PACK, Comfy
from .parts import picture, tiny_cosmos, tiny_film_vae, tiny_qwen_image, tiny_unet, tiny_vae, words

WEIGHTS = PACK / "region_core" / "demo" / "weights" / "inpaint"
TOLERANCE = 1e-4  # of 0..1; measured 1e-6 on a CPU in float32
MASKS = torch.zeros(2, 1, 128, 128)
MASKS[0, :, 10:60, 20:77] = 1  # not on the latent grid
MASKS[1, :, 64:128, 0:50] = 1


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


def painter(comfy: Comfy, parts: dict[str, Any], **more: Any) -> Any:
    return comfy.part("nodes.comfy.painter").ComfyPainter(**{**parts, **more})


def pictures(side: int = 128, count: int = 2) -> torch.Tensor:
    return picture(side, side).movedim(-1, 1).repeat(count, 1, 1, 1)


def tiny(model: Any, channels: int = 4) -> dict[str, Any]:
    vae = tiny_film_vae() if channels == 16 else tiny_vae()
    return {"model": model, "vae": vae, "positive": words(), "negative": words()}


@pytest.mark.parametrize(("steps", "strength", "guidance"), [(5, 1.0, 1.0), (6, 0.5, 3.0)])
def test_same_as_diffusers(comfy: Comfy, demo: dict[str, Any], steps: int, strength: float, guidance: float) -> None:
    core = comfy.part("region_core.paint.diffusers_painter")
    both = [painter(comfy, demo), core.DiffusersPainter(core.load_pipeline(WEIGHTS), "a blue square")]
    ours, theirs = (one(pictures(), MASKS, seed=5, steps=steps, guidance=guidance, strength=strength) for one in both)
    assert (ours - theirs).abs().max() < TOLERANCE
    assert both[0].evaluations == both[1].evaluations


def all_samplers() -> list[str]:
    return ["euler", "euler_ancestral", "dpmpp_2m_sde", "dpm_adaptive", "uni_pc", "lcm", "er_sde", "ddim", "sa_solver"]


@pytest.mark.parametrize("channels", [4, 9])
@pytest.mark.parametrize("sampler", all_samplers())
def test_a_region_is_what_it_is_alone_whatever_the_sampler_draws(comfy: Comfy, sampler: str, channels: int) -> None:
    parts = tiny(tiny_unet("SD15", channels))
    masks, images = MASKS[..., ::2, ::2], pictures(64) * torch.tensor([1.0, 0.3])[:, None, None, None]
    given: dict[str, Any] = {"seed": 2**64 - 1, "steps": 3, "guidance": 2.0, "strength": 1.0}
    before = torch.random.get_rng_state()
    both = painter(comfy, parts, sampler=sampler, scheduler="normal")(images, masks, **given)
    assert torch.equal(before, torch.random.get_rng_state())
    second = painter(comfy, parts, sampler=sampler, scheduler="normal")(images[1:], masks[1:], **given)
    torch.testing.assert_close(both[1:], second, rtol=1e-3, atol=1e-3)
    other = painter(comfy, parts, sampler=sampler, scheduler="normal")(images, masks, **{**given, "seed": 2**63})
    assert not torch.allclose(other, both, atol=0.01), "the seed has no say"


def test_a_plain_model_keeps_the_picture_outside(comfy: Comfy) -> None:
    parts = tiny(tiny_unet("SD15", 4))
    masks, images = MASKS[..., ::2, ::2], pictures(64)
    seen: list[torch.Tensor] = []
    painter(comfy, parts)(
        images, masks, seed=1, steps=2, guidance=1.0, strength=1.0, on_step=lambda step: seen.append(step.latents)
    )
    source = parts["model"].model.process_latent_in(parts["vae"].encode(images[:1].movedim(1, -1)))
    small = torch.nn.functional.adaptive_max_pool2d(masks, 8)
    for mask, last in zip(small, (seen[1], seen[3]), strict=True):  # two steps each
        kept = (mask == 0)[None].expand(-1, 4, -1, -1)
        torch.testing.assert_close(last[kept], source[kept], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("make", [tiny_qwen_image, tiny_cosmos])
def test_latents_with_a_time_axis_of_one_are_pictures(comfy: Comfy, make: Callable[[], Any]) -> None:
    parts = tiny(make(), channels=16)
    masks, images = MASKS[..., ::2, ::2], pictures(64)
    given: dict[str, Any] = {"seed": 1, "steps": 2, "guidance": 2.0, "strength": 1.0}
    one = painter(comfy, parts, sampler="euler", scheduler="simple")
    both = one(images, masks, **given)
    assert both.shape == images.shape
    assert one.evaluations == 8
    alone = painter(comfy, parts, sampler="euler", scheduler="simple")(images[1:], masks[1:], **given)
    torch.testing.assert_close(both[1:], alone, rtol=1e-3, atol=1e-3)
    assert not torch.equal(both[0], both[1])


def test_steps_are_told_and_may_stop_the_work(comfy: Comfy, demo: dict[str, Any]) -> None:
    one = painter(comfy, demo)
    told: list[tuple[int, int]] = []
    given: dict[str, Any] = {"seed": 5, "steps": 3, "guidance": 1.0, "strength": 1.0}
    one(pictures(), MASKS, **given, on_step=lambda step: told.append((step.done, step.total)))
    assert [done / total for done, total in told] == pytest.approx([step / 6 for step in range(1, 7)])

    def stop(step: Any) -> None:
        raise KeyboardInterrupt

    before = one.evaluations
    with pytest.raises(KeyboardInterrupt):
        one(pictures(), MASKS, **given, on_step=stop)
    assert one.evaluations - before == 1


def test_a_schedule_that_is_not_a_number_is_refused(comfy: Comfy, demo: dict[str, Any]) -> None:
    error = comfy.part("region_core.errors").InputError
    one = painter(comfy, demo, scheduler="kl_optimal", sampler="euler")
    given: dict[str, Any] = {"seed": 5, "guidance": 1.0, "strength": 1.0}
    with pytest.raises(error, match=r"'kl_optimal'.* 1 step; take more steps.*another scheduler"):
        one(pictures(), MASKS, **given, steps=1)
    assert one(pictures(), MASKS, **given, steps=3).isfinite().all()


def test_wrong_parts_are_named(comfy: Comfy, demo: dict[str, Any]) -> None:
    error = comfy.part("region_core.errors").InputError
    wide = [[torch.zeros(1, 77, 768), {}]]
    for more, said in (
        ({"positive": wide}, "768 wide"),
        ({"positive": []}, "empty"),
        ({"size": 100}, "native_size is 100"),
        ({"model": object()}, "MODEL"),
    ):
        with pytest.raises(error, match=said):
            painter(comfy, demo, **more)


@pytest.mark.parametrize("default", [torch.bfloat16, torch.float64])
def test_a_default_dtype_that_another_pack_changed_changes_nothing(
    comfy: Comfy, demo: dict[str, Any], default: torch.dtype
) -> None:
    given: dict[str, Any] = {"seed": 5, "steps": 2, "guidance": 2.0, "strength": 0.6}
    sampler = {"sampler": "euler_ancestral", "scheduler": "normal"}
    want = painter(comfy, demo, **sampler)(pictures(), MASKS, **given)
    images = pictures()
    torch.set_default_dtype(default)
    try:
        got = painter(comfy, demo, **sampler)(images, MASKS, **given)
    finally:
        torch.set_default_dtype(torch.float32)
    torch.testing.assert_close(got, want, rtol=0, atol=2e-2)  # ComfyUI's own embeddings follow the default
