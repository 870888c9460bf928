"""What a node may know of the graph round it, from the prompt that ComfyUI was given."""

from __future__ import annotations

import logging
from typing import Any

from ..region_core.errors import InputError, escape_for_console
from ..region_core.settings import EditSettings
from .values import LossDescription

log = logging.getLogger(__name__)
_TEXTS = ("PrimitiveString", "PrimitiveStringMultiline")
_LEARNED = 7  # the place of that output of Region Inpaint Optimize


def look_round(hidden: Any, settings: EditSettings, loss: LossDescription) -> list[str]:
    """What is odd in the graph of a Region Inpaint Optimize node, for its report; InputError for what must fail.

    `hidden` is what ComfyUI tells a node of its prompt; a script that calls a node tells nothing.
    """
    prompt, number = (hidden.prompt, str(hidden.unique_id)) if hidden and hidden.prompt else ({}, "")
    saved = any(
        node.get("class_type") == "LearnableRegions_SaveLearnedGenerator"
        and node.get("inputs", {}).get("learned") == [number, _LEARNED]
        for node in prompt.values()
    )
    if saved and not (settings.method == "paper" and settings.paper.learns):
        raise InputError(
            "there will be nothing to save, for nothing is learned; choose preset paper with learning gumbel or exact "
            "and generator_steps above 0, or disconnect Save Learned Region Generator"
        )
    text = _positive(prompt, number)
    if text is None or text.split() == loss.prompt.split():
        return []
    note = f"positive says {text.strip()!r} and editing_prompt {loss.prompt.strip()!r}; they should say the same"
    log.warning(escape_for_console(note))
    return [note]


def typed(hidden: Any, name: str, default: str) -> Any:
    """What a prompt says of an input of the node itself: ComfyUI leaves out a dynamic one that it does not know."""
    prompt = hidden.prompt if hidden and hidden.prompt else {}
    return prompt.get(str(hidden.unique_id), {}).get("inputs", {}).get(name, default) if prompt else default


def is_linked(hidden: Any, slots: set[int]) -> bool:
    """Whether one of a node's outputs is connected to another node."""
    prompt, number = (hidden.prompt, str(hidden.unique_id)) if hidden and hidden.prompt else ({}, "")
    links = [[number, slot] for slot in slots]
    return any(value in links for node in prompt.values() for value in node.get("inputs", {}).values())


def _positive(prompt: dict[str, Any], number: str) -> str | None:
    """The text of a node's positive conditioning; None where it can only be known when it has run."""
    node = _source(prompt, prompt.get(number, {}).get("inputs", {}).get("positive"))
    for _ in prompt:  # through FluxGuidance and the like
        if "conditioning" in node.get("inputs", {}):
            node = _source(prompt, node["inputs"]["conditioning"])
    if node.get("class_type") != "CLIPTextEncode":
        return None
    text = node["inputs"].get("text")
    source = _source(prompt, text)
    if source.get("class_type") in _TEXTS:
        text = source["inputs"].get("value")
    return text if isinstance(text, str) else None


def _source(prompt: dict[str, Any], link: Any) -> dict[str, Any]:
    """The node that a link [node, slot] comes from; empty for what is no link, or leads to no node."""
    return prompt.get(str(link[0]), {}) if isinstance(link, list) and len(link) == 2 else {}
