"""Memory: as many candidates at once as fit, half of them when they do not, encoders that may go."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from .conftest import Comfy
from .parts import NATIVE, demo_parts, picture, tiny_graph, tiny_unet, tiny_vae, words


@pytest.fixture(scope="module")
def pieces() -> tuple[torch.Tensor, torch.Tensor]:
    """Eight squares and their masks."""
    masks = torch.zeros(8, 1, NATIVE, NATIVE)
    for index, mask in enumerate(masks):
        mask[:, : 16 + 4 * index, :40] = 1
    return picture(NATIVE, NATIVE).movedim(-1, 1).repeat(8, 1, 1, 1), masks


def inpainter(comfy: Comfy, model: Any) -> Any:
    return comfy.part("nodes.comfy.painter").ComfyInpainter(
        model, tiny_vae(), words(), words(), sampler="euler", scheduler="simple", size=NATIVE
    )


def tight(model: Any, most: int, error: Exception) -> tuple[Any, list[int]]:
    """A MODEL that fails above `most` images at once, and the sizes it was asked for."""
    clone, sizes = model.clone(), []

    def run(apply_model: Any, args: dict) -> torch.Tensor:
        sizes.append(len(args["input"]))
        if len(args["input"]) > most:
            raise error
        return apply_model(args["input"], args["timestep"], **args["c"])

    clone.set_model_unet_function_wrapper(run)
    return clone, sizes


@pytest.mark.parametrize(
    "error",
    [
        torch.cuda.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        RuntimeError("MPS backend out of memory"),
    ],
    ids=["CUDA", "CPU", "MPS"],
)
def test_candidates_are_halved_until_they_fit(comfy: Comfy, pieces: Any, error: Exception) -> None:
    plain = tiny_unet("SD15", 9)
    whole = inpainter(comfy, plain)
    want = whole.advance(whole.begin(*pieces, 3, 2), 2, 1.0)
    model, sizes = tight(plain, 3, error)
    one = inpainter(comfy, model)
    got = one.advance(one.begin(*pieces, 3, 2), 2, 1.0)
    assert sizes == [8, 4, *[2] * 8]  # two steps of each four
    assert torch.allclose(got.denoised, want.denoised, rtol=1e-3, atol=1e-3)
    assert one.evaluations == whole.evaluations == 16, "a failed attempt was counted"
    sizes.clear()
    one.advance(one.begin(*pieces, 3, 1), 1, 1.0)
    assert sizes == [2] * 4, "what did not fit was tried again"


def test_other_errors_are_not_taken_for_memory(comfy: Comfy, pieces: Any) -> None:
    model, sizes = tight(tiny_unet("SD15", 9), 0, RuntimeError("no such thing"))
    one = inpainter(comfy, model)
    with pytest.raises(RuntimeError, match="no such thing"):
        one.advance(one.begin(*pieces, 3, 1), 1, 1.0)
    assert sizes == [8, 1], "one region is asked, and what it raises passes"


def test_one_candidate_that_does_not_fit_is_an_error(comfy: Comfy, pieces: Any) -> None:
    model, sizes = tight(tiny_unet("SD15", 9), 0, torch.cuda.OutOfMemoryError("none left"))
    one = inpainter(comfy, model)
    with pytest.raises(ValueError, match=r"one region alone .*\(none left\); lower native_size"):
        one.advance(one.begin(*pieces, 3, 1), 1, 1.0)
    assert sizes == [8, 4, 2, 1]


def test_as_many_at_once_as_memory_allows(comfy: Comfy, pieces: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from comfy import model_management

    model, sizes = tight(tiny_unet("SD15", 9), 99, RuntimeError())
    one = inpainter(comfy, model)
    start = one.begin(*pieces, 3, 1)
    each = model.model.memory_required([1, *one.shape])
    free = {"bytes": 3.5 * each / 0.9}

    def how_much(_device: Any = None, torch_free_too: bool = False) -> Any:
        return (free["bytes"],) * 2 if torch_free_too else free["bytes"]

    monkeypatch.setattr(model_management, "get_free_memory", how_much)
    one.advance(start, 1, 1.0)
    assert sizes == [3, 3, 2]
    sizes.clear()
    free["bytes"] = 100 * each  # what was short once need not stay so
    one.advance(start, 1, 1.0)
    assert sizes == [8]


def test_encoders_come_and_go_with_the_memory_manager(comfy: Comfy) -> None:
    from comfy import model_management

    parts = demo_parts(comfy)
    dino, scorer = parts["dino"], parts["scorer"]
    image = picture(96, 96).movedim(-1, 1)

    def loaded() -> list[Any]:
        return [one.model for one in model_management.current_loaded_models]

    first = dino(image)
    scorer.encode_text("a cat")
    assert dino.patcher in loaded()
    assert scorer.patcher in loaded()
    model_management.unload_all_models()
    assert dino.patcher not in loaded()
    assert torch.equal(dino(image).features, first.features)
    assert dino.patcher in loaded()


def test_answers_of_encoders_are_where_the_pictures_are(comfy: Comfy, monkeypatch: pytest.MonkeyPatch) -> None:
    from comfy import model_management

    parts = demo_parts(comfy)
    image = picture(96, 96).movedim(-1, 1)
    # no second device is needed to see that every answer is moved: meta takes anything
    elsewhere = torch.device("meta")
    monkeypatch.setattr(model_management, "intermediate_device", lambda: elsewhere)
    found = parts["dino"](image)
    scorer = parts["scorer"]
    answers = [
        found.features,
        found.attention,
        scorer.encode_text("a cat"),
        scorer.encode_images(image),
        *scorer.encode_images_and_tokens(image),
        scorer.encode_images_and_tokens(image)[1],
    ]
    assert {answer.device.type for answer in answers} == {"meta"}
    assert scorer.device == parts["dino"].device == elsewhere


def test_an_edit_changes_no_input_and_holds_no_gradients(comfy: Comfy) -> None:
    image = picture(64, 96, 4)
    before = image.clone()
    graph = tiny_graph(comfy, image)
    run = comfy.run(graph)
    assert run.success, run.messages
    assert torch.equal(image, before)
    assert run.seen["v0"].shape == (1, 64, 96, 4)
    assert torch.equal(run.seen["v0"][..., 3], image[..., 3])
    for value in run.seen.values():
        if isinstance(value, torch.Tensor):
            assert not value.requires_grad
