"""The demo graph through ComfyUI's own executor."""

from __future__ import annotations

import torch

from .conftest import Comfy, demo_graph


def test_demo_runs_and_keeps_what_is_outside(comfy: Comfy) -> None:
    run = comfy.run(demo_graph())
    assert run.success, run.messages
    edited, mask, box, ranked, boxes, curve, report, learned = (
        run.seen[f"v{i}"] for i in range(8))
    source = run.seen["v8"]
    assert edited.shape == source.shape
    assert mask.shape == source.shape[:3]
    outside = mask == 0
    assert torch.equal(edited[outside], source[outside])
    assert set(box) == {"x", "y", "width", "height"}
    assert ranked.shape[1:] == source.shape[1:]
    assert boxes.shape[-1] == curve.shape[-1] == 3
    assert "evaluations" in report
    assert learned.state
