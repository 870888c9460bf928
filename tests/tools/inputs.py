"""Random inputs, and what must hold of each: `python -m tests.tools.inputs --cases 2000`.

A picture of any size, layout, type and values, with any mask, is either edited (the right size, finite,
untouched outside the region) or refused in one sentence.
"""

from __future__ import annotations

import argparse
import collections
import math
import time
from typing import Any

import numpy as np
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image

from region_core.errors import InputError

from .tiny import LITTLE, edit

VALUES = ("plain", "plain", "plain", "constant", "black", "nan", "infinite", "overshoot", "hdr", "bytes", "negative")
LAYOUTS = ("CHW", "HWC", "BCHW", "BHWC", "array", "PIL")
MASKS = (
    *["none"] * 5,
    *["11HW"] * 4,
    "full",
    "HW",
    "1HW",
    "BHW",
    "11HW",
    "half",
    "empty",
    "full",
    "small",
    "many",
    "nan",
)
OUTCOMES: collections.Counter[str] = collections.Counter()

SIDES = st.one_of(st.integers(16, 96), st.integers(16, 300), st.integers(16, 1500))
CASES = st.fixed_dictionaries(
    {
        "height": SIDES,
        "width": SIDES,
        "channels": st.sampled_from([1, 3, 3, 3, 3, 4, 4, 2]),
        "dtype": st.sampled_from(["float32", "float32", "float16", "bfloat16", "uint8", "uint16"]),
        "batch": st.sampled_from([*[1] * 7, 0, 2, 3, 4]),
        "values": st.sampled_from(VALUES),
        "layout": st.sampled_from(LAYOUTS),
        "mask": st.sampled_from(MASKS),
        "seed": st.integers(0, 2**31),
    }
)


def picture_of(case: dict[str, Any]) -> tuple[Any, torch.Tensor | None]:
    """(the picture as it is handed in, the values [3,H,W] it has, None where it can only be refused)."""
    source = torch.Generator().manual_seed(case["seed"])
    height, width, channels = case["height"], case["width"], case["channels"]
    values = torch.rand(channels, height, width, generator=source)
    values = {
        "plain": lambda v: v,
        "constant": lambda v: torch.full_like(v, 0.4),
        "black": torch.zeros_like,
        "nan": lambda v: _with(v, torch.nan),
        "infinite": lambda v: _with(v, torch.inf),
        "overshoot": lambda v: v * 1.1 - 0.05,
        "hdr": lambda v: v * 1.5 - 0.1,
        "bytes": lambda v: v * 255 + 3,
        "negative": lambda v: _with(v, -0.7),
    }[case["values"]](values)
    kind, layout = case["dtype"], case["layout"]
    if kind.startswith("uint"):
        high = 255 if kind == "uint8" else 65535
        whole = (values.nan_to_num(0.5, 0.5, 0.5).clamp(0, 1) * high).round()
        if layout == "PIL" and (kind == "uint16" or channels in (2, 5)):
            layout = "array"
        if layout in ("array", "PIL"):
            array = whole.permute(1, 2, 0).numpy().astype(kind)
            shape = array[..., 0] if channels == 1 else array
            return (Image.fromarray(shape) if layout == "PIL" else array), whole / high
        values = whole.to(torch.uint8) if kind == "uint8" else whole.to(torch.int32)
        own = values.float() / 255
    else:
        values = values.to(getattr(torch, kind))
        own = values.float()
        if layout in ("array", "PIL"):
            return own.permute(1, 2, 0).numpy().astype(np.float16 if kind == "float16" else np.float32), own
    if layout == "HWC":
        return values.permute(1, 2, 0), own
    if layout == "CHW":
        return values, own
    batch = values[None].repeat(case["batch"], 1, 1, 1)
    return (batch.permute(0, 2, 3, 1) if layout == "BHWC" else batch), own


