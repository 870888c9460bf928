"""Any picture is edited or refused in one sentence; 2,000 cases: `python -m tests.tools.inputs`."""

from __future__ import annotations

from .tools.inputs import OUTCOMES, property_test


def test_any_picture_is_edited_or_refused_in_one_sentence() -> None:
    OUTCOMES.clear()
    property_test(150)()
    assert OUTCOMES["refused"] > 20  # both happen, or the cases are no good
    assert OUTCOMES["edited"] + OUTCOMES["no region"] > 10
