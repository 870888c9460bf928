"""Batches of any pictures and masks through the nodes: each picture comes out whole, or one sentence does."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ..tools.inputs import reach
from .conftest import Comfy
from .parts import take, tiny_graph

SIDES = st.integers(32, 120)
CASES = st.fixed_dictionaries(
    {
        "count": st.sampled_from([1, 2, 3, 4]),
        "height": SIDES,
        "width": SIDES,
        "channels": st.sampled_from([1, 3, 3, 4]),
        "dtype": st.sampled_from(["float32", "float16", "bfloat16"]),
        "values": st.lists(st.sampled_from(["soft", "soft", "hdr", "constant"]), min_size=4, max_size=4),
        "odd one": st.sampled_from([None, None, None, None, None, "nan", "bytes"]),
        "mask": st.sampled_from(["none", "HW", "1HW", "BHW", "BHW", "BHW", "one too many"]),
        "grow": st.sampled_from([0, 0, 3, 20]),
        "feather": st.sampled_from([0, 0, 5]),
        "grow_percent": st.sampled_from([0, 10, 60]),
        "feather_percent": st.sampled_from([0, 15, 50]),
        "seed": st.integers(0, 2**31),
    }
)


def batch_of(case: dict[str, Any]) -> torch.Tensor:
    """[B,H,W,C]: no two pictures alike, the last of them one that no picture is, if asked for."""
    source = torch.Generator().manual_seed(case["seed"])
    noise = torch.rand(case["count"], case["channels"], 6, 8, generator=source)
    image = torch.nn.functional.interpolate(noise, (case["height"], case["width"]), mode="bilinear").movedim(1, -1)
    for index, kind in enumerate(case["values"][: case["count"]]):
        if kind == "hdr":
            image[index] = image[index] * 1.5 - 0.1
        elif kind == "constant":
            image[index] = 0.1 + 0.2 * index
    if case["odd one"] == "nan":
        image[-1, 3, 4] = torch.nan
    elif case["odd one"] == "bytes":
        image[-1] *= 255
    return image.contiguous().to(getattr(torch, case["dtype"]))


def masks_of(case: dict[str, Any]) -> torch.Tensor | None:
    """One for all of them or one each, each of another place."""
    height, width, count = case["height"], case["width"], case["count"]
    if case["mask"] == "none":
        return None
    corners = [(0, 0), (0, width // 2), (height // 2, 0), (height // 2, width // 2), (0, 0)]
    white = torch.zeros(count + 1, height, width)
    for mask, (top, left) in zip(white, corners, strict=False):
        mask[top : top + (height + 1) // 2, left : left + (width + 1) // 2] = 1
    return {"HW": white[0], "1HW": white[:1], "BHW": white[:count], "one too many": white}[case["mask"]]


def check(comfy: Comfy, case: dict[str, Any]) -> str:
    """Run it; AssertionError where something does not hold. Says what came of it."""
    image, masks = batch_of(case), masks_of(case)
    before = image.clone()
    widgets = {f"mask_{name}": case[name] for name in ("grow", "feather", "grow_percent", "feather_percent")}
    graph = tiny_graph(comfy, image, **widgets)
    if masks is not None:
        take(comfy, graph, "generator.region_prior", masks)
    run = comfy.run(graph)
    assert torch.equal(image.nan_to_num(), before.nan_to_num()), "the input was changed"
    sound = case["odd one"] is None and case["mask"] != "one too many"
    if not run.success:
        text = run.error["exception_message"].strip()
        assert text.startswith(("Learnable Region Generator: ", "Region Inpaint Optimize: ")), text
        assert len(text.splitlines()) == 1, text
        assert not sound, text
        return "refused"
    assert sound, "what is no picture, or no mask of it, was edited"
    count, size = case["count"], (case["height"], case["width"])
    edited, mask = run.seen["v0"], run.seen["v1"]
    assert edited.shape == (count, *size, 4 if case["channels"] == 4 else 3)
    assert mask.shape == (count, *size)
    assert bool(edited.isfinite().all())
    assert bool(run.seen["v3"].isfinite().all())
    assert bool(((mask >= 0) & (mask <= 1)).all())
    own = image.float().expand(-1, -1, -1, edited.shape[-1])
    changed = 0
    for index in range(count):
        assert torch.equal(edited[index][mask[index] == 0], own[index][mask[index] == 0]), "touched outside"
        if case["channels"] == 4:
            assert torch.equal(edited[index, ..., 3], own[index, ..., 3]), "the transparency was changed"
        if masks is not None:
            given = masks if masks.ndim == 2 else masks[min(index, len(masks) - 1)]
            assert not bool((mask[index] > 0)[~reach(given, SimpleNamespace(**case))].any()), "left the given mask"
        changed += bool((edited[index] != own[index]).any())
    return "edited" if changed else "as it was"


def test_each_picture_of_any_batch_comes_out_whole_or_one_sentence_does(comfy: Comfy) -> None:
    outcomes: list[tuple[str, int]] = []

    @settings(
        max_examples=14,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(CASES)
    def run(case: dict[str, Any]) -> None:
        outcomes.append((check(comfy, case), case["count"]))

    run()
    assert sum(count > 1 for what, count in outcomes if what == "edited") >= 3, outcomes
    assert sum(what == "refused" for what, _ in outcomes) >= 1, outcomes
