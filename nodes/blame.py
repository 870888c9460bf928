"""One fault, one sentence: what is wrong with a node's widgets, told at the input that is wrong."""

from __future__ import annotations

import sys
from typing import Any

from comfy_execution.graph_utils import ExecutionBlocker

from ..region_core.errors import shown


class Blame(str):
    """A sentence about one input, as an answer of `validate_inputs`.

    ComfyUI writes an answer to each input that `validate_inputs` names, healthy ones too, and leaves out those
    whose answer is an ExecutionBlocker. So this reads as one while another input is asked about. Its loop calls
    that input `x`; should it call it otherwise one day, the sentence stands at each of them, and nothing is lost.
    """

    culprit: str

    def __new__(cls, culprit: str, sentence: str) -> Blame:
        made = super().__new__(cls, shown(sentence))
        made.culprit = culprit
        return made

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        asked = sys._getframe(1).f_locals.get("x", self.culprit)
        return str if asked == self.culprit or not isinstance(asked, str) else ExecutionBlocker
