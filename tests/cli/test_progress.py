"""The bar of an edit says what is known, and nothing of what is not."""

from __future__ import annotations

import pytest
import torch

from region_core.cli.progress import Progress
from region_core.events import Event


def test_a_loss_and_a_score_are_shown_once_there_are_any(capsys: pytest.CaptureFixture[str]) -> None:
    boxes = torch.zeros(1, 4)
    with Progress() as progress:
        progress(Event("proposal", 0.1, boxes, best_score=5.5))  # evidence is no score of an edit
        progress(Event("half", 0.3, boxes))
        shown = capsys.readouterr().err
        assert "nan" not in shown
        assert "5.5" not in shown
        progress(Event("preview", 0.5, boxes, loss=0.25))
        progress(Event("final", 0.9, boxes, best_score=1.5))
    assert "loss 0.250, best score 1.500" in capsys.readouterr().err
