"""The bar of a list moves within each item, never back, and says how many are done."""

from __future__ import annotations

import re
import time
from types import SimpleNamespace
from typing import Any

import pytest

from region_core.cli.main import main

from .quick import QuickEngine, asked, quick_edit


@pytest.mark.usefixtures("folder")
def test_the_bar_moves_within_an_item(capsys: pytest.CaptureFixture[str]) -> None:
    def edit(image: Any, caption: str, prompt: str, *, on_event: Any, **options: Any) -> Any:
        for done in (0.28, 0.76, 1.0):
            time.sleep(0.15)  # tqdm shows no more than ten moves a second
            on_event(SimpleNamespace(done=done))
        return quick_edit(image, caption, prompt, **options)

    assert main(asked(), QuickEngine(edit)) == 0
    shown = capsys.readouterr().err
    shares = [int(share) for share in re.findall(r"(\d+)%\|", shown)]
    assert shares == sorted(shares)
    assert {7, 19, 25, 32, 57, 82, 100} <= set(shares), shares
    assert "0 of 4 items" in shown
    assert "4 of 4 items" in shown
