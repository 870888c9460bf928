"""Memory that does not suffice: smaller chunks, the same result, a sentence where one is too much."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from region_core.demo.models import WEIGHTS
from region_core.encoders import load_clip, load_dino
from region_core.errors import InputError
from region_core.memory import in_chunks, is_out_of_memory
from region_core.paint.diffusers_painter import DiffusersInpainter, load_pipeline

OUT = (
    torch.OutOfMemoryError("CUDA out of memory."),
    RuntimeError("MPS backend out of memory (...)"),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:114] data. DefaultCPUAllocator: not enough memory: you tried"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("Native API failed. Native API returns: 39 (UR_RESULT_ERROR_OUT_OF_DEVICE_MEMORY)"),
    RuntimeError("Could not allocate tensor with 268435456 bytes. There is not enough GPU video memory available!"),
    MemoryError(),
)


@pytest.mark.parametrize("error", OUT, ids=range(len(OUT)))
@pytest.mark.parametrize("room", [1, 2, 3, 16])
def test_chunks_are_halved_until_they_fit(error: Exception, room: int) -> None:
    sizes = []

    def work(rows: slice) -> list[int]:
        sizes.append(rows.stop - rows.start)
        if sizes[-1] > room:
            raise error
        return list(range(rows.start, rows.stop))

    parts, fits = in_chunks(11, 16, work, "lower it")
    assert sum(parts, []) == list(range(11))
    assert fits <= max(room, 1) or room >= 11
    assert max(size for size in sizes if size <= room) * 2 > min(room, 11) or room == 1


def test_where_one_is_too_much_it_is_said_what_to_lower() -> None:
    def work(_rows: slice) -> None:
        raise OUT[0]

    with pytest.raises(InputError, match=r"memory does not suffice \(CUDA out of memory\); lower it\."):
        in_chunks(3, 2, work, "lower it")


@pytest.mark.parametrize(
    "error", [RuntimeError("shape"), RuntimeError("memory format"), KeyError("x"), KeyboardInterrupt()]
)
def test_other_errors_pass_once(error: BaseException) -> None:
    calls = []

    def work(rows: slice) -> None:
        calls.append(rows)
        raise error

    with pytest.raises(type(error)):
        in_chunks(8, 8, work, "")
    assert len(calls) == 1
    assert not is_out_of_memory(error)


LONG = "a red circle beside a green square " * 40  # several times what an encoder reads


def limited(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, room: int) -> None:
    """Let a model's call run out of memory with more than `room` rows."""
    call = getattr(owner, name)

    def short(*args: Any, **more: Any) -> Any:
        rows = next(v for v in (*args, *more.values()) if isinstance(v, torch.Tensor))
        if len(rows) > room:
            raise OUT[0]
        return call(*args, **more)

    monkeypatch.setattr(owner, name, short)


def everything(models: Any) -> list[torch.Tensor]:
    images = torch.rand(5, 3, 128, 128, generator=torch.Generator().manual_seed(3))
    masks = torch.zeros(5, 1, 128, 128)
    masks[..., 30:70, 30:90] = 1
    inpainter = DiffusersInpainter(models.pipe, LONG)
    latents = inpainter.advance(inpainter.begin(images, masks, 1, 2, strength=0.6), 2, 3.0)
    assert inpainter.evaluations == 5 * (2 - latents.steps + 2) * 2 or inpainter.evaluations > 0
    seen = models.dino(images)
    return [
        inpainter.positive,
        models.scorer.encode_text(LONG),
        models.scorer.encode_texts(["a red circle", "a blue square", "a tree"]),
        latents.z,
        inpainter.decode(latents),
        models.scorer.encode_images(images),
        models.scorer.encode_images_and_tokens(images)[1],
        *models.scorer.places(images, seen.features),
        seen.features,
        seen.attention,
    ]


def test_every_model_goes_on_in_smaller_chunks(models: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = everything(models)
    for owner, name, room in (
        (models.pipe.unet, "forward", 2),
        (models.pipe.text_encoder, "forward", 1),
        (models.scorer.model, "encode_text", 1),
        (models.pipe.vae, "encode", 1),
        (models.pipe.vae, "decode", 2),
        (models.dino.model, "forward", 2),
        (models.scorer.model, "encode_image", 1),
        (models.scorer.visual, "forward_intermediates", 2),
        (models.scorer.visual.trunk, "forward_features", 2),
    ):
        limited(monkeypatch, owner, name, room)
    monkeypatch.setattr(models.dino, "batch_size", 8)
    monkeypatch.setattr(models.scorer, "batch_size", 32)
    for before, after in zip(plain, everything(models), strict=True):
        torch.testing.assert_close(after, before, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("part", "name", "way_out"),
    [
        ("pipe.unet", "forward", "dtype float16"),
        ("pipe.vae", "decode", "dtype float16"),
        ("dino.model", "forward", "DINO"),
        ("scorer.model", "encode_image", "CLIP"),
        ("scorer.model", "encode_text", "CLIP"),
        ("pipe.text_encoder", "forward", "dtype float16"),
    ],
)
def test_a_model_too_large_for_one_picture_is_told(
    models: Any, monkeypatch: pytest.MonkeyPatch, part: str, name: str, way_out: str
) -> None:
    owner = models
    for step in part.split("."):
        owner = getattr(owner, step)
    limited(monkeypatch, owner, name, 0)
    with pytest.raises(InputError, match="memory does not suffice") as caught:
        everything(models)
    assert way_out in str(caught.value)


@pytest.mark.parametrize(
    ("load", "says"),
    [
        (lambda: load_dino(WEIGHTS / "dino"), "The DINO model .* is too large for cpu; choose a smaller one"),
        (
            lambda: load_clip(f"local-dir:{WEIGHTS / 'clip'}"),
            "The CLIP model .* is too large for cpu; choose a smaller",
        ),
        (lambda: load_pipeline(WEIGHTS / "inpaint"), "inpainting model .* is too large for cpu"),
    ],
)
def test_a_model_too_large_for_a_device_is_told(monkeypatch: pytest.MonkeyPatch, load: Any, says: str) -> None:
    def full(*_args: Any, **_more: Any) -> None:
        raise OUT[0]

    monkeypatch.setattr(torch.nn.Module, "to", full)
    with pytest.raises(InputError, match=says):
        load()


def test_a_model_too_large_to_be_read_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some versions of diffusers move it to the device as soon as it is read."""

    def full(*_args: Any, **_more: Any) -> None:
        raise OUT[0]

    monkeypatch.setattr("diffusers.StableDiffusionInpaintPipeline.from_pretrained", full)
    with pytest.raises(InputError, match="inpainting model .* is too large for cpu"):
        load_pipeline(WEIGHTS / "inpaint")
