"""The bar of an edit says what is known, and nothing of what is not."""

from __future__ import annotations

import pytest
import torch

from region_core.cli.progress import Progress
from region_core.events import Event


def test_a_loss_and_a_score_are_shown_once_there_are_any(capsys: pytest.CaptureFixture[str]) -> None:
    picture = torch.zeros(1, 3, 32, 32)
    with Progress() as progress:
        progress(Event("work", 0.1))
        shown = capsys.readouterr().err
        assert "nan" not in shown
        assert "score" not in shown
        progress(Event("round", 0.5, record={"round": 0, "loss": 0.25}, best=picture, best_score=1.25))
        progress(Event("final", 1.0, best=picture, best_score=1.5))
    assert "loss 0.250, best score 1.500" in capsys.readouterr().err
