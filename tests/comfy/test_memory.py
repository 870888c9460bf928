"""Memory: one region at a time, what is said where it does not fit, encoders that may go."""

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


def painter(comfy: Comfy, model: Any) -> Any:
    return comfy.part("nodes.comfy.painter").ComfyPainter(
        model, tiny_vae(), words(), words(), sampler="euler", scheduler="simple", size=NATIVE
    )


def paint(one: Any, pieces: Any, steps: int = 1) -> torch.Tensor:
    return one(*pieces, seed=3, steps=steps, guidance=1.0, strength=1.0)


def failing(error: Exception | None) -> tuple[Any, list[int]]:
    """A MODEL that fails with an error, if any, and how many pictures it is asked for at once."""
    model, sizes = tiny_unet("SD15", 9), []

    def run(_module: Any, args: tuple) -> None:
        sizes.append(len(args[0]))
        if error is not None:
            raise error

    model.model.diffusion_model.register_forward_pre_hook(run)
    return model, sizes


def test_regions_take_the_memory_of_one(comfy: Comfy, pieces: Any) -> None:
    model, sizes = failing(None)
    one = painter(comfy, model)
    paint(one, pieces, 2)
    assert sizes == [1] * 16
    assert one.evaluations == one.evaluations_by_steps == 16


@pytest.mark.parametrize(
    "error",
    [
        torch.cuda.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        RuntimeError("MPS backend out of memory"),
    ],
    ids=["CUDA", "CPU", "MPS"],
)
def test_a_region_that_does_not_fit_is_told_with_the_way_out(comfy: Comfy, pieces: Any, error: Exception) -> None:
    model, sizes = failing(error)
    with pytest.raises(ValueError, match=r"one region does not fit into memory \(.*memory.*\); lower native_size"):
        paint(painter(comfy, model), pieces)
    assert sizes == [1]


def test_other_errors_are_not_taken_for_memory(comfy: Comfy, pieces: Any) -> None:
    model, sizes = failing(RuntimeError("no such thing"))
    with pytest.raises(RuntimeError, match="no such thing"):
        paint(painter(comfy, model), pieces)
    assert sizes == [1]


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
