"""A server whose log takes few signs: texts that it cannot show do not stop its queue."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import PACK, VERSIONS, demo_graph
from .served import Server

HALF, CHINESE = "a \ud83d", "\u7ea2\u8272\u7684\u5706"


def graph_with(caption: str, prompt: str) -> dict:
    """The demo's, its texts linked from nodes of core, so that they are seen when it runs."""
    graph = demo_graph(steps=1)
    del graph["sink"]
    for name, text in (("image_caption", caption), ("editing_prompt", prompt)):
        graph[name] = {"class_type": "PrimitiveString", "inputs": {"value": text}}
        graph["loss"]["inputs"][name] = [name, 0]
    graph["positive"]["inputs"]["text"] = "blue square"
    graph["show"] = {"class_type": "PreviewImage", "inputs": {"images": ["edit", 0]}}
    return graph


@pytest.mark.parametrize("encoding", ["cp1252"])
def test_texts_that_the_log_cannot_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    if not VERSIONS:
        pytest.skip("no ComfyUI here: set COMFYUI_DIR to the folder of one")
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    server = Server(VERSIONS[0], PACK, tmp_path / "base folder")
    try:
        server.wait()
        for caption, prompt, says in (
            (HALF, HALF, "image_caption has half of a character"),
            (CHINESE, CHINESE, "image_caption and editing_prompt are both"),
            ("red circle", HALF, "editing_prompt has half of a character"),
        ):
            heard = server.run(graph_with(caption, prompt), seconds=120)
            assert heard.status == "error", heard
            assert says in heard.problem
            assert heard.problem.startswith("CLIP Region Loss: ")
        typed = demo_graph(steps=1)
        del typed["sink"]
        typed["loss"]["inputs"].update(image_caption=HALF, editing_prompt=HALF)
        typed["show"] = {"class_type": "PreviewImage", "inputs": {"images": ["edit", 0]}}
        assert server.run(typed, seconds=120).status == "rejected"
        heard = server.run(graph_with("red circle", "blue square"), seconds=300)
        assert heard.status == "success", heard.problem
    finally:
        server.stop()
    log = server.log.read_text(encoding=encoding)
    assert "UnicodeEncodeError" not in log