def _with(values: torch.Tensor, one: float) -> torch.Tensor:
    values = values.clone()
    values[..., values.shape[-2] // 2, values.shape[-1] // 3] = one
    return values


def mask_of(case: dict[str, Any]) -> torch.Tensor | None:
    """A region prior in any shape."""
    kind, height, width = case["mask"], case["height"], case["width"]
    if kind == "none":
        return None
    white = torch.zeros(height, width)
    white[height // 4 :, : width // 2 + 1] = 1
    return {
        "HW": white,
        "1HW": white[None],
        "BHW": white.expand(case["batch"], -1, -1),
        "11HW": white[None, None],
        "half": white[None, None] * 0.5,
        "empty": torch.zeros(1, 1, height, width),
        "full": torch.ones(1, 1, height, width),
        "small": torch.ones(1, 1, 5, 7),
        "many": white.expand(3, 1, -1, -1),
        "nan": _with(white[None, None], torch.nan),
    }[kind]


def reach(prior: torch.Tensor, borders: Any) -> torch.Tensor:
    """Where an edit within a mask may show at the most [H,W]: the mask's own box, grown by what the settings say."""
    white = prior.reshape(prior.shape[-2:]) > 0.5
    rows, columns = white.any(dim=1).nonzero().flatten(), white.any(dim=0).nonzero().flatten()
    top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    side = math.sqrt((bottom - top) * (right - left))
    more = sum(
        max(least, math.ceil(side * percent / 100))
        for least, percent in ((borders.grow, borders.grow_percent), (borders.feather, borders.feather_percent))
    )
    allowed = torch.zeros_like(white)
    allowed[max(0, top - more) : bottom + more, max(0, left - more) : right + more] = True
    return allowed


def check(case: dict[str, Any]) -> str:
    """Edit what the case describes; AssertionError where something does not hold. Says what came of it."""
    image, own = picture_of(case)
    prior = mask_of(case)
    before = image.clone() if isinstance(image, torch.Tensor) else None
    try:
        result = edit(image, prior=prior, seed=case["seed"])
    except InputError as error:
        text = str(error)
        assert len(text.splitlines()) == 1, text
        assert 20 < len(text) < 300, text
        text.encode("utf-8")
        return "refused"
    assert own is not None
    assert case["values"] not in ("nan", "infinite") or case["dtype"].startswith("uint"), "NaN was edited"
    if before is not None:
        assert torch.equal(image, before), "the input was changed"
    size = (case["height"], case["width"])
    assert result.image.shape == (1, 3, *size)
    assert result.mask.shape == (1, 1, *size)
    rgb = own[:3] if own.shape[0] >= 3 else own[:1].expand(3, -1, -1)
    for made in (result.image, *(one.picture for one in result)):
        assert bool(made.isfinite().all())
        assert made.shape == result.image.shape
    assert bool(((result.mask >= 0) & (result.mask <= 1)).all())
    outside = (result.mask == 0).expand(1, 3, -1, -1)
    assert torch.equal(result.image[outside], rgb[None].float()[outside]), "touched outside"
    if prior is not None:
        assert not bool((result.mask[0, 0] > 0)[~reach(prior, LITTLE.paint)].any()), "left the given mask"
    return result.verdict


def property_test(cases: int, seed: int | None = None) -> Any:
    """A hypothesis test of so many cases, found again from the same seed."""

    @settings(
        max_examples=cases,
        deadline=None,
        database=None,
        derandomize=seed is None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(CASES)
    def run(case: dict[str, Any]) -> None:
        OUTCOMES[check(case)] += 1

    if seed is not None:
        from hypothesis import seed as seeded

        run = seeded(seed)(run)
    return run


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=None)
    args = parser.parse_args()
    torch.set_num_threads(1)
    started = time.perf_counter()
    property_test(args.cases, args.seed)()
    print(
        f"{sum(OUTCOMES.values())} cases in {time.perf_counter() - started:.0f} s: "
        + ", ".join(f"{count} {what}" for what, count in OUTCOMES.most_common())
    )


if __name__ == "__main__":
    main()
