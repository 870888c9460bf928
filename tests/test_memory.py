"""Memory that does not suffice: smaller chunks, the same result, a sentence where one is too much."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode

from region_core.demo.models import WEIGHTS
from region_core.encoders import load_clip, load_dino
from region_core.errors import InputError
from region_core.memory import in_chunks, is_out_of_memory
from region_core.paint.diffusers_loading import load_pipeline
from region_core.paint.diffusers_painter import DiffusersPainter

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


class Device:
    """Models as on a device with room for so many rows at once: their forwards are watched by hooks."""

    def __init__(self, models: Any) -> None:
        visual = models.scorer.visual
        first = next(one for one in visual.modules() if isinstance(one, torch.nn.Conv2d))
        self.parts = {
            "UNet": models.pipe.unet,
            "text encoder": models.pipe.text_encoder,
            "VAE encode": models.pipe.vae.encoder,
            "VAE decode": models.pipe.vae.decoder,
            "DINO": models.dino.model,
            "CLIP pictures": first,
            "CLIP texts": models.scorer.model.token_embedding,
        }

    @contextmanager
    def room(self, **rows: int) -> Iterator[None]:
        """Out of memory in the named parts above so many rows."""

        def limit(most: int) -> Any:
            def hook(_module: Any, args: tuple[Any, ...], more: dict[str, Any]) -> None:
                given = next(v for v in (*args, *more.values()) if isinstance(v, torch.Tensor))
                if len(given) > most:
                    raise OUT[0]

            return hook

        hooks = [
            self.parts[name.replace("_", " ")].register_forward_pre_hook(limit(most), with_kwargs=True)
            for name, most in rows.items()
        ]
        try:
            yield
        finally:
            for one in hooks:
                one.remove()


@pytest.fixture
def device(models: Any) -> Iterator[Device]:
    batches = models.dino.batch_size, models.scorer.batch_size
    yield Device(models)
    models.dino.batch_size, models.scorer.batch_size = batches


def everything(models: Any) -> list[torch.Tensor]:
    images = torch.rand(5, 3, 128, 128, generator=torch.Generator().manual_seed(3))
    masks = torch.zeros(5, 1, 128, 128)
    masks[..., 30:70, 30:90] = 1
    painter = DiffusersPainter(models.pipe, LONG)
    painted = painter(images, masks, seed=1, steps=2, guidance=3.0, strength=0.6)
    assert painter.evaluations == 5 * 2 * 1  # the rest was never begun
    seen = models.dino(images)
    return [
        painter.positive,
        painted,
        models.scorer.encode_text(LONG),
        models.scorer.encode_texts(["a red circle", "a blue square", "a tree"]),
        models.scorer.encode_images(images),
        models.scorer.encode_images_and_tokens(images)[1],
        *models.scorer.places(images, seen.features),
        seen.features,
        seen.attention,
    ]


def test_every_model_goes_on_in_smaller_chunks(models: Any, device: Device) -> None:
    plain = everything(models)
    rows = {"UNet": 2, "text_encoder": 1, "VAE_encode": 1, "VAE_decode": 2, "DINO": 2, "CLIP_pictures": 2}
    with device.room(**rows, CLIP_texts=1):
        made = everything(models)
    for before, after in zip(plain, made, strict=True):
        torch.testing.assert_close(after, before, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("part", "way_out"),
    [
        ("UNet", "dtype float16"),
        ("VAE_encode", "dtype float16"),
        ("VAE_decode", "dtype float16"),
        ("text_encoder", "dtype float16"),
        ("DINO", "DINO"),
        ("CLIP_pictures", "CLIP"),
        ("CLIP_texts", "CLIP"),
    ],
)
def test_a_model_too_large_for_one_picture_is_told(models: Any, device: Device, part: str, way_out: str) -> None:
    with device.room(**{part: 0}), pytest.raises(InputError, match="memory does not suffice") as caught:
        everything(models)
    assert way_out in str(caught.value)


class NoRoom(TorchFunctionMode):
    """A device that has no room for a single weight: nothing can be moved to it."""

    def __torch_function__(self, call: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if call is torch.Tensor.to and isinstance(args[0], torch.nn.Parameter):
            raise OUT[0]
        return call(*args, **(kwargs or {}))


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
def test_a_model_too_large_for_a_device_is_told(load: Any, says: str) -> None:
    with NoRoom(), pytest.raises(InputError, match=says):
        load()
