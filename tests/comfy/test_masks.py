"""Any mask at the region generator's socket serves the picture, or is refused in one sentence."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from region_core.encoders import PatchFeatures
from region_core.find.prior import check_prior
from region_core.picture import picture_from

from .conftest import Comfy
from .parts import take, tiny_graph

SIDES = st.sampled_from([1, 31, 32, 33, 48, 90])
CASES = st.fixed_dictionaries(
    {
        "pictures": st.integers(1, 3),
        "masks": st.integers(0, 4),
        "layout": st.sampled_from(["HW", "1HW", "BHW", "B1HW", "W", "BHWC"]),
        "height": SIDES,
        "width": SIDES,
        "kind": st.sampled_from(["float32", "float16", "bfloat16", "bool", "uint8", "float64"]),
        "values": st.sampled_from(["some", "some", "full", "grey", "empty", "nan"]),
    }
)
IMAGE = (48, 90)


class FewCells:
    """DINO's socket, and features without a model."""

    patch_size = 8

    def grid(self, height: int, width: int) -> tuple[int, int]:
        return (4, 6)

    def __call__(self, images: torch.Tensor) -> PatchFeatures:
        source = torch.Generator().manual_seed(1)
        return PatchFeatures(torch.rand(1, 8, 4, 6, generator=source), torch.rand(1, 4, 6, generator=source))


def mask_of(case: dict[str, Any]) -> torch.Tensor:
    height, width, count = case["height"], case["width"], case["masks"]
    one = torch.zeros(height, width)
    one[: (height + 1) // 2, : (width + 2) // 3] = 1
    made = {"full": torch.ones_like(one), "grey": one * 0.5, "empty": one * 0}.get(case["values"], one)
    if case["values"] == "nan":
        made[0, 0] = torch.nan
    shape = {
        "HW": lambda: made,
        "1HW": lambda: made[None],
        "BHW": lambda: made.expand(count, -1, -1),
        "B1HW": lambda: made.expand(count, 1, -1, -1),
        "W": lambda: made[0],
        "BHWC": lambda: made[..., None].expand(count, -1, -1, 3),
    }[case["layout"]]()
    return shape.to(getattr(torch, case["kind"])) if case["values"] != "nan" else shape


def test_any_mask_serves_or_is_refused_in_one_sentence(comfy: Comfy) -> None:
    node = comfy.part("nodes.region_generator").LearnableRegionGenerator
    refusal = comfy.part("region_core.errors").InputError
    outcomes: list[str] = []

    @settings(max_examples=150, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(CASES)
    def run(case: dict[str, Any]) -> None:
        image = torch.rand(case["pictures"], *IMAGE, 3)
        mask = mask_of(case)
        before = mask.clone()
        try:
            made = node.execute(image, FewCells(), 3, mask).args[0]
        except refusal as error:
            text = str(error)
            assert text.startswith("Learnable Region Generator: "), text
            assert "region_prior" in text
            assert len(text.splitlines()) == 1
            outcomes.append("refused")
            return
        outcomes.append("served")
        assert made.prior.shape == (case["pictures"], 1, *IMAGE)
        assert made.prior.dtype == torch.float32
        for index in range(case["pictures"]):
            check_prior(made.prior[index : index + 1], torch.zeros(1, 3, *IMAGE))  # what the core asks for
        assert case["values"] != "empty"
        if (case["height"], case["width"]) == IMAGE and case["layout"] != "BHWC":
            plain = mask.float().reshape(-1, 1, *IMAGE).expand(case["pictures"], -1, -1, -1)
            assert torch.equal(made.prior.nan_to_num(), plain.nan_to_num())
        assert torch.equal(mask.nan_to_num(), before.nan_to_num())

    run()
    assert outcomes.count("served") > 20
    assert outcomes.count("refused") > 20


@pytest.mark.parametrize("shape", [(64, 96), (1, 64, 96), (1, 1, 64, 96), (32, 48)])
def test_an_edit_stays_within_a_mask_of_any_layout(comfy: Comfy, shape: tuple[int, ...]) -> None:
    image = torch.rand(1, 64, 96, 3, generator=torch.Generator().manual_seed(2))
    assert picture_from(image).rgb.shape == (1, 3, 64, 96)
    mask = torch.zeros(shape)
    mask[..., shape[-2] // 4 :, : shape[-1] // 2] = 1
    graph = tiny_graph(comfy, image)
    take(comfy, graph, "generator.region_prior", mask)
    run = comfy.run(graph)
    assert run.success, run.messages
    changed = (run.seen["v0"] != image).any(dim=-1)[0]
    assert bool(changed.any())
    assert not bool(changed[:16].any())
    assert not bool(changed[:, 48:].any())


def test_several_masks_for_one_picture_are_refused(comfy: Comfy) -> None:
    graph = tiny_graph(comfy, torch.rand(1, 64, 96, 3))
    take(comfy, graph, "generator.region_prior", torch.ones(3, 64, 96))
    run = comfy.run(graph)
    assert not run.success
    assert "region_prior has 3 masks and the image 1 pictures; give one mask" in run.error["exception_message"]
