"""Resizing where a device lacks the operation, simulated by refusing it as such a device does."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from region_core.encode import reduced
from region_core.encoders.base import prepare
from region_core.find import Region
from region_core.paint import crop_region, stitch
from region_core.resize import resize
from region_core.settings import PaintSettings


class Apple(TorchDispatchMode):
    """Refuses what Apple's device did not have in torch 2.6: read in torch's source, not run there."""

    def __torch_dispatch__(self, call: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = str(call)
        if "upsample_bicubic2d_aa" in name:
            raise NotImplementedError(f"The operator '{name}' is not implemented for the MPS device")
        return call(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    "sizes",
    [
        ((60, 91), (224, 224)),
        ((300, 517), (224, 224)),
        ((64, 64), (32, 32)),
        ((40, 300), (40, 77)),
        ((33, 700), (90, 64)),
        ((5, 5), (1, 9)),
    ],
)
def test_the_same_pictures_without_the_operation(sizes):
    before, after = sizes
    images = torch.rand(2, 3, *before, generator=torch.Generator().manual_seed(1))
    plain = resize(images, *after)
    assert torch.equal(plain, F.interpolate(images, after, mode="bicubic", antialias=True))
    with Apple():
        other = resize(images, *after)
    torch.testing.assert_close(other, plain, atol=5e-5, rtol=0)


def test_the_same_size_is_the_same_tensor():
    images = torch.rand(1, 3, 40, 50)
    assert resize(images, 40, 50) is images


def test_pictures_reach_encoders_and_painter_on_such_a_device():
    source = torch.rand(1, 3, 150, 700, generator=torch.Generator().manual_seed(2))
    boxes = [(20, 10, 120, 90), (300, 0, 690, 150)]

    def all_of_it() -> list[torch.Tensor]:
        made = [reduced(source), prepare(source, 96, (0.5,) * 3, (0.5,) * 3, torch.zeros(1))]
        for box in boxes:
            crop = crop_region(source, Region.from_box(box, 150, 700), 64, PaintSettings())
            made += [crop.picture, crop.mask, *stitch(source, crop, 1 - crop.picture)]
        return made

    plain = all_of_it()
    with Apple():
        other = all_of_it()
    for a, b in zip(plain, other, strict=True):
        torch.testing.assert_close(a, b, atol=5e-5, rtol=0)
