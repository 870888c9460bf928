"""A training that is stopped goes on as if it had not been."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from benchmark.training.loop import Average, Training


def trained(file: Path, stop: int, total: int = 8) -> tuple[nn.Module, Average, list[float]]:
    """A line fitted to points up to step `stop` of `total`, its running mean, the learning rates."""
    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    average = Average(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    training = Training(file, optimizer, 2, total, model=model, average=average)
    points, rates = torch.eye(3), []
    for step in range(training.start, stop):
        rates.append(optimizer.param_groups[0]["lr"])
        training.step((model(points) - 5).square().mean())
        average.update(model, step)
    training.keep(stop)
    return model, average, rates


def test_stopped_and_gone_on_with_it_ends_where_it_would_have(tmp_path: Path) -> None:
    whole, mean, rates = trained(tmp_path / "whole.pt", 8)
    trained(tmp_path / "parts.pt", 3)
    parts, other, last = trained(tmp_path / "parts.pt", 8)
    assert last == rates[3:]
    for name, value in whole.state_dict().items():
        assert torch.equal(value, parts.state_dict()[name])
        assert torch.equal(mean.weights[name], other.weights[name])
        assert not torch.equal(value, mean.weights[name])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["parts.pt", "whole.pt"]


def test_the_learning_rate_rises_and_falls(tmp_path: Path) -> None:
    _, _, rates = trained(tmp_path / "a.pt", 8)
    assert rates[:3] == pytest.approx([0, 0.05, 0.1])
    assert rates[2:] == sorted(rates[2:], reverse=True)
    assert rates[-1] < 0.02
